"""Distances between neighbors in the data, by pair of elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ase.data import atomic_numbers

from acnn.arrays import FloatArray, IntArray
from acnn.graph import AtomicGraph
from acnn.pairs import Pair

BINS = 200


class Shortest(NamedTuple):
    """The shortest distance (Å) of a pair of elements, and the structure in which it occurs."""

    distance: float
    structure: str


class Distances:
    """Histograms and shortest distances, collected structure by structure.

    Args:
        elements: chemical symbols, by ascending atomic number.
        cutoff: Å; distances from 0 to the cutoff are counted in `BINS` bins.

    Attributes:
        counts: pairs of atoms [n_elements, n_elements, BINS], each counted from both of its atoms.
        shortest: by pair of elements; pairs that do not occur are left out.
    """

    def __init__(self, elements: Sequence[str], cutoff: float) -> None:
        self.elements, self.cutoff = tuple(elements), cutoff
        self.counts: IntArray = np.zeros((len(elements), len(elements), BINS), dtype=np.int64)
        self.shortest: dict[Pair, Shortest] = {}
        self._numbers = np.array([atomic_numbers[element] for element in elements])

    @property
    def edges(self) -> FloatArray:
        """Edges of the bins in Å [BINS + 1]."""
        return np.linspace(0.0, self.cutoff, BINS + 1)

    def add(self, name: str, graph: AtomicGraph) -> None:
        """Count the pairs of a structure."""
        if graph.n_pairs == 0:
            return
        index = np.searchsorted(self._numbers, graph.species.numpy())
        first, second = index[graph.pair_i.numpy()], index[graph.pair_j.numpy()]
        lengths = np.linalg.norm(graph.pair_vectors.numpy(), axis=1)
        inside = lengths < self.cutoff
        first, second, lengths = first[inside], second[inside], lengths[inside]
        self._count(first, second, lengths)
        self._keep_shortest(name, first, second, lengths)

    def density(self, pairs: Sequence[Pair]) -> FloatArray:
        """Return the counts of these pairs over r², relative to the largest value [BINS]; zeros without any."""
        counts = sum(self.counts[self.elements.index(a), self.elements.index(b)] for a, b in pairs)
        middles = 0.5 * (self.edges[1:] + self.edges[:-1])
        found = counts / middles**2
        return found / max(found.max(), np.finfo(float).tiny)

    def _count(self, first: IntArray, second: IntArray, lengths: FloatArray) -> None:
        bins = np.minimum((lengths / self.cutoff * BINS).astype(np.int64), BINS - 1)
        flat = np.ravel_multi_index((first, second, bins), self.counts.shape)
        self.counts += np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)

    def _keep_shortest(self, name: str, first: IntArray, second: IntArray, lengths: FloatArray) -> None:
        smallest = np.full(self.counts.shape[:2], np.inf)
        np.minimum.at(smallest, (first, second), lengths)
        for a, b in np.argwhere(np.isfinite(smallest) & np.triu(np.ones_like(smallest, dtype=bool))):
            pair = (self.elements[a], self.elements[b])
            known = self.shortest.get(pair)
            if known is None or smallest[a, b] < known.distance:
                self.shortest[pair] = Shortest(float(smallest[a, b]), name)
