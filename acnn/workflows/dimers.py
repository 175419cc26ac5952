"""Energies of two atoms alone, with a model or any ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator

from acnn.arrays import FloatArray
from acnn.pairs import Pair
from acnn.workflows.crystal import Model, calculator_of

ROOM = 20.0
"""Å, around the atoms."""


def dimer_energies(model: Model, pair: Pair, distances: Sequence[float] | FloatArray) -> FloatArray:
    """Return the energies of two atoms at distances (Å), relative to both alone, eV."""
    calculator = calculator_of(model)
    box = float(np.max(distances)) + ROOM
    alone = sum(_energy([element], [0.0], box, calculator) for element in pair)
    return np.array([_energy(list(pair), [0.0, float(r)], box, calculator) - alone for r in distances])


def _energy(symbols: list[str], places: list[float], box: float, calculator: BaseCalculator) -> float:
    """Return the energy of atoms along x in a cubic cell, which is not periodic; some calculators need one."""
    positions = [[x + ROOM / 2, box / 2, box / 2] for x in places]
    atoms = Atoms(symbols, positions, cell=box * np.eye(3), calculator=calculator)
    return float(atoms.get_potential_energy())
