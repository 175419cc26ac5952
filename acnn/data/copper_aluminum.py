"""Structures of Cu, Al and their alloys for an example set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc100, fcc110, fcc111
from numpy.random import Generator

from acnn.data.recipes import MakeCalculator, Recipe, liquid_start, trajectories
from acnn.data.structures import random_alloy, rattled, strained, without_random_atom

CUBIC_CELL = {"Cu": 3.60, "Al": 4.00}
"""Å; the lattice constants of the face-centered cubic metals in EMT."""


def _fcc_alloy(rng: Generator, repeat: int) -> Atoms:
    """Make a cubic cell of 4·repeat³ sites with a random composition and the interpolated lattice constant."""
    atoms = random_alloy(bulk("Cu", cubic=True) * repeat, rng, ("Cu", "Al"))
    edge = np.mean([CUBIC_CELL[symbol] for symbol in atoms.symbols])
    atoms.set_cell(repeat * edge * np.eye(3), scale_atoms=True)
    return atoms


def _fcc_alloys(rng: Generator, repeat: int) -> Iterator[Atoms]:
    while True:
        yield _fcc_alloy(rng, repeat)


def _metal_atoms(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    yield from (Atoms(symbol) for symbol in CUBIC_CELL)


def _metal_dimers(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    """Make dimers at 0.7 to 1.6 times the nearest-neighbor distance of the crystal, evenly spaced."""
    pairs = (("Cu", "Cu"), ("Cu", "Al"), ("Al", "Al"))
    for number in range(count):
        pair = pairs[number % len(pairs)]
        bond = np.mean([CUBIC_CELL[symbol] for symbol in pair]) / np.sqrt(2.0)
        place = (number // len(pairs) + rng.uniform(0.0, 0.2)) / -(-count // len(pairs))
        yield Atoms(pair, positions=[[0.0, 0.0, 0.0], [0.0, 0.0, (0.7 + 0.9 * place) * bond]])


def _strained_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _fcc_alloys(rng, repeat=1):
        yield rattled(strained(atoms, rng, strain=0.06, volume=0.15), rng, 0.03)


def _rattled_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _fcc_alloys(rng, repeat=2):
        yield rattled(strained(atoms, rng, strain=0.02, volume=0.06), rng, rng.uniform(0.05, 0.2))


def _hot_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    yield from trajectories(_fcc_alloys(rng, repeat=2), (300, 600, 900, 1200), count, rng, make_calculator)


def _liquid_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    expanded = (liquid_start(atoms, rng, expansion=1.05) for atoms in _fcc_alloys(rng, repeat=2))
    yield from trajectories(expanded, (2000, 2800), count, rng, make_calculator, equilibration=200)


def _metal_vacancies(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _fcc_alloys(rng, repeat=2):
        yield rattled(without_random_atom(atoms, rng), rng, rng.uniform(0.02, 0.15))


def _metal_surfaces(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    faces = (fcc100, fcc110, fcc111)
    while True:
        element = rng.choice(list(CUBIC_CELL))
        face = faces[rng.integers(len(faces))]
        slab = face(str(element), size=(2, 2, 4), a=CUBIC_CELL[element], vacuum=8.0)
        atoms = slab if rng.random() < 0.5 else random_alloy(slab, rng, ("Cu", "Al"))
        yield rattled(atoms, rng, rng.uniform(0.02, 0.15))


COPPER_ALUMINUM = (
    Recipe("isolated_atom", (2, 0), (2, 0), _metal_atoms),
    Recipe("dimer", (9, 3), (3, 2), _metal_dimers),
    Recipe("strain", (24, 6), (7, 2), _strained_metals),
    Recipe("rattle", (21, 6), (6, 2), _rattled_metals),
    Recipe("md", (32, 7), (4, 1), _hot_metals),
    Recipe("liquid", (16, 4), (3, 1), _liquid_metals),
    Recipe("vacancy", (8, 2), (2, 1), _metal_vacancies),
    Recipe("surface", (8, 2), (3, 1), _metal_surfaces),
)
