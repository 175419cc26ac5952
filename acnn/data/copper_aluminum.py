"""Structures of Cu, Al and their alloys for an example set."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc100, fcc110, fcc111
from numpy.random import Generator

from acnn.data.recipes import MakeCalculator, Recipe, trajectories
from acnn.data.structures import random_alloy, random_packing, rattled, strained, without_random_atom

CUBIC_CELL = {"Cu": 3.60, "Al": 4.00}
"""Å; the lattice constants of the face-centered cubic metals in EMT."""
LIQUID_TEMPERATURES = (1300.0, 3000.0)
"""Lowest and highest, K."""
LIQUID_VOLUMES = (1.0, 1.5)
"""Lowest and highest, relative to the crystal of the same composition; a liquid at 1500 K without pressure has 1.27."""
SNAPSHOTS = 3
"""Of every trajectory of a liquid."""
VACUUM = 8.0
"""Å, on each side of a slab."""


def _alloy(rng: Generator, repeat: tuple[int, int, int], cubic: bool = True) -> Atoms:
    """Repeat the cell of 4 sites (or of 1, if not cubic), with a random composition and its lattice constant."""
    atoms = random_alloy(bulk("Cu", a=1.0, cubic=cubic) * repeat, rng, ("Cu", "Al"))
    edge = np.mean([CUBIC_CELL[symbol] for symbol in atoms.symbols])
    atoms.set_cell(edge * atoms.cell.array, scale_atoms=True)
    return atoms


def _alloys(rng: Generator, repeat: tuple[int, int, int], cubic: bool = True) -> Iterator[Atoms]:
    while True:
        yield _alloy(rng, repeat, cubic)


def _metal_atoms(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    yield from (Atoms(symbol) for symbol in CUBIC_CELL)


def _metal_dimers(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    """Make dimers at 0.7 to 1.85 times the nearest-neighbor distance of the crystal, evenly spaced."""
    pairs = (("Cu", "Cu"), ("Cu", "Al"), ("Al", "Al"))
    for number in range(count):
        pair = pairs[number % len(pairs)]
        bond = np.mean([CUBIC_CELL[symbol] for symbol in pair]) / np.sqrt(2.0)
        place = (number // len(pairs) + rng.uniform(0.0, 0.2)) / -(-count // len(pairs))
        yield Atoms(pair, positions=[[0.0, 0.0, 0.0], [0.0, 0.0, (0.7 + 1.15 * place) * bond]])


def _strained_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _alloys(rng, (1, 1, 1)):
        yield rattled(strained(atoms, rng, strain=0.06, volume=0.15), rng, 0.03)


def _rattled_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _alloys(rng, (2, 2, 2)):
        yield rattled(strained(atoms, rng, strain=0.02, volume=0.06), rng, rng.uniform(0.05, 0.2))


def _hot_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    temperatures = (300, 600, 900, 1200)
    crystals = _alloys(rng, (3, 3, 2), cubic=False)
    yield from trajectories(crystals, temperatures, count, rng, make_calculator, equilibration=40, interval=10)


def _liquid_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    """Run many small cells shortly, each from its own random packing, composition and density."""
    packings = (_packing(rng) for _ in range(count))
    temperatures = [rng.uniform(*LIQUID_TEMPERATURES) for _ in range(-(-count // SNAPSHOTS))]
    steps = {"timestep": 4.0, "equilibration": 30, "interval": 10}
    yield from trajectories(packings, temperatures, count, rng, make_calculator, **steps)


def _packing(rng: Generator) -> Atoms:
    """Pack 10 to 16 atoms into a cube, from compression to tension; atoms are no nearer than 0.78 bonds."""
    symbols = random_alloy(Atoms("Cu" * int(rng.integers(10, 17))), rng, ("Cu", "Al")).symbols
    volume = rng.uniform(*LIQUID_VOLUMES) * sum(CUBIC_CELL[symbol] ** 3 / 4 for symbol in symbols)
    shortest = 0.78 * np.mean([CUBIC_CELL[symbol] for symbol in symbols]) / np.sqrt(2.0)
    return random_packing(symbols, volume ** (1 / 3), shortest, rng)


def _metal_vacancies(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    for atoms in _alloys(rng, (2, 2, 2)):
        yield rattled(without_random_atom(atoms, rng), rng, rng.uniform(0.02, 0.15))


def _metal_surfaces(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    faces = (fcc100, fcc110, fcc111)
    for number in range(count):
        size = (*rng.integers(1, 3, 2), rng.integers(3, 8))
        slab = faces[number % len(faces)](("Cu", "Al")[number // 3 % 2], size, a=1.0)
        if rng.random() < 0.5:
            slab = random_alloy(slab, rng, ("Cu", "Al"))
        edge = np.mean([CUBIC_CELL[symbol] for symbol in slab.symbols]) * rng.uniform(0.97, 1.04)
        slab.positions *= edge
        slab.cell *= edge
        slab.center(vacuum=VACUUM, axis=2)
        yield rattled(slab, rng, rng.uniform(0.02, 0.15))


COPPER_ALUMINUM = (
    Recipe("isolated_atom", (2, 0), (2, 0), _metal_atoms),
    Recipe("dimer", (36, 9), (3, 2), _metal_dimers),
    Recipe("strain", (40, 10), (7, 2), _strained_metals),
    Recipe("rattle", (30, 6), (6, 2), _rattled_metals),
    Recipe("md", (24, 4), (4, 1), _hot_metals),
    Recipe("liquid", (150, 15), (3, 1), _liquid_metals),
    Recipe("vacancy", (12, 4), (2, 1), _metal_vacancies),
    Recipe("surface", (132, 24), (3, 1), _metal_surfaces),
)
