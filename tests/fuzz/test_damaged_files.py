"""A damaged file ends a command with one sentence that names it, or changes nothing.

``ACNN_FUZZ_CASES=10000`` tries so many cases instead of the few of every day, ``ACNN_FUZZ_SEED`` others than those.
A failure shows the seed of its case, with which ``ACNN_FUZZ_ONLY`` repeats it alone (or several, with
commas), and the damaged file is kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
try:
    import mutations
    from conftest import FIT, copied
    from judge import Case, Server, finite_json, verdict
    from mutations import Mutation
finally:
    sys.path.pop(0)

CASES = int(os.environ.get("ACNN_FUZZ_CASES", "0"))
SEED = int(os.environ.get("ACNN_FUZZ_SEED", "0"))
ONLY = os.environ.get("ACNN_FUZZ_ONLY")
MODELS = ("linear", "committee", "network", "attention", "ensemble")


def seeds(share: float, few: int) -> Sequence[int]:
    """Seeds of a test's cases: a share of those asked for, or a few."""
    if ONLY is not None:
        return [int(seed) for seed in ONLY.split(",")]
    first = 1_000_000 * SEED
    return range(first, first + (round(share * CASES) or few))


def run(
    cases: Sequence[int],
    make: Callable[[np.random.Generator], Case],
    kinds: Sequence[Mutation],
    bases: Path,
    folder: Path,
    server: Server,
    inputs: Sequence[str] = (),
) -> None:
    """Damage the file of every case and run its command; fails with all that went wrong."""
    faults = []
    for seed in cases:
        rng = np.random.default_rng(seed)
        case = make(rng)
        mutate = kinds[rng.integers(len(kinds))]
        copied(bases, folder, case.damaged, *inputs)
        content = (folder / case.damaged).read_bytes()
        damaged = mutate(content, rng)
        (folder / case.damaged).write_bytes(damaged)
        fault = verdict(case, server, folder)
        if fault:
            kept = folder.with_name(f"{folder.name}-{seed}-{case.damaged}")
            kept.write_bytes(damaged)
            faults.append(f"seed {seed}, {mutate.__name__}, {' '.join(case.arguments)}, {kept}: {fault}")
    assert not faults, f"{len(faults)} of {len(cases)} cases\n" + "\n".join(faults)


def errors(name: str) -> Callable[[Path], Any]:
    """The error table that a command wrote as JSON."""

    def read(folder: Path) -> Any:
        return finite_json(folder / name)

    return read


def fitted(folder: Path) -> Any:
    """What a fit wrote of itself, without times, memory and the names of its files."""
    metrics = finite_json(folder / "m.json")
    assert (folder / "m.acnn").stat().st_size > 0
    return {key: metrics[key] for key in ("n_basis", "n_equations", "reference_energies", "train", "log_evidence")}


def trained(folder: Path) -> Any:
    metrics = finite_json(folder / "attention.json")
    return {key: value for key, value in metrics.items() if "seconds" not in key and "bytes" not in key}


FIT_DATA = ["fit", "cu.xyz", "-o", "m.acnn", "--json", "m.json", *FIT]


def test_models(server: Server, bases: Path, tmp_path: Path) -> None:
    """Every bit of a model file is under its checksum: another one is never another potential."""
    expected = {}
    for kind in MODELS:
        folder = copied(bases, tmp_path / "sound", f"{kind}.acnn", "cu.xyz")
        ended = server.run(["evaluate", f"{kind}.acnn", "cu.xyz", "--json", "e.json"], folder)
        assert ended.status == 0, ended.text
        expected[kind] = finite_json(folder / "e.json")

    def make(rng: np.random.Generator) -> Case:
        kind = MODELS[rng.integers(len(MODELS))]
        model = f"{kind}.acnn"
        arguments = ["evaluate", model, "cu.xyz", "--json", "e.json"]
        return Case(arguments, model, ("e.json",), errors("e.json"), expected[kind])

    run(seeds(0.25, 20), make, mutations.BINARY, bases, tmp_path / "case", server, ["cu.xyz"])


def test_other_commands_on_models(server: Server, bases: Path, tmp_path: Path) -> None:
    """What else reads a model file."""
    folder = copied(bases, tmp_path / "sound", "linear.acnn")
    assert server.run(["export", "linear.acnn", "--to", "yace", "-o", "a.yace"], folder).status == 0
    yace = (folder / "a.yace").read_bytes()
    commands: dict[str, tuple[list[str], tuple[str, ...], Callable[[Path], Any], Any]] = {
        "info": (["info", "linear.acnn"], (), lambda folder: None, None),
        "yace": (
            ["export", "linear.acnn", "--to", "yace", "-o", "a.yace"],
            ("a.yace",),
            lambda folder: (folder / "a.yace").read_bytes(),
            yace,
        ),
        "mliap": (["export", "linear.acnn", "--to", "mliap"], ("linear.mliap.pt",), lambda folder: None, None),
        "from": (["train", "tune.yaml", "--from", "linear.acnn"], (), lambda folder: "trained", "an error"),
        "ensemble": (
            ["ensemble", "attention.acnn", "linear.acnn", "-o", "e.acnn"],
            (),
            lambda folder: "joined",
            "an error",
        ),
    }

    def make(rng: np.random.Generator) -> Case:
        name = list(commands)[rng.integers(len(commands))]
        arguments, outputs, result, expected = commands[name]
        return Case(arguments, "linear.acnn", outputs, result, expected)

    inputs = ["cu.xyz", "tune.yaml", "attention.acnn"]
    run(seeds(0.1, 10), make, mutations.BINARY, bases, tmp_path / "case", server, inputs)


def test_factor(server: Server, bases: Path, tmp_path: Path) -> None:
    """A fit goes on from its factorized equations as they were, or says that they are not."""
    expected = _fit(server, bases, tmp_path / "sound")

    def make(rng: np.random.Generator) -> Case:
        arguments = [*FIT_DATA, "--checkpoint", "linear.factor"]
        return Case(arguments, "linear.factor", ("m.acnn", "m.json", "linear.factor"), fitted, expected)

    run(seeds(0.1, 10), make, mutations.BINARY, bases, tmp_path / "case", server, ["cu.xyz"])


def test_training_checkpoint(server: Server, bases: Path, tmp_path: Path) -> None:
    """A training goes on from its checkpoint as it was, or says that it is not."""
    inputs = ["cu.xyz", "attention.yaml", "attention.acnn", "attention.csv"]
    resume = ["train", "attention.yaml", "--resume", "--set", "training.epochs=3"]
    folder = copied(bases, tmp_path / "sound", "attention.checkpoint", *inputs)
    ended = server.run(resume, folder)
    assert ended.status == 0, ended.text
    expected = trained(folder)
    outputs = ("attention.acnn", "attention.csv", "attention.json", "attention.checkpoint", "attention.training.png")

    def make(rng: np.random.Generator) -> Case:
        return Case(resume, "attention.checkpoint", outputs, trained, expected)

    run(seeds(0.05, 5), make, mutations.BINARY, bases, tmp_path / "case", server, inputs)


def test_data(server: Server, bases: Path, tmp_path: Path) -> None:
    """Damaged structures are refused by name, or fitted to finite numbers."""

    def make(rng: np.random.Generator) -> Case:
        return Case(FIT_DATA, "cu.xyz", ("m.acnn", "m.json"), fitted)

    run(seeds(0.25, 30), make, mutations.TEXT, bases, tmp_path / "case", server)


def test_cosmetic_changes_of_data(server: Server, bases: Path, tmp_path: Path) -> None:
    """What an editor or Windows does to a file does not change the fit."""
    expected = _fit(server, bases, tmp_path / "sound")

    def make(rng: np.random.Generator) -> Case:
        return Case(FIT_DATA, "cu.xyz", ("m.acnn", "m.json"), fitted, expected)

    run(seeds(0.01, 6), make, mutations.COSMETIC, bases, tmp_path / "case", server)


def test_settings_of_fits(server: Server, bases: Path, tmp_path: Path) -> None:
    """Odd settings are refused in a sentence with their name, or fit."""

    def make(rng: np.random.Generator) -> Case:
        arguments = ["fit", "--config", "fit.yaml", "-o", "m.acnn", "--json", "m.json"]
        return Case(arguments, "fit.yaml", ("m.acnn", "m.json"), fitted, names=WORDS_OF_SETTINGS)

    run(seeds(0.12, 20), make, mutations.TEXT, bases, tmp_path / "case", server, ["cu.xyz"])


def test_settings_of_trainings(server: Server, bases: Path, tmp_path: Path) -> None:
    def make(rng: np.random.Generator) -> Case:
        arguments = ["train", "attention.yaml", "-o", "attention.acnn", "--json", "attention.json"]
        return Case(arguments, "attention.yaml", ("*",), trained, names=WORDS_OF_SETTINGS)

    run(seeds(0.12, 15), make, mutations.TEXT, bases, tmp_path / "case", server, ["cu.xyz"])


WORDS_OF_SETTINGS = (
    "there is no file",  # which the settings name
    *(
        "train",
        "output",
        "json",
        "elements",
        "order",
        "degree",
        "wl",
        "cutoff",
        "bond_length",
        "bond length",
        "solver",
        "prior",
    ),
    *(
        "repulsion",
        "e0",
        "E0",
        "split",
        "weight",
        "data",
        "model",
        "linear",
        "validation",
        "type",
        "channels",
        "l_max",
    ),
    *("radial", "heads", "hidden", "pair", "epochs", "batch", "seed", "checkpoint", "isolated", "share"),
    *("loss", "selection", "learning", "patience", "schedule", "optimizer", "energy", "forces", "kind", "ramp"),
)
"""One of these stands in an error about settings, if not the name of the file."""


def _fit(server: Server, bases: Path, folder: Path) -> Any:
    copied(bases, folder, "cu.xyz")
    ended = server.run(FIT_DATA, folder)
    assert ended.status == 0, ended.text
    return fitted(folder)


@pytest.mark.parametrize("command", ["info", "evaluate", "export", "check", "report"])
def test_foreign_files(server: Server, bases: Path, tmp_path: Path, command: str) -> None:
    """A file of another kind in the place of a model."""
    further = {"evaluate": ["cu.xyz"], "export": ["--to", "mliap"], "report": ["cu.xyz", "-o", "r.html"]}

    def make(rng: np.random.Generator) -> Case:
        file = ["linear.yace", "linear.mliap.pt", "linear.factor", "attention.checkpoint", "cu.xyz", "fit.yaml"]
        name = file[rng.integers(len(file))]
        return Case([command, name, *further.get(command, [])], name, (), lambda folder: "nothing", "an error")

    inputs = ["cu.xyz", "fit.yaml"]
    run(seeds(0.004, 4), make, [mutations.as_it_is], bases, tmp_path / "case", server, inputs)
