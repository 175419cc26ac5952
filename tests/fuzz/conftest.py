"""Small files of every kind, made by the commands themselves, for the fuzzer to damage."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.data.labeling import labeled

sys.path.insert(0, str(Path(__file__).parent))
try:
    from judge import Server
finally:
    sys.path.pop(0)

FIT = ["--order", "2", "--degree", "5,4", "--cutoff", "4.0"]
TRAINING = """\
data: {train: cu.xyz, validation: 0.25}
model: {type: TYPE, cutoff: 4.0, channels: 2, l_max: 1, radial_functions: 4, heads: 2, hidden: [4]}
linear: {order: 1, pair_degree: 3}
training:
  epochs: 3
  batch_atoms: 12
  seed: 1
  learning_rate: 0.003
  patience: 20
  schedule: cosine
  optimizer: muon
  loss: {energy: {ramp: [[0.7, 10], [0.8, 100]]}, forces: 1, kind: huber, deltas: {forces: 0.5}}
  selection: {energy: 10, forces: 1, measure: mae}
output: {model: TYPE.acnn, json: TYPE.json, checkpoint: TYPE.checkpoint}
"""
TUNING = """\
data: {train: cu.xyz, validation: null}
training: {epochs: 1, batch_atoms: 12}
output: tuned.acnn
"""
DECK = """\
units metal
atom_style atomic
boundary p p p
newton on
lattice fcc 3.6
region box block 0 2 0 2 0 2
create_box 1 box
create_atoms 1 box
mass 1 63.546
pair_style mliap unified linear.mliap.pt 0
pair_coeff * * Cu
velocity all create 300 1
fix 1 all nve
run 3
variable energy equal pe
print "${energy}" file pe.txt
"""
FITTING = """\
train: cu.xyz
output: linear.acnn
json: linear.json
elements: [Cu]
order: 2
degree: [5, 4]
wl: 1.5
cutoff: 4.0
bond_lengths: {Cu: 2.55}
solver: blr
prior: algebraic:4
repulsion: 0.3
e0: isolated
split: 0.2
weights:
  default: {E: 30, F: 1, V: 1}
"""


def crystals() -> list[ase.Atoms]:
    """An isolated copper atom and six rattled cells of four, labeled by EMT."""
    rng = np.random.default_rng(1)
    found = [ase.Atoms("Cu")]
    for k in range(6):
        atoms = bulk("Cu", cubic=True, a=3.5 + 0.04 * k)
        atoms.positions += rng.normal(scale=0.12, size=(4, 3))
        found.append(atoms)
    return [labeled(atoms, "default", EMT()) for atoms in found]


SECOND = ["-o", "second.acnn", "--json", "second.json", "--set", "output.checkpoint=second.checkpoint"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("server") / "output.txt")
    yield started
    started.close()


@pytest.fixture(scope="session")
def bases(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, settings, models of every kind, checkpoints and exported files."""
    folder = tmp_path_factory.mktemp("bases")
    ase.io.write(folder / "cu.xyz", crystals())
    (folder / "fit.yaml").write_text(FITTING)
    for model_type in ("network", "attention"):
        (folder / f"{model_type}.yaml").write_text(TRAINING.replace("TYPE", model_type))
    (folder / "tune.yaml").write_text(TUNING)
    (folder / "in.lammps").write_text(DECK)
    commands = (
        ["fit", "cu.xyz", "-o", "linear.acnn", *FIT, "--checkpoint", "linear.factor", "--json", "linear.json"],
        ["fit", "cu.xyz", "-o", "committee.acnn", *FIT, "--committee", "3"],
        ["train", "network.yaml"],
        ["train", "attention.yaml"],
        ["train", "attention.yaml", "--seed", "2", *SECOND],
        ["ensemble", "attention.acnn", "second.acnn", "-o", "ensemble.acnn"],
        ["export", "linear.acnn", "--to", "yace"],
        ["export", "linear.acnn", "--to", "mliap"],
    )
    for arguments in commands:
        ended = server.run(arguments, folder)
        assert ended.status == 0, ended.text
    return folder


def copied(bases: Path, folder: Path, *names: str) -> Path:
    """``folder``, empty but for copies of some of the files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in names:
        shutil.copy(bases / name, folder)
    return folder
