"""One more atom in a structure: the atoms that see it, and what it changes in their energies.

Only the new atom is inserted, not its periodic images, and images of an atom that see it count separately.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from ase.data import atomic_numbers
from torch import Tensor

from acnn.graph import AtomicGraph


class Sites(NamedTuple):
    """Atoms that see an inserted one, the host first; images of an atom count separately.

    Attributes:
        atom: index in the structure [n].
        species: atomic numbers [n].
        to_inserted: vectors from the atoms to the inserted one, Å [n, 3].
    """

    atom: Tensor
    species: Tensor
    to_inserted: Tensor

    def first(self) -> Sites:
        return Sites(self.atom[:1], self.species[:1], self.to_inserted[:1])


def sites_around(graph: AtomicGraph, host: int, place: Tensor, cutoff: float) -> Sites:
    """Those around a place, which is given from the host, in a graph that reaches far enough."""
    mine = torch.nonzero(graph.pair_i == host)[:, 0]
    atom = torch.cat([torch.tensor([host]), graph.pair_j[mine]])
    to_inserted = place - torch.cat([torch.zeros(1, 3, dtype=torch.float64), graph.pair_vectors[mine]])
    inside = torch.linalg.vector_norm(to_inserted, dim=1) < cutoff
    return Sites(atom[inside], graph.species[atom[inside]], to_inserted[inside])


def with_and_without(
    near: AtomicGraph, sites: Sites, inserted: str, with_its_own: bool
) -> tuple[AtomicGraph, AtomicGraph]:
    """Graphs whose centers are the sites, with the inserted atom and without.

    Args:
        near: the structure, within the cutoff.
        with_its_own: the inserted atom is a center as well.
    """
    first = torch.searchsorted(near.pair_i, sites.atom)
    counts = torch.searchsorted(near.pair_i, sites.atom, right=True) - first
    center = torch.repeat_interleave(torch.arange(len(sites.atom)), counts)
    pairs = torch.arange(len(center)) + (first - torch.cumsum(counts, 0) + counts)[center]
    before = _Pairs(center, near.species[near.pair_j[pairs]], near.pair_vectors[pairs])
    number, n = torch.tensor([atomic_numbers[inserted]]), len(sites.atom)
    after = before.and_also(_Pairs(torch.arange(n), number.expand(n), sites.to_inserted))
    species = sites.species
    if with_its_own:
        species = torch.cat([species, number])
        after = after.and_also(_Pairs(torch.full((n,), n), sites.species, -sites.to_inserted))
    return after.graph(species), before.graph(sites.species)


class _Pairs(NamedTuple):
    """Pairs whose neighbors are atoms of their own: their centers, species [n] and vectors [n, 3]."""

    center: Tensor
    species: Tensor
    vectors: Tensor

    def and_also(self, other: _Pairs) -> _Pairs:
        return _Pairs(*(torch.cat(both) for both in zip(self, other, strict=True)))

    def graph(self, centers: Tensor) -> AtomicGraph:
        """With centers of these species."""
        order, n = torch.argsort(self.center, stable=True), len(centers)
        return AtomicGraph(
            species=torch.cat([centers, self.species[order]]),
            pair_i=self.center[order],
            pair_j=torch.arange(n, n + len(order)),
            pair_vectors=self.vectors[order],
            structure=torch.zeros(n + len(order), dtype=torch.int64),
            n_structures=1,
            n_centers=n,
        )
