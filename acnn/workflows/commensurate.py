"""Grids of q-points, and the smallest supercells in which their phonons are periodic.

A phonon of q is periodic in a supercell with vectors S a (S whole, a the primitive vectors, in rows) if S q is whole.
For q with denominators n_i the smallest such cell holds lcm(n_1, n_2, n_3) primitive cells, not their product
(J. H. Lloyd-Williams and B. Monserrat, Phys. Rev. B 92, 184301 (2015)). It is found among the Hermite normal forms of
this determinant, and reduced to a compact cell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ase.geometry import minkowski_reduce

from acnn.arrays import FloatArray, IntArray
from acnn.workflows.crystal_symmetry import Operation

WHOLE = 1e-6


def grid(divisions: tuple[int, int, int]) -> FloatArray:
    """Return all q = (i/n_1, j/n_2, k/n_3), fractional [n, 3]."""
    axes = [np.arange(n) / n for n in divisions]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclass(frozen=True)
class Star:
    """The q-points of a grid that symmetry and time reversal make of one.

    Attributes:
        q: the one, fractional [3].
        members: place of each in the grid, and the operation and the sign with which q becomes it.
    """

    q: FloatArray
    members: dict[int, tuple[Operation, int]]


def star_of(q: FloatArray, divisions: tuple[int, int, int], symmetries: list[Operation]) -> Star:
    """Return the star of a grid point."""
    members: dict[int, tuple[Operation, int]] = {}
    for operation in symmetries:
        for sign in (1, -1):
            place = place_of(sign * operation.turned(q), divisions)
            if place is not None:
                members.setdefault(place, (operation, sign))
    return Star(q, members)


def stars(divisions: tuple[int, int, int], symmetries: list[Operation]) -> list[Star]:
    """Return the stars of a grid; each grid point is in one of them."""
    points = grid(divisions)
    left = set(range(len(points)))
    found = []
    while left:
        found.append(star_of(points[min(left)], divisions, symmetries))
        left -= found[-1].members.keys()
    return found


def place_of(q: FloatArray, divisions: tuple[int, int, int]) -> int | None:
    """Return the place of q in a grid, if it is there."""
    numbers = np.array(divisions)
    counts = q * numbers
    if np.abs(counts - np.round(counts)).max() > WHOLE:
        return None
    return int(np.ravel_multi_index(tuple(np.round(counts).astype(int) % numbers), tuple(numbers)))


def smallest_supercell(q: FloatArray, divisions: tuple[int, int, int], cell: FloatArray) -> IntArray:
    """Return S [3, 3] with positive determinant, compact for the primitive ``cell`` [3, 3]."""
    counts = np.round(q * divisions).astype(int)
    size = math.lcm(*(n // math.gcd(int(k), n) for k, n in zip(counts, divisions, strict=True)))
    S = next(S for S in hermite_normal_forms(size) if is_commensurate(q, S))
    _, reduction = minkowski_reduce(S @ cell)
    S = np.array(reduction, dtype=np.int64) @ S
    return S if np.linalg.det(S) > 0 else -S


def hermite_normal_forms(determinant: int) -> Iterator[IntArray]:
    """Yield one matrix [[a, b, c], [0, d, e], [0, 0, f]] for each sublattice of this index."""
    for a in _divisors(determinant):
        for d in _divisors(determinant // a):
            f = determinant // (a * d)
            for b in range(d):
                for c in range(f):
                    for e in range(f):
                        yield np.array([[a, b, c], [0, d, e], [0, 0, f]])


def _divisors(n: int) -> list[int]:
    return [k for k in range(1, n + 1) if n % k == 0]


def is_commensurate(q: FloatArray, S: IntArray) -> bool:
    """Return whether S q is whole."""
    product = S @ q
    return bool(np.abs(product - np.round(product)).max() < WHOLE)
