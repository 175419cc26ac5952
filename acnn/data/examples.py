"""Small training and test sets labeled by classical potentials, made in seconds and reproducible by seed.

With them every step of a fit can be tried without quantum mechanics: Cu-Al with ASE's effective medium theory,
silicon with LAMMPS' Stillinger-Weber potential. Files are extended XYZ with the keys ``REF_energy`` (eV),
``REF_forces`` (eV/Å), ``REF_virial`` (-dE/dε in eV, nine numbers, where periodic in three directions)
and ``config_type``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from ase.calculators.emt import EMT

from acnn.data.copper_aluminum import COPPER_ALUMINUM
from acnn.data.frames import extended_xyz
from acnn.data.labeling import labeled
from acnn.data.recipes import MakeCalculator, Recipe
from acnn.data.silicon import SILICON
from acnn.data.stillinger_weber import stillinger_weber
from acnn.data.structures import rounded
from acnn.files import write_atomically

Progress = Callable[[int, int], None]

SPLITS = ("train", "test")


def write_copper_aluminum(
    folder: str | Path, seed: int = 0, quick: bool = False, progress: Progress | None = None
) -> list[Path]:
    """Write ``train.xyz`` and ``test.xyz`` of Cu, Al and their alloys labeled by ASE's EMT; return the paths.

    426 and 72 structures, 30 and 10 when quick; ``progress(done, total)`` is called after each.
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
