"""Symmetric sparse matrices as tiles: a few rows that share one list of columns, dense inside.

The kernel keeps the rows of a tile in registers while it iterates over its columns, so that each column is loaded once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph

from acnn.arrays import BoolArray, FloatArray, IntArray

CANDIDATES = 192
"""Number of rows that are tried when a row is added to a tile."""


@dataclass(frozen=True)
class Tiles:
    """Rows [count, size], -1 where a tile is not full; columns and coefficients of tile t are start[t] … start[t+1].

    Attributes:
        coefficients: [n, size].
    """

    rows: IntArray
    start: IntArray
    columns: IntArray
    coefficients: FloatArray

    @property
    def fill(self) -> float:
        """Share of the coefficients that are not padding."""
        return float(np.count_nonzero(self.coefficients)) / max(1, self.coefficients.size)


def tile(matrix: scipy.sparse.csr_array, size: int) -> Tiles:
    """Arrange the nonempty rows of a symmetric matrix in tiles of similar rows."""
    rows: list[IntArray] = []
    columns: list[IntArray] = []
    coefficients: list[FloatArray] = []
    for members in _components(matrix):
        dense = matrix[members][:, members].toarray()
        for chosen in _group(dense != 0, size):
            used = np.flatnonzero((dense[chosen] != 0).any(axis=0))
            block = np.zeros((len(used), size))
            block[:, : len(chosen)] = dense[np.ix_(chosen, used)].T
            rows.append(np.pad(members[chosen], (0, size - len(chosen)), constant_values=-1))
            columns.append(members[used])
            coefficients.append(block)
    if not rows:
        return Tiles(np.zeros((0, size), np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, size)))
    start = np.cumsum([0, *map(len, columns)])
    return Tiles(np.array(rows), start, np.concatenate(columns), np.concatenate(coefficients))


def _components(matrix: scipy.sparse.csr_array) -> list[IntArray]:
    """Return the sets of connected rows; empty rows are left out."""
    _, label = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    filled = np.flatnonzero(np.diff(matrix.indptr) > 0)
    order = filled[np.argsort(label[filled], kind="stable")]
    _, starts = np.unique(label[order], return_index=True)
    return np.split(order, starts[1:]) if len(order) else []


def _group(pattern: BoolArray, size: int) -> list[IntArray]:
    """Group rows greedily: each group starts with the longest remaining row and adds those with least padding."""
    lengths = pattern.sum(axis=1)
    remaining = np.lexsort((*pattern.T[::-1], -lengths)) if len(pattern) < 64 else np.argsort(-lengths, kind="stable")
    groups = []
    while len(remaining):
        members = [remaining[0]]
        union = pattern[members[0]].copy()
        remaining = remaining[1:]
        while len(members) < size and len(remaining):
            near = remaining[:CANDIDATES]
            overlap = np.count_nonzero(pattern[near] & union, axis=1)
            padding = (lengths[near] - overlap) * len(members) + union.sum() - overlap
            best = int(np.argmin(np.where(overlap > 0, padding, padding.max() + 1)))
            if overlap[best] == 0:
                break
            union |= pattern[near[best]]
            members.append(near[best])
            remaining = np.delete(remaining, best)
        groups.append(np.array(members))
    return groups
