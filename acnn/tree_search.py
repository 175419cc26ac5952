"""Neighbor pairs from k-d trees; the cost grows with atoms and pairs only, however sparse the atoms or odd the cell.

For usual structures the grid of `acnn.neighbors` is faster. The grid is mostly empty in a dilute gas, a huge cell or if
an atom has left a slab, and has too many images to search in a very oblique cell.
"""

from __future__ import annotations

import math

import numpy as np
from ase.geometry import complete_cell
from ase.geometry.minkowski_reduction import minkowski_reduce
from scipy.spatial import cKDTree

from acnn.arrays import BoolArray, FloatArray, IntArray

MOST_PAIRS = 1_000_000_000
"""This many take several hundred GB."""


class TooManyPairsError(ValueError):
    """More pairs than fit in memory: the structure or the cutoff is wrong."""

    def __init__(self, n_pairs: float, n_atoms: int, cutoff: float) -> None:
        super().__init__(
            f"{n_atoms} atom{'s' * (n_atoms > 1)} with about {n_pairs:.0e} pairs of neighbors within {cutoff:g} Å, "
            f"more than the limit of {MOST_PAIRS:.0e}: check that cell, positions and cutoff are in Å"
        )


def tree_pairs(
    positions: FloatArray, cell: FloatArray, pbc: BoolArray, cutoff: float
) -> tuple[IntArray, IntArray, IntArray]:
    """Find centers, neighbors and shifts S, unordered, of all pairs closer than the cutoff and a few at it.

    Args:
        positions: Å [n, 3].
        cell: Å [3, 3]; vectors of directions that are not periodic are ignored.
    """
    reduced, operation = _reduced(np.where(pbc[:, None], cell, 0.0), pbc)
    inverse = inverse_of(reduced, pbc)
    fractional = np.where(pbc, positions @ inverse, 0.0)
    wraps = np.floor(fractional).astype(np.int64)
    wrapped = positions - wraps @ reduced
    reach = cutoff * (1 + 1e-9) + 1e-14 * np.abs(positions).max(initial=0.0)
    owner, shifts = _images(fractional - wraps, reach / heights(inverse, pbc), cutoff)
    centers, images = (cKDTree(x, balanced_tree=False) for x in (wrapped, wrapped[owner] + shifts @ reduced))
    n_pairs = centers.count_neighbors(images, reach)
    if n_pairs > MOST_PAIRS:
        raise TooManyPairsError(n_pairs, len(positions), cutoff)
    found = centers.sparse_distance_matrix(images, reach, output_type="ndarray")
    i, image = found["i"].astype(np.int64), found["j"].astype(np.int64)
    j, shift = owner[image], shifts[image]
    other = (i != j) | shift.any(axis=1)
    i, j = i[other], j[other]
    return i, j, (shift[other] + wraps[i] - wraps[j]) @ operation


def heights(inverse: FloatArray, pbc: BoolArray) -> FloatArray:
    """Return distances (Å) of lattice planes along periodic vectors, from `inverse_of`; infinity along others [3]."""
    return np.where(pbc, 1 / np.linalg.norm(inverse, axis=0), np.inf)


def inverse_of(cell: FloatArray, pbc: BoolArray) -> FloatArray:
    """Return the matrix [3, 3] that makes positions fractional along periodic vectors, and keeps Å across them."""
    inverse: FloatArray = np.linalg.inv(complete_cell(np.where(pbc[:, None], cell, 0.0)))
    return inverse


def _reduced(cell: FloatArray, pbc: BoolArray) -> tuple[FloatArray, IntArray]:
    """Return the shortest vectors of the same lattice, and their integer coefficients in terms of the given ones."""
    if not pbc.any():
        return cell, np.eye(3, dtype=np.int64)
    try:
        operation = minkowski_reduce(cell / np.abs(cell).max(), pbc)[1].astype(np.int64)
    except RuntimeError:  # rounding; the given vectors only take longer
        operation = np.eye(3, dtype=np.int64)
    return operation @ cell, operation


def _images(fractional: FloatArray, reach: FloatArray, cutoff: float) -> tuple[IntArray, IntArray]:
    """Return atoms and integer shifts of all images within reach (fractional [3]) of the cell, the atoms first.

    Args:
        fractional: positions, between 0 and 1 along periodic vectors, 0 along others [n, 3].
    """
    expected = len(fractional) * math.prod(1 + 2 * reach)
    if expected > MOST_PAIRS:
        raise TooManyPairsError(expected, len(fractional), cutoff)
    owner, shifts = np.arange(len(fractional)), np.zeros((len(fractional), 3), np.int64)
    for axis in np.flatnonzero(reach):
        steps = np.arange(-math.ceil(reach[axis]) - 1, math.ceil(reach[axis]) + 2)
        places = fractional[owner, axis, None] + steps
        which, step = np.nonzero((places >= -reach[axis]) & (places <= 1 + reach[axis]))
        owner, shifts = owner[which], shifts[which]
        shifts[:, axis] = steps[step]
    return owner, shifts
