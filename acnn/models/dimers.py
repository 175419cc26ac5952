"""Energies of dimers: the potential where the data say least."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_numbers

from acnn.arrays import FloatArray
from acnn.basis.radial import pair_bond_length
from acnn.graph import AtomicGraph
from acnn.pairs import Pair, element_pairs
from acnn.potential import Potential

REPULSIVE_RANGE = (0.3, 0.65)
"""In bond lengths of the crystal: where the energy of a dimer, whose own bond is shorter, must rise inwards."""
POINTS = 240
BEYOND_CUTOFF = 1.05
"""The curves end at this many cutoffs, where they must be zero."""


@dataclass(frozen=True)
class DimerCurve:
    """Two atoms at a distance.

    Attributes:
        pair: the two elements.
        distances: Å, ascending.
        energies: relative to the two atoms alone, eV.
        repulsion: -dE/dr, eV/Å.
        core: the range (Å) where `acnn check` requires repulsion.
    """

    pair: Pair
    distances: FloatArray
    energies: FloatArray
    repulsion: FloatArray
    core: tuple[float, float]

    @property
    def lowest(self) -> int:
        """Index of the lowest energy."""
        return int(np.argmin(self.energies))

    @property
    def weakest_core_repulsion(self) -> float:
        """Lowest -dE/dr in the core, eV/Å; positive in a sound potential."""
        inside = (self.distances >= self.core[0]) & (self.distances <= self.core[1])
        return float(self.repulsion[inside].min())


def dimer_curves(potential: Potential) -> list[DimerCurve]:
    """Return one curve for each pair of the potential's elements."""
    return [_curve(potential, pair) for pair in element_pairs(potential.elements)]


def _curve(potential: Potential, pair: Pair) -> DimerCurve:
    length = pair_bond_length(*pair)
    core = (REPULSIVE_RANGE[0] * length, REPULSIVE_RANGE[1] * length)
    inner = np.linspace(*core, POINTS // 4)
    distances = np.unique(np.concatenate([inner, np.linspace(core[1], BEYOND_CUTOFF * potential.cutoff, POINTS)]))
    dimers = _graph(pair, distances)
    found = potential.pair_gradients(dimers.within(potential.cutoff))
    alone = potential.pair_gradients(dimers.within(0.0)).energies
    repulsion = found.forces.numpy().reshape(-1, 2, 3)[:, 1, 0]
    return DimerCurve(pair, distances, (found.energies - alone).numpy(), repulsion, core)


def _graph(pair: Pair, distances: FloatArray) -> AtomicGraph:
    """Return one dimer along x for each distance (Å), as structures of one graph."""
    n = len(distances)
    atoms = torch.arange(2 * n)
    along_x = torch.zeros(n, 2, 3, dtype=torch.float64)
    along_x[:, 0, 0], along_x[:, 1, 0] = torch.as_tensor(distances), torch.as_tensor(-distances)
    return AtomicGraph(
        species=torch.tensor([atomic_numbers[element] for element in pair]).repeat(n),
        pair_i=atoms,
        pair_j=atoms ^ 1,
        pair_vectors=along_x.reshape(-1, 3),
        structure=atoms // 2,
        n_structures=n,
        n_centers=2 * n,
    )
