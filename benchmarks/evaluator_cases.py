"""Models and structures of `evaluator.py`: four models shaped like Table III of Witt et al. (2023), and one of silicon
for large cells. All structures are rattled crystals or a random packing, the same ones in every run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_masses, atomic_numbers
from ase.units import kg

from acnn.models.linear import LinearACE
from acnn.testing import random_model

RATTLE = 0.1
"""Å"""


@dataclass(frozen=True)
class Case:
    """A model and the structure it is evaluated on.

    Attributes:
        settings: of the basis (`acnn.testing.random_model`).
        structure: from a number of cells per axis to atoms.
        cells, quick_cells: cells per axis.
    """

    elements: tuple[str, ...]
    settings: dict[str, Any]
    structure: Callable[[int], Atoms]
    cells: int
    quick_cells: int

    def model(self) -> LinearACE:
        return random_model(self.elements, seed=1, **self.settings)


def aluminium_silicon(cells: int) -> Atoms:
    """Face-centered cubic aluminium, every eleventh atom silicon."""
    atoms = bulk("Al", a=4.05, cubic=True) * cells
    atoms.symbols[np.random.default_rng(1).permutation(len(atoms))[: len(atoms) // 11]] = "Si"
    return _rattled(atoms)


def perovskite(cells: int) -> Atoms:
    """Cubic CsPbBr3."""
    corners = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    return _rattled(Atoms("CsPbBr3", scaled_positions=corners, cell=[5.9] * 3, pbc=True) * cells)


def organic(cells: int, density: float = 1.1, closest: float = 1.1) -> Atoms:
    """C2H4O as a random packing of its atoms: no molecules, but their density (g/cm³) and no overlaps (Å).

    Args:
        cells: 12 formula units each, per axis.
    """
    numbers = np.tile([atomic_numbers[symbol] for symbol in "CCHHHHO"], 12 * cells**3)
    length = (atomic_masses[numbers].sum() * 1e3 / kg / density) ** (1 / 3) * 1e8
    rng = np.random.default_rng(1)
    positions = np.empty((len(numbers), 3))
    placed = 0
    while placed < len(numbers):
        trial = rng.uniform(0, length, size=3)
        away = positions[:placed] - trial
        away -= length * np.round(away / length)
        if not (np.square(away).sum(axis=1) < closest**2).any():
            positions[placed] = trial
            placed += 1
    return Atoms(rng.permutation(numbers), positions, cell=[length] * 3, pbc=True)


def silicon(cells: int) -> Atoms:
    """Diamond cubic silicon."""
    return _rattled(bulk("Si", a=5.43, cubic=True) * cells)


def _rattled(atoms: Atoms) -> Atoms:
    atoms.rattle(RATTLE, seed=1)
    return atoms


CASES = {
    "AlSi10": Case(("Al", "Si"), {"order": 2, "degree": 7.0, "cutoff": 5.5}, aluminium_silicon, 9, 4),
    "CsPbBr3": Case(("Cs", "Pb", "Br"), {"order": 2, "degree": 12.0, "cutoff": 5.5}, perovskite, 8, 4),
    "C-H-O": Case(("C", "H", "O"), {"order": 3, "degree": 12.0, "cutoff": 5.5}, organic, 3, 2),
    "Si": Case(("Si",), {"order": 4, "degree": 20.0, "cutoff": 6.0}, silicon, 6, 3),
}

SMALLER = Case(("Si",), {"order": 3, "degree": 14.0, "cutoff": 5.5}, silicon, 6, 3)
"""For large cells: 383 functions."""
