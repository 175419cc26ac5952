"""What the documents tell users to type is typed: README and examples, block by block, on tiny data and models.

A block runs as it stands but for `SMALLER`. The blocks of a page share a folder, in their order. What is not run stands
in `NOT_RUN` with a reason: a new block that is in neither fails.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.build
import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms

from acnn.data.dataset import read_dataset
from acnn.data.labeling import Labels
from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.settings.train import train_settings
from acnn.testing import evaluate, random_model
from acnn.uncertainty.grade import active_set_of
from lammps_plugin import save_unified

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lammps_plugin"), str(HERE.parent)]
try:
    import cases
    import warm
    from blocks import Block, read, settings_in_comments
    from copper import write_copper
finally:
    del sys.path[:3]

ROOT = HERE.parents[1]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md", "examples/lammps/README.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if "tutorials" not in path.parts),
    *sorted((ROOT / "examples").glob("*.yaml")),
]
BLOCKS = [block for path in DOCUMENTS for block in read(path, ROOT)]

INSTALLS = "it installs packages: .ci/run does"
NOT_RUN = {
    'pip install torch==2.13.0 ".[plot]" && acnn demo': f"{INSTALLS}, and tests/cli runs acnn demo",
    'pip install torch==2.13.0 ".[test]" && pytest -n 2': INSTALLS,
    "git clone <this repository> && cd acnn": INSTALLS,
    "python -m pytest -n 2                  # in two processes": ".ci/run does",
    "ACNN_FUZZ_CASES=10000 ACNN_FUZZ_SEED=1 python -m pytest tests/fuzz -n 2": "an hour; .ci/run tries a few",
    ".ci/test_lammps                        # in the active environment, with mpi4py and mpich in it": ".ci/run does",
    "ACNN_REQUIRE_KERNEL=1 pip install --no-deps --no-build-isolation -C build-dir=build/release -e .": INSTALLS,
    ".ci/test_sanitized                     # a few tests, as .ci/run does": ".ci/run does",
    'pip install -e ".[docs]"': ".ci/run does",
    "pip install torch --index-url https://download.pytorch.org/whl/cpu": INSTALLS,
    "acnn demo            # data, fit, errors, molecular dynamics": "the tutorials and tests/cli do",
    "mpiexec -n 8 acnn fit train.xyz -o si.acnn": "tests/fit/test_ranks.py fits with several ranks",
    "acnn fit --config fit.yaml": "examples/fit.yaml is one, and runs",
    "from matcalc import ElasticityCalc, EOSCalc, PhononCalc": "matcalc is not among the packages of the tests",
    "python fit.py silicon    # writes silicon.acnn and silicon.mliap.pt": "tests/lammps_plugin/test_examples.py does",
}
"""Blocks by their first line, and why."""
PACKAGES = {"pair_style pace": "ML-PACE", "python/invoke": "PYTHON"}
"""What a LAMMPS must have for a block with these words."""
SMALLER = {
    "runs/*/OUTCAR": "oth*.xyz",
    "--order 3 --degree 14 --cutoff 5.5": "--order 2 --degree 6 --cutoff 4",
    " --html hull.html": "",  # which shows two elements or more
    "--budget 2us": "--budget 90%",
    "--order 3 --degree 12,10,7 --cutoff 5": "--order 2 --degree 6 --cutoff 4",
    "acnn fit train.xyz -o si.acnn --committee 16": "acnn fit train.xyz -o si.acnn --committee 2 --order 2 --degree 6",
    "--calculator tblite.ase:TBLite --set method=GFN2-xTB --set verbosity=0": (
        "--calculator ase.calculators.lj:LennardJones --set sigma=2.1 --set rc=4"
    ),
    "--copies 16": "--copies 1",
    "--steps 2000": "--steps 20",
    "acnn phonons cu.xyz cu.acnn -o cu": "acnn phonons cu.xyz cu.acnn -o cu --supercell 2,2,2",
    "cu.acnn -o defects.xyz": "cu.acnn --supercell 2,2,2 --attempts 1 -o defects.xyz",
    "--small --supercell 4,4,4": "--small --supercell 2,2,2",
    '"order": 3, "degree": 14, "cutoff": 5.5': '"order": 2, "degree": 6, "cutoff": 4',
    '"model": {"cutoff": 5.0}, "training": {"epochs": 100}': (
        '"model": {"channels": 2, "l_max": 1, "hidden": [4]}, "linear": {"order": 2, "degree": 4}, '
        '"training": {"epochs": 1}'
    ),
    "for seed in 0 1 2 3; do": "for seed in 0 1; do",
    "d0.acnn d1.acnn d2.acnn d3.acnn": "d0.acnn d1.acnn",
    "acnn lammps doctor ": "acnn lammps doctor --help ",  # tests/lammps_plugin/test_doctor.py
    "mpirun -np 4": "mpirun -np 2",
    "in.lammps -n 4 -- -var steps 1000": "in.lammps -n 2 -- -var steps 3",
    "* (20, 20, 20)": "* (1, 1, 1)",
    "steps=10_000": "steps=3",
    "    run 100\n": "    run 3\n",
    "acnn example-data cual data": "acnn example-data cual data --quick",
}
MODEL = {"cutoff": 4.0, "channels": 2, "l_max": 1, "radial_functions": 3, "heads": 2, "hidden": [4]}
TINY = {
    "model": MODEL,
    "training": {"epochs": 1, "batch_atoms": 64},
    "linear": {"order": 2, "degree": 4},
    "order": 2,
    "degree": [5, 4],
    "dynamics": {"steps": 20, "temperature": 300, "swap": 5, "cell": 5},
}
"""What replaces these settings, where a file has them or, in those of a training, leaves them out."""
BEFORE = {"python": "from ase.build import bulk\n\natoms = bulk('Si')\n", "sh": "set -euo pipefail\n"}
CRYSTAL = """\
lattice diamond 5.43
region cell block 0 2 0 2 0 2
create_box 1 cell
create_atoms 1 region cell
mass 1 28.0855
"""
"""In LAMMPS inputs, after ``newton on`` or ``units metal``."""
MOLECULES = CRYSTAL.replace("create_box 1 cell", "create_box 1 cell bond/types 1 extra/bond/per/atom 1")
"""The same where inputs speak of bonds."""
POTENTIAL = f"units metal\nnewton on\n{CRYSTAL}pair_style mliap unified fixture.mliap.pt 0\npair_coeff * * Si\n"
"""Before those that have none."""
RUN = "variable steps index 2\nrun ${steps}\n"


def crystals(n: int, seed: int, config_type: str) -> list[Atoms]:
    """Rattled silicon."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = ase.build.bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell * rng.uniform(0.97, 1.03), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.1, size=(8, 3))
        atoms.info["config_type"] = config_type
        found.append(atoms)
    return found


def write_fixtures(folder: Path) -> LinearACE:
    """Structures under the names that the documents use, labeled by a random model, and that model."""
    truth = random_model(("Si",), order=2, degree=5.0, cutoff=4.0)
    isolated = Atoms("Si", info={"config_type": "isolated_atom"})
    sets = {
        "train": [isolated, *crystals(8, 1, "bulk"), *crystals(4, 2, "liquid")],
        "test": crystals(4, 3, "bulk"),
        "held_out": crystals(4, 6, "bulk"),
        "other": crystals(4, 4, "liquid"),
        "md": crystals(3, 5, "md"),
        "si": crystals(1, 7, "md"),
    }
    for name, frames in sets.items():
        found = [evaluate(truth, [atoms]) for atoms in frames]
        labels = [Labels(float(f.energies[0]), f.forces.numpy(), None) for f in found]
        labeled = [of.on(atoms, atoms.info["config_type"]) for of, atoms in zip(labels, frames, strict=True)]
        ase.io.write(folder / f"{name}.xyz", frames if name in ("md", "si") else labeled)
    truth.active_set = active_set_of(truth, read_dataset(folder / "train.xyz").structures)
    save_unified(truth, folder / "fixture.mliap.pt")
    return truth


def write_inputs(folder: Path, page: list[Block]) -> None:
    """Files that the page describes, and those that lie beside it."""
    for block in page:
        if block.language == "yaml" and block.file:
            write_settings(folder / block.file, yaml.safe_load(block.text))
        if block.language == "lammps" and block.file:
            (folder / block.file).write_text(lammps_input(block.text))
        for file, settings in settings_in_comments(block.text).items():
            write_settings(folder / file, settings)
    beside = (ROOT / page[0].document).parent
    for path in beside.iterdir() if beside != ROOT else ():
        if path.suffix == ".yaml":
            write_settings(folder / path.name, yaml.safe_load(path.read_text(encoding="utf-8")))
        elif path.is_file():
            shutil.copy(path, folder)


def write_settings(path: Path, settings: dict[str, Any]) -> None:
    """As the document has them, but for `TINY`."""
    is_training = "data" in settings
    tiny = {
        name: {**settings.get(name, {}), **value} if isinstance(value, dict) else value
        for name, value in TINY.items()
        if name in settings or (is_training and name in ("model", "training"))
        if not isinstance(settings.get(name), str)
    }
    given = {"output": f"{path.stem}.acnn"} if is_training else {}
    path.write_text(yaml.safe_dump({**given, **settings, **tiny}))


def lammps_input(text: str) -> str:
    """With a crystal and a run, and a potential where it has none."""
    if "pair_style" not in text:
        potential = POTENTIAL.replace(CRYSTAL, f"atom_style bond\n{MOLECULES}") if "bond_style" in text else POTENTIAL
        return potential + text + RUN
    last = "newton on\n" if "newton on\n" in text else "units metal\n"
    assert text.count(last) == 1, text
    return text.replace(last, last + CRYSTAL) + RUN


def smaller(text: str) -> str:
    for long, short in SMALLER.items():
        text = text.replace(long, short)
    return text


class Story:
    """The blocks of a page, run one after the other."""

    def __init__(self, page: list[Block], folder: Path) -> None:
        self.page, self.folder = page, folder
        self.done: dict[Block, subprocess.CompletedProcess[str]] = {}
        truth = write_fixtures(folder)
        if not any(re.search(r"acnn fit train.xyz -o si.acnn(?!.*--overwrite)", block.text) for block in page):
            save_model(truth, folder / "si.acnn")  # a page that fits none takes it from another
        if any("cu.acnn" in block.text for block in page):
            write_copper(folder)
        write_inputs(folder, page)

    def run(self, block: Block) -> subprocess.CompletedProcess[str]:
        """The block, and first those before it that have not run."""
        for one in self.page[: self.page.index(block) + 1]:
            if is_run(one) and one not in self.done and not why_not(one):
                self.done[one] = self._run(one)
        return self.done[block]

    def _run(self, block: Block) -> subprocess.CompletedProcess[str]:
        script = self.folder / f"block{block.line}"
        functions = functions_before(self.page, block) if block.language == "sh" else ""
        own = BEFORE.get(block.language, "") + functions + block.text
        script.write_text(lammps_input(block.text) if block.language == "lammps" else smaller(own))
        command = {"sh": ["bash"], "python": ["python"], "lammps": [*cases.binary().command]}[block.language]
        path = [str(warm.programs()), str(Path(sys.executable).parent), os.environ.get("PATH", "")]
        environment = {**os.environ, "PATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1", "TERM": "dumb"}
        return subprocess.run(
            [*command, script.name],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )


def functions_before(page: list[Block], block: Block) -> str:
    """Of the shell, defined in blocks before."""
    before = "".join(one.text for one in page[: page.index(block)] if one.language == "sh")
    return "\n".join([*re.findall(r"^\w+\(\) \{.*\}$", before, re.MULTILINE), ""])


def why_not(block: Block) -> str | None:
    """Why a block does not run here, if it does not."""
    if block.first in NOT_RUN:
        return NOT_RUN[block.first]
    text = smaller(block.text)
    if block.language == "lammps" or re.search(r"\blmp\b|lammps_plugin|acnn lammps run", text):
        if cases.binary().missing:
            return cases.binary().missing
        if "centroid/stress" in text and not cases.binary().plugin:
            return "only the plugin has the centroid stress"
        for words, package in PACKAGES.items():
            if words in text and package not in lammps_packages():
                return f"LAMMPS lacks the package {package}"
    return None


@functools.cache
def lammps_packages() -> list[str]:
    program = cases.binary().command[0]
    return subprocess.run([program, "-h"], capture_output=True, text=True, timeout=600).stdout.split()


def is_run(block: Block) -> bool:
    """Blocks that stand in a file are read by the commands of others."""
    return block.language in ("sh", "python", "lammps") and not block.file


_stories: dict[str, Story] = {}


@pytest.mark.parametrize("block", [block for block in BLOCKS if is_run(block)], ids=str)
def test_what_a_document_says_can_be_done(block, tmp_path_factory):
    reason = why_not(block)
    if reason:
        pytest.skip(reason)
    folder = str(Path(block.document).parent) if block.document.endswith(".yaml") else block.document
    if folder not in _stories:
        page = [b for b in BLOCKS if b.document == block.document or str(Path(b.document).parent) == folder]
        _stories[folder] = Story(page, tmp_path_factory.mktemp("page"))
    done = _stories[folder].run(block)
    assert done.returncode == 0, f"{block}\n{block.text}\n{done.stdout[-3000:]}"


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "bash"], ids=str)
def test_scripts_for_queues_are_shell(block):
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_block_is_known():
    """Of a language that is run, or in a file that a command reads; and no table names what is no longer there."""
    commands = "".join(block.text for block in BLOCKS if block.language == "sh")
    for block in BLOCKS:
        if block.language not in ("text", "bash"):
            assert is_run(block) or (block.file and block.file in commands), f"{block}: nothing runs it"
    assert set(NOT_RUN) <= {block.first for block in BLOCKS}
    everything = "".join(block.text for block in BLOCKS)
    assert [long for long in SMALLER if long not in everything] == []


@pytest.mark.parametrize(
    "block", [b for b in BLOCKS if b.language == "yaml" and "data" in yaml.safe_load(b.text)], ids=str
)
def test_settings_in_documents_are_settings(block):
    train_settings(yaml.safe_load(block.text))
