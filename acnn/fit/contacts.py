"""The shortest distances in the data, and a sample of the atoms."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
from ase.data import atomic_numbers

from acnn.arrays import FloatArray, IntArray
from acnn.basis.radial import pair_bond_length, pair_bond_lengths
from acnn.data.dataset import LabeledStructure
from acnn.neighbors import atomic_graph, keep_shortest

FEWEST_HOSTS, MOST_HOSTS, ALL_HOSTS = 4, 64, 640
"""Hosts: at least and at most per element, and the approximate number over all ordered pairs of elements."""
LONGEST_CONTACT = 2.5
"""In bond lengths: farther apart, bare nuclei hardly repel, and relative deviations would be meaningless."""


@dataclass(frozen=True)
class CloseContacts:
    """Shortest distances in the data, and atoms to insert others beside.

    Attributes:
        elements: by ascending atomic number.
        found: shortest distances in Å [n_elements, n_elements], infinite for pairs that never come within
            `LONGEST_CONTACT`.
        hosts: by element, structures and the index of one of its atoms that has neighbors.
    """

    elements: tuple[str, ...]
    found: FloatArray
    hosts: dict[str, list[tuple[ase.Atoms, int]]]

    @classmethod
    def of(cls, elements: tuple[str, ...], structures: Sequence[LabeledStructure], seed: int = 0) -> CloseContacts:
        """Search structures; hosts are drawn from all atoms of an element, reproducibly by seed."""
        found, in_company = shortest_distances(elements, structures)
        wanted = min(MOST_HOSTS, max(FEWEST_HOSTS, ALL_HOSTS // len(elements) ** 2))
        hosts = _hosts(elements, [s.atoms for s in structures], in_company, wanted, np.random.default_rng(seed))
        return cls(elements, found, hosts)

    @functools.cached_property
    def shortest(self) -> FloatArray:
        """Shortest distances in Å [n_elements, n_elements], bond lengths where the data have none."""
        return np.where(np.isfinite(self.found), self.found, pair_bond_lengths(self.elements))

    def closest_approach(self, one: str, other: str) -> float:
        """Return the bond length of two elements or, if longer, their shortest distance; Å.

        Hydrogen atoms of water are never closer than 1.3 Å, so the data do not cover the range from there to the bond
        length of H2, 0.74 Å.
        """
        return max(pair_bond_length(one, other), self.shortest_of(one, other))

    def shortest_of(self, one: str, other: str) -> float:
        """Return the shortest distance of two elements in Å."""
        return float(self.shortest[self.elements.index(one), self.elements.index(other)])


def shortest_distances(
    elements: tuple[str, ...], structures: Sequence[LabeledStructure]
) -> tuple[FloatArray, list[IntArray]]:
    """Return `CloseContacts.found`, and the atoms of every structure that have neighbors."""
    bonds = pair_bond_lengths(elements)
    found, in_company = np.full(bonds.shape, np.inf), []
    for structure in structures:
        graph = atomic_graph(structure.atoms, LONGEST_CONTACT * float(bonds.max()))
        keep_shortest(graph, elements, found)
        in_company.append(np.unique(graph.pair_i.numpy()))
    return np.where(found < LONGEST_CONTACT * bonds, found, np.inf), in_company


def _hosts(
    elements: tuple[str, ...],
    structures: Sequence[ase.Atoms],
    candidates: Sequence[IntArray],
    wanted: int,
    rng: np.random.Generator,
) -> dict[str, list[tuple[ase.Atoms, int]]]:
    """Draw hosts from the candidate atoms of the structures."""
    owner = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in candidates])
    place = np.concatenate([np.zeros(0, np.int64), *candidates])
    numbers = np.concatenate(
        [np.zeros(0, np.int64), *(a.numbers[c] for a, c in zip(structures, candidates, strict=True))]
    )
    hosts: dict[str, list[tuple[ase.Atoms, int]]] = {}
    for element in elements:
        drawn = rng.permutation(np.flatnonzero(numbers == atomic_numbers[element]))[:wanted]
        hosts[element] = [(structures[owner[k]], int(place[k])) for k in drawn]
    return hosts
