"""Small training and test sets labeled by classical potentials, made in seconds and reproducible by seed.

With them every step of a fit can be tried without quantum mechanics: Cu-Al with ASE's effective medium theory,
silicon with LAMMPS' Stillinger-Weber potential. Files are extended XYZ with the keys ``REF_energy`` (eV),
``REF_forces`` (eV/Å), ``REF_virial`` (-dE/dε in eV, nine numbers, where periodic in three directions)
and ``config_type``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk, diamond100, diamond111, fcc100, fcc110, fcc111
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from numpy.random import Generator

from acnn.data.frames import extended_xyz
from acnn.data.labeling import labeled
from acnn.data.stillinger_weber import stillinger_weber
from acnn.data.structures import (
    molecular_dynamics,
    random_alloy,
    rattled,
    rounded,
    strained,
    without_random_atom,
)
from acnn.files import write_atomically

MakeCalculator = Callable[[], Calculator]
Progress = Callable[[int, int], None]

CUBIC_CELL = {"Cu": 3.60, "Al": 4.00}
"""Å; the lattice constants of the face-centered cubic metals in EMT."""
SILICON_CELL = 5.431
SPLITS = ("train", "test")


@dataclass(frozen=True)
class Recipe:
    """How to make structures of one configuration type, and how many: (train, test), normally and when quick.

    ``make(count, rng, make_calculator)`` yields at least ``count`` structures.
    """

    config_type: str
    counts: tuple[int, int]
    quick_counts: tuple[int, int]
    make: Callable[[int, Generator, MakeCalculator], Iterable[Atoms]]


def write_copper_aluminum(
    folder: str | Path, seed: int = 0, quick: bool = False, progress: Progress | None = None
) -> list[Path]:
    """Write ``train.xyz`` and ``test.xyz`` of Cu, Al and their alloys labeled by ASE's EMT; return the paths.

    120 and 30 structures, 30 and 10 when quick; ``progress(done, total)`` is called after each.
    """
    return _write_sets(Path(folder), COPPER_ALUMINUM, EMT, seed, quick, progress)


def write_silicon(
    folder: str | Path, seed: int = 0, quick: bool = False, progress: Progress | None = None
) -> list[Path]:
    """Write ``train.xyz`` and ``test.xyz`` of silicon labeled by LAMMPS' Stillinger-Weber; return the paths.

    120 and 30 structures, 30 and 10 when quick; ``progress(done, total)`` is called after each.
    """
    with stillinger_weber() as make_calculator:
        return _write_sets(Path(folder), SILICON, make_calculator, seed, quick, progress)


def _write_sets(
    folder: Path,
    recipes: Sequence[Recipe],
    make_calculator: MakeCalculator,
    seed: int,
    quick: bool,
    progress: Progress | None,
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    counts = [recipe.quick_counts if quick else recipe.counts for recipe in recipes]
    total, done = int(np.sum(counts)), 0
    paths = []
    for split, name in enumerate(SPLITS):
        images = []
        for number, recipe in enumerate(recipes):
            rng = np.random.default_rng([seed, split, number])
            count = counts[number][split]
            for atoms in islice(recipe.make(count, rng, make_calculator), count):
                images.append(labeled(rounded(atoms), recipe.config_type, make_calculator()))
                done += 1
                if progress is not None:
                    progress(done, total)
        paths.append(folder / f"{name}.xyz")
        write_atomically(paths[-1], extended_xyz(images))
    return paths


def _trajectories(
    crystals: Iterator[Atoms],
    temperatures: Sequence[float],
    count: int,
    rng: Generator,
    make_calculator: MakeCalculator,
    timestep: float = 3.0,
    equilibration: int = 60,
) -> Iterator[Atoms]:
    """Run one trajectory for each temperature, each from the next crystal, with equal numbers of snapshots."""
    snapshots = -(-count // len(temperatures))
    for temperature, crystal in zip(temperatures[: -(-count // snapshots)], crystals, strict=False):
        yield from molecular_dynamics(
            crystal,
            make_calculator(),
            rng,
            temperature=temperature,
            snapshots=snapshots,
            timestep=timestep,
            equilibration=equilibration,
        )


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
    yield from _trajectories(_fcc_alloys(rng, repeat=2), (300, 600, 900, 1200), count, rng, make_calculator)


def _liquid_metals(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    expanded = (_liquid_start(atoms, rng, expansion=1.05) for atoms in _fcc_alloys(rng, repeat=2))
    yield from _trajectories(expanded, (2000, 2800), count, rng, make_calculator, equilibration=200)


def _liquid_start(atoms: Atoms, rng: Generator, expansion: float) -> Atoms:
    atoms.set_cell(atoms.cell.array * expansion, scale_atoms=True)
    return rattled(atoms, rng, 0.3)


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
    yield from _trajectories(crystals, temperatures, count, rng, make_calculator, timestep=1.5)


def _liquid_silicon(count: int, rng: Generator, make_calculator: MakeCalculator) -> Iterator[Atoms]:
    crystals = (_liquid_start(_diamond((2, 2, 1)), rng, expansion=0.99) for _ in range(count))
    temperatures = (2500, 3500)
    yield from _trajectories(crystals, temperatures, count, rng, make_calculator, timestep=1.5, equilibration=400)


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
