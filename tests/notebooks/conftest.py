"""Copper with EMT's labels, a fit and a training on it, as a notebook would have them."""

from __future__ import annotations

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

import acnn
from acnn.conventions import virial_from_stress
from acnn.fit import FitReport
from acnn.train import TrainReport

HOSTILE = '<img src=x onerror="alert(1)">'
"""A config type that would do something if it were not escaped."""


def labeled(atoms: ase.Atoms, config_type: str) -> ase.Atoms:
    """With EMT's labels."""
    atoms.info["config_type"] = config_type
    computed = atoms.copy()
    computed.calc = EMT()
    atoms.info["REF_energy"] = computed.get_potential_energy()
    atoms.arrays["REF_forces"] = computed.get_forces()
    if atoms.pbc.all():
        atoms.info["REF_virial"] = virial_from_stress(computed.get_stress(voigt=False), computed.cell.volume).ravel()
    return atoms


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight crystals of copper, half of them of the hostile config type, and an isolated atom."""
    path, rng = tmp_path_factory.mktemp("copper") / "cu.xyz", np.random.default_rng(0)
    frames = [labeled(ase.Atoms("Cu"), "isolated_atom")]
    for k in range(8):
        atoms = bulk("Cu", cubic=True, a=3.5 + 0.025 * k)
        atoms.positions += rng.normal(scale=0.1, size=(4, 3))
        frames.append(labeled(atoms, ("bulk", HOSTILE)[k % 2]))
    ase.io.write(path, frames)
    return path


@pytest.fixture(scope="session")
def data(copper: Path) -> acnn.Dataset:
    """The data."""
    return acnn.read_dataset(copper)


@pytest.fixture(scope="session")
def report(copper: Path, tmp_path_factory: pytest.TempPathFactory) -> FitReport:
    """A fit with a committee, of a basis that was chosen."""
    settings = {"train": copper, "output": tmp_path_factory.mktemp("fit") / "cu.acnn", "order": 2, "degree": 6}
    chosen = {"select": "evidence", "select_cutoffs": [4.0, 5.0], "cutoff": 4.0, "committee": 3}
    return acnn.run_fit({**settings, **chosen})


@pytest.fixture(scope="session")
def trained(copper: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    """A network that was trained for three epochs."""
    model = {"type": "network", "cutoff": 4.0, "channels": 3, "l_max": 2, "radial_functions": 5, "hidden": [8]}
    training = {"epochs": 3, "batch_atoms": 12}
    output = tmp_path_factory.mktemp("train") / "network.acnn"
    data = {"train": copper, "validation": 0.25}
    return acnn.run_training({"data": data, "model": model, "training": training, "output": output})
