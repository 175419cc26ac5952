"""Products of densities as the kernel evaluates them: each from two smaller ones that many others share.

A monomial is a product Π_t A_t of densities with m ≥ 0 or their conjugates, written as ascending codes
2 · row + (1 if conjugated) of the density table. One of a monomial and its conjugate is canonical: the one with M > 0,
where M is the sum of its ±m, and for M = 0 the one with the smaller codes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.products import DensityTable

POPULARITY_ROUNDS = 8


@dataclass(frozen=True)
class Canonical:
    """Signed products as ``phase`` · monomial, or its conjugate where ``conjugated``.

    Attributes:
        codes: int64 [n, order].
        conjugated: bool [n].
        phase: ±1 [n], from A_{l,-m} = (-1)^m conj(A_lm).
        magnetic: M ≥ 0 of the monomial [n].
    """

    codes: IntArray
    conjugated: BoolArray
    phase: FloatArray
    magnetic: IntArray


def canonical(rows: IntArray, table: DensityTable) -> Canonical:
    """Return the canonical form of signed rows of the density table [n, order]."""
    unsigned, sign, phase = table.unsigned(rows)
    m = table.rows[unsigned, 3] * sign
    total = m.sum(axis=1)
    codes = np.sort(2 * unsigned + (m < 0), axis=1)
    mirrored = np.sort(2 * unsigned + (m > 0), axis=1)
    flipped = (total < 0) | ((total == 0) & _before(mirrored, codes))
    return Canonical(np.where(flipped[:, None], mirrored, codes), flipped, phase.prod(axis=1), np.abs(total))


def _before(a: IntArray, b: IntArray) -> BoolArray:
    """Return, row by row, whether a is lexicographically smaller than b."""
    result = np.zeros(len(a), dtype=bool)
    for column in reversed(range(a.shape[1])):
        result = np.where(a[:, column] == b[:, column], result, a[:, column] < b[:, column])
    return result


class MonomialIndex:
    """A numbering of distinct monomials of one order, in lexicographic order of their codes."""

    def __init__(self, codes: IntArray) -> None:
        self.codes, self.inverse = np.unique(codes, axis=0, return_inverse=True)
        self.inverse = self.inverse.reshape(-1)

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Split:
    """Signed products as left · right, both canonical monomials (or their conjugates).

    The left part is of the same order as the right one, or higher.
    """

    left: Canonical
    right: Canonical


def splits(rows: IntArray, table: DensityTable) -> list[Split]:
    """Return all ways to split signed products [n, order] into a pair or triple and the rest."""
    order = rows.shape[1]
    n_left = (order + 1) // 2
    found = []
    for left in itertools.combinations(range(order), n_left):
        right = tuple(t for t in range(order) if t not in left)
        if len(left) == len(right) and left > right:
            continue
        found.append(Split(canonical(rows[:, left], table), canonical(rows[:, right], table)))
    return found


def shared_splits(products: dict[int, IntArray], table: DensityTable) -> dict[int, Split]:
    """Choose one split for each signed product of orders 2 … 5, so that few distinct monomials serve all of them.

    Starting from how often a monomial occurs in any split, every product takes the split with the most frequent parts;
    the frequencies are then counted again among the chosen ones. Single densities cost nothing.
    """
    options = {order: splits(rows, table) for order, rows in products.items() if len(rows)}
    if not options:
        return {}
    parts = [p.codes for found in options.values() for split in found for p in (split.left, split.right)]
    numbers, sizes = _number_all(parts)
    numbered = {}
    position = iter(numbers)
    for order, found in options.items():
        numbered[order] = [(next(position), next(position)) for _ in found]
    weight = np.full(len(sizes), 1.0)
    chosen: dict[int, IntArray] = {}
    for round_ in range(POPULARITY_ROUNDS + 1):
        score = np.where(sizes == 1, 0.0, np.log(weight + 1e-3) - np.log(weight.max() + 1e-3))
        counts = np.zeros(len(sizes))
        for order, pairs in numbered.items():
            gains = np.stack([score[left] + np.where(left == right, 0.0, score[right]) for left, right in pairs])
            chosen[order] = gains.argmax(axis=0)
            for option, (left, right) in enumerate(pairs):
                mask = np.ones(len(left), dtype=bool) if round_ == 0 else chosen[order] == option
                np.add.at(counts, left[mask], 1)
                np.add.at(counts, right[mask & (right != left)], 1)
        weight = counts
    return {order: _select(found, chosen[order]) for order, found in options.items()}


def _number_all(arrays: list[IntArray]) -> tuple[list[IntArray], IntArray]:
    """Assign numbers to the distinct rows of arrays of several widths, and return the width of each."""
    width = max(a.shape[1] for a in arrays)
    padded = [np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=-1) for a in arrays]
    rows, inverse = np.unique(np.concatenate(padded), axis=0, return_inverse=True)
    return np.split(inverse.reshape(-1), np.cumsum([len(a) for a in arrays])[:-1]), (rows >= 0).sum(axis=1)


def _select(options: list[Split], chosen: IntArray) -> Split:
    def pick(side: str, name: str) -> NDArray:
        stacked = np.stack([getattr(getattr(option, side), name) for option in options])
        return stacked[chosen, np.arange(len(chosen))]

    names = ("codes", "conjugated", "phase", "magnetic")
    return Split(Canonical(*(pick("left", n) for n in names)), Canonical(*(pick("right", n) for n in names)))
