"""Structures of silicon for an example set."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms
from ase.build import bulk, diamond100, diamond111
from numpy.random import Generator

from acnn.data.recipes import MakeCalculator, Recipe, liquid_start, trajectories
from acnn.data.structures import rattled, strained, without_random_atom

SILICON_CELL = 5.431


def _diamond(repeat: tuple[int, int, int]) -> Atoms:
    atoms: Atoms = bulk("Si", a=SILICON_CELL, cubic=True) * repeat
    return atoms


def _silicon_atom(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    yield Atoms("Si", positions=[[10.0, 10.0, 10.0]], cell=[20.0, 20.0, 20.0], pbc=False)


def _strained_silicon(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    while True:
        yield rattled(strained(_diamond((1, 1, 1)), rng, strain=0.08, volume=0.2), rng, 0.03)


def _rattled_silicon(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    while True:
        atoms = strained(_diamond((2, 1, 1)), rng, strain=0.02, volume=0.06)
        yield rattled(atoms, rng, rng.uniform(0.03, 0.15))


def _hot_silicon(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    crystals = (strained(_diamond((2, 2, 1)), rng, strain=0.0, volume=0.04) for _ in range(count))
    temperatures = (300, 700, 1100, 1500)
    yield from trajectories(crystals, temperatures, count, rng, make_calculator, timestep=1.5)


def _liquid_silicon(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    crystals = (liquid_start(_diamond((2, 2, 1)), rng, expansion=0.99) for _ in range(count))
    temperatures = (2500, 3500)
    yield from trajectories(crystals, temperatures, count, rng, make_calculator, timestep=1.5, equilibration=400)


def _silicon_vacancies(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    while True:
        atoms = without_random_atom(_diamond((2, 2, 1)), rng)
        yield rattled(atoms, rng, rng.uniform(0.02, 0.1))


def _silicon_surfaces(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    faces = (diamond100, diamond111)
    while True:
        face = faces[rng.integers(len(faces))]
        slab = face("Si", size=(2, 2, 6), a=SILICON_CELL, vacuum=8.0)
        yield rattled(slab, rng, rng.uniform(0.02, 0.1))


SILICON = (
    Recipe("isolated_atom", (1, 0), (1, 0), _silicon_atom),
    Recipe("strain", (27, 7), (9, 3), _strained_silicon),
    Recipe("rattle", (28, 7), (8, 3), _rattled_silicon),
    Recipe("md", (32, 8), (4, 1), _hot_silicon),
    Recipe("liquid", (16, 4), (3, 1), _liquid_silicon),
    Recipe("vacancy", (8, 2), (2, 1), _silicon_vacancies),
    Recipe("surface", (8, 2), (3, 1), _silicon_surfaces),
)
