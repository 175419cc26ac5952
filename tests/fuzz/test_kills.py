"""A command killed at any moment leaves whole files, and given again ends as if it had not been killed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

import acnn

sys.path.insert(0, str(Path(__file__).parent))
try:
    from conftest import FIT, copied
    from judge import Server, contents
    from test_damaged_files import fitted, seeds, trained
finally:
    sys.path.pop(0)

MOST_KILLS = 3


@dataclass(frozen=True)
class Job:
    """A command that can be given again, and what it makes."""

    arguments: list[str]
    inputs: tuple[str, ...]
    result: Callable[[Path], Any]


def written(name: str) -> Callable[[Path], Any]:
    return lambda folder: (folder / name).read_bytes()


LABEL = ["label", "cu.xyz", "-o", "l.xyz", "--calculator", "ase.calculators.emt:EMT", "--copies", "2", "--overwrite"]
JOBS: Mapping[str, Job] = {
    "fit": Job(
        ["fit", "cu.xyz", "-o", "m.acnn", "--json", "m.json", "--checkpoint", "m.factor", *FIT], ("cu.xyz",), fitted
    ),
    "train": Job(["train", "attention.yaml", "--resume"], ("cu.xyz", "attention.yaml"), trained),
    "label": Job(LABEL, ("cu.xyz",), written("l.xyz")),
    "mliap": Job(
        ["export", "linear.acnn", "--to", "mliap", "--overwrite"], ("linear.acnn",), written("linear.mliap.pt")
    ),
    "yace": Job(["export", "linear.acnn", "--to", "yace", "--overwrite"], ("linear.acnn",), written("linear.yace")),
    "ensemble": Job(
        ["ensemble", "attention.acnn", "second.acnn", "-o", "e.acnn", "--overwrite"],
        ("attention.acnn", "second.acnn"),
        written("e.acnn"),
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_killed_and_given_again(server: Server, bases: Path, tmp_path: Path, name: str) -> None:
    job = JOBS[name]
    sound = copied(bases, tmp_path / "sound", *job.inputs)
    ended = server.run(job.arguments, sound)
    assert ended.status == 0, ended.text
    expected, files = job.result(sound), set(contents(sound))
    faults = []
    cases = seeds(0.01, 2)
    for seed in cases:
        rng = np.random.default_rng(seed)
        folder = copied(bases, tmp_path / "case", *job.inputs)
        for _ in range(rng.integers(1, MOST_KILLS + 1)):
            killed = server.run(job.arguments, folder, kill=float(rng.uniform(0, 1.2 * ended.seconds)))
            faults += [f"seed {seed}: after a kill, {fault}" for fault in _broken(folder)]
            if killed.signal != 9 and killed.status != 0:
                faults.append(f"seed {seed}: after a kill, {killed.text[-400:]}")
        again = server.run(job.arguments, folder)
        faults += [f"seed {seed}: {fault}" for fault in _differences(job, again, folder, expected, files)]
    assert not faults, f"{len(faults)} faults in {len(cases)} cases of {name}\n" + "\n".join(faults)


def _differences(job: Job, again: Any, folder: Path, expected: Any, files: set[str]) -> list[str]:
    if again.status != 0:
        return [f"given again: {again.text[-600:]}"]
    faults = []
    if job.result(folder) != expected:
        faults.append("another result after a kill")
    if set(contents(folder)) != files:
        faults.append(f"other files than without a kill: {sorted(set(contents(folder)) ^ files)}")
    return faults


def _broken(folder: Path) -> list[str]:
    """Files under their final names that are not whole."""
    faults = []
    for path in sorted(folder.iterdir()):
        reader = READERS.get(path.suffix)
        if reader and not path.name.startswith("."):
            try:
                reader(path)
            except Exception as error:
                faults.append(f"{path.name} is not whole: {error!r}")
    return faults


def _all_frames(path: Path) -> None:
    frames = ase.io.read(path, ":")
    if len(frames) not in (7, 12) and not path.name.endswith(".part.xyz"):
        raise ValueError(f"{len(frames)} structures")


READERS: Mapping[str, Callable[[Path], Any]] = {
    ".acnn": acnn.load_model,
    ".json": lambda path: json.loads(path.read_text()),
    ".xyz": _all_frames,
}
