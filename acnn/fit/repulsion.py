"""The restraint of a linear fit where atoms are closer than in any data: dimers repel like bare nuclei."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import ase
import numpy as np
import torch
from numpy.typing import NDArray

from acnn.basis.radial import pair_bond_length
from acnn.data.dataset import LabeledStructure
from acnn.fit.assembly import RowSource
from acnn.models.linear import LinearACE
from acnn.models.reference import zbl_energy
from acnn.neighbors import atomic_graph, keep_shortest

FloatArray = NDArray[np.float64]
Pair = tuple[str, str]

REPULSIVE_RANGE = (0.05, 0.8)
"""In contact lengths: where dimers are asked to repel."""
N_REPULSIVE_DISTANCES = 16
LONGEST_CONTACT = 2.5
"""In bond lengths: beyond, bare nuclei hardly repel, and relative deviations would mean nothing."""


def contact_lengths(elements: tuple[str, ...], structures: Iterable[LabeledStructure]) -> dict[Pair, float]:
    """The bond length of every pair of elements, or, if longer, its shortest distance in the data; Å.

    Hydrogen atoms of water are never closer than 1.3 Å, and no data tell a fit what comes between there and the bond of
    H2, 0.74 Å. A pair that the data do not hold within 2.5 bond lengths counts as bonded.
    """
    bonds = {pair: pair_bond_length(*pair) for pair in itertools.combinations_with_replacement(elements, 2)}
    reach = LONGEST_CONTACT * max(bonds.values())
    shortest = np.full((len(elements), len(elements)), np.inf)
    for structure in structures:
        keep_shortest(atomic_graph(structure.atoms, reach), elements, shortest)
    found = {(a, b): float(shortest[elements.index(a), elements.index(b)]) for a, b in bonds}
    return {
        pair: max(bond, found[pair]) if found[pair] < LONGEST_CONTACT * bond else bond for pair, bond in bonds.items()
    }


def repulsion_rows(
    model: LinearACE, source: RowSource, contacts: dict[Pair, float], weight: float
) -> tuple[FloatArray, FloatArray]:
    """Rows that ask dimers, weakly, to repel like bare nuclei where cores overlap.

    weight · (E_dimer(r) / V_ZBL(r) - 1) for every pair of elements at distances up to 0.8 of their contact length
    (`contact_lengths`): relative deviations, so that the restraint shapes what no data determine and yields where there
    are any. It takes the place of P(y(0)) = 1 (paper, Sec. II B 2), which fixes one point and lets the polynomial swing
    below it.
    """
    rows, targets = [], []
    for pair in itertools.combinations_with_replacement(model.elements, 2):
        for distance in contacts[pair] * np.linspace(*REPULSIVE_RANGE, N_REPULSIVE_DISTANCES):
            dimer = ase.Atoms(pair, positions=[[0, 0, 0], [distance, 0, 0]])
            graph = atomic_graph(dimer, model.cutoff)
            numbers = torch.as_tensor(dimer.numbers, dtype=torch.float64)
            repulsion = float(zbl_energy(torch.tensor(distance), numbers[0], numbers[1]))
            row = source(graph, False).energy
            fixed = float((model.fixed_energies(graph) - model.e0(graph)).sum())
            rows.append(weight * row / repulsion)
            targets.append(weight * (1 - fixed / repulsion))
    return np.array(rows), np.array(targets)
