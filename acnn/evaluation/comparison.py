"""Evaluations of structures and their deviations.

All figures are relative deviations, so that one limit suits all structures.
"""

from __future__ import annotations

from collections.abc import Sequence

import ase
import numpy as np

from acnn.arrays import FloatArray
from acnn.graph import batch
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential

ENERGY_SCALE = 1.0
"""eV; deviations of smaller energies are relative to this."""
FORCE_SCALE = 1e-2
"""eV/Å, and eV for virials; if all are smaller, deviations are relative to this."""


def evaluate(potential: Potential, structures: Sequence[ase.Atoms]) -> PairGradients:
    """Evaluate several structures at once."""
    return potential.pair_gradients(batch([atomic_graph(atoms, potential.cutoff) for atoms in structures]))


def relative_deviation(found: FloatArray, expected: FloatArray, scale: float) -> float:
    """Return max|found - expected| / max|expected|, with a denominator of at least ``scale``."""
    deviation = np.abs(np.asarray(found) - expected).max(initial=0.0)
    return float(deviation / np.abs(expected).max(initial=scale))


def bare(atoms: ase.Atoms) -> ase.Atoms:
    """Keep only what a potential sees."""
    return ase.Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
