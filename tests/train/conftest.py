"""Tiny data labeled by EMT, and tiny models: three channels, degrees up to 2, one hidden layer of eight."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.conventions import virial_from_stress
from acnn.settings.train import TrainSettings, train_settings
from acnn.train.job import run_training

MODEL = {"cutoff": 4.0, "channels": 3, "l_max": 2, "radial_functions": 5, "heads": 2, "hidden": [8]}
TRAINING = {"epochs": 4, "batch_atoms": 12, "ema": 0.9}

MakeSettings = Callable[..., TrainSettings]


def labeled(atoms: ase.Atoms) -> ase.Atoms:
    """A copy with EMT's energy, forces and virial."""
    computed = atoms.copy()
    computed.calc = EMT()
    atoms.info["REF_energy"] = computed.get_potential_energy()
    atoms.arrays["REF_forces"] = computed.get_forces()
    if atoms.pbc.all():
        stress = computed.get_stress(voigt=False)
        atoms.info["REF_virial"] = virial_from_stress(stress, computed.cell.volume).ravel()
    return atoms


def crystals(n: int, seed: int, elements: tuple[str, ...] = ("Cu",)) -> list[ase.Atoms]:
    """Rattled cells of four atoms, a little larger from one to the next."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True, a=3.5 + 0.2 * k / n)
        atoms.symbols[:] = rng.choice(elements, size=4)
        atoms.positions += rng.normal(scale=0.12, size=(4, 3))
        found.append(labeled(atoms))
    return found


@pytest.fixture(scope="session")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve crystals of copper and an isolated atom."""
    path = tmp_path_factory.mktemp("copper") / "cu.xyz"
    ase.io.write(path, [labeled(ase.Atoms("Cu")), *crystals(12, seed=1)])
    return path


@pytest.fixture(scope="session")
def alloys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crystals of copper and gold, and an isolated atom of each."""
    path = tmp_path_factory.mktemp("alloys") / "cuau.xyz"
    atoms = [labeled(ase.Atoms(e)) for e in ("Cu", "Au")]
    ase.io.write(path, [*atoms, *crystals(10, seed=2, elements=("Cu", "Au"))])
    return path


@pytest.fixture(scope="session")
def five_elements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crystals of nickel, copper, palladium, silver and gold, and an isolated atom of each."""
    path, elements = tmp_path_factory.mktemp("five") / "five.xyz", ("Ni", "Cu", "Pd", "Ag", "Au")
    ase.io.write(path, [*(labeled(ase.Atoms(e)) for e in elements), *crystals(4, seed=5, elements=elements)])
    return path


@pytest.fixture
def make_settings(copper: Path, tmp_path: Path) -> MakeSettings:
    """Settings of a tiny training; keywords are sections, or keys of `training` and `model` with a prefix."""
    return functools.partial(tiny_settings, copper, tmp_path)


def tiny_settings(data: Path, folder: Path, /, **changes: Any) -> TrainSettings:
    """With the output m.acnn in the folder."""
    sections: dict[str, Any] = {
        "data": {"train": data, "validation": 0.25},
        "model": dict(MODEL),
        "linear": {"order": 1, "pair_degree": 3},
        "training": dict(TRAINING),
        "output": {"model": folder / "m.acnn"},
    }
    for name, values in changes.items():
        sections[name] = {**sections.get(name, {}), **values} if isinstance(values, dict) else values
    return train_settings({name: values for name, values in sections.items() if values is not None})


@pytest.fixture(scope="session")
def trained(copper: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of copper, to continue from."""
    settings = tiny_settings(copper, tmp_path_factory.mktemp("trained"), linear={"order": 2, "degree": 4})
    run_training(settings)
    return settings.output.model
