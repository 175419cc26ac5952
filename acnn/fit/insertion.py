"""Inserting an atom into a structure: the atoms that see it, and the change of their energies.

Only the new atom is inserted, not its periodic images; images of an atom that see it count separately.
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
        """Return the host alone."""
        return Sites(self.atom[:1], self.species[:1], self.to_inserted[:1])


def sites_around(graph: AtomicGraph, host: int, place: Tensor, cutoff: float) -> Sites:
    """Find the sites around a place, given relative to the host, in a graph that reaches far enough."""
    mine = torch.nonzero(graph.pair_i == host)[:, 0]
    atom = torch.cat([torch.tensor([host]), graph.pair_j[mine]])
    to_inserted = place - torch.cat([torch.zeros(1, 3, dtype=torch.float64), graph.pair_vectors[mine]])
    inside = torch.linalg.vector_norm(to_inserted, dim=1) < cutoff
    return Sites(atom[inside], graph.species[atom[inside]], to_inserted[inside])


def with_and_without(
    near: AtomicGraph, sites: Sites, inserted: str, with_its_own: bool
) -> tuple[AtomicGraph, AtomicGraph]:
    """Make the graphs whose centers are the sites, with the inserted atom and without.

    Args:
        near: the graph of the structure, within the cutoff.
        with_its_own: the inserted atom is a center as well.
    """
    first = torch.searchsorted(near.pair_i, sites.atom)
    counts = torch.searchsorted(near.pair_i, sites.atom, right=True) - first
    center = torch.repeat_interleave(torch.arange(len(sites.atom)), counts)
    pairs = torch.arange(len(center)) + (first - torch.cumsum(counts, 0) + counts)[center]
    before = _Pairs(center, near.species[near.pair_j[pairs]], near.pair_vectors[pairs])
    number, n = torch.tensor([atomic_numbers[inserted]]), len(sites.atom)
    after = before.joined(_Pairs(torch.arange(n), number.expand(n), sites.to_inserted))
    species = sites.species
    if with_its_own:
        species = torch.cat([species, number])
        after = after.joined(_Pairs(torch.full((n,), n), sites.species, -sites.to_inserted))
    return after.graph(species), before.graph(sites.species)


class _Pairs(NamedTuple):
    """Pairs that each have their own neighbor atom: centers [n], species [n] and vectors [n, 3]."""

    center: Tensor
    species: Tensor
    vectors: Tensor

    def joined(self, other: _Pairs) -> _Pairs:
        return _Pairs(*(torch.cat(both) for both in zip(self, other, strict=True)))

    def graph(self, centers: Tensor) -> AtomicGraph:
        """Make the graph with centers of these species."""
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
