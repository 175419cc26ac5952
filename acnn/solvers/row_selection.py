"""Choosing rows of a matrix that represent the others.

leverage ℓ_i = x_i (XᵀX + λ)⁻¹ x_iᵀ
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray, IntArray
from acnn.solvers.maxvol import MaxVol

RIDGE = 1e-6
"""λ, relative to the largest eigenvalue of XᵀX."""
NEGLIGIBLE = 1e-8
"""Share of the largest pivot below which rows are combinations of those chosen."""
UNIT = 1e-6


def leverages(rows: FloatArray) -> FloatArray:
    """Return the leverage of every row."""
    gram = rows.T @ rows
    ridge = RIDGE * float(np.linalg.eigvalsh(gram)[-1]) * np.eye(len(gram))
    return np.asarray(np.einsum("ik,ik->i", rows @ np.linalg.inv(gram + ridge), rows))


def leverage_rows(rows: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw n different rows, each with a probability in proportion to its leverage."""
    weights = np.maximum(leverages(rows), np.finfo(float).tiny)
    keys = np.log(rng.uniform(size=len(rows))) / weights
    return np.sort(np.argsort(-keys, kind="stable")[:n])


def farthest_rows(rows: FloatArray, n: int) -> IntArray:
    """Choose n rows, each the farthest from those before; the first is the nearest to the mean."""
    chosen = [int(np.argmin(np.linalg.norm(rows - rows.mean(axis=0), axis=1)))]
    distances = np.full(len(rows), np.inf)
    while len(chosen) < n:
        distances = np.minimum(distances, np.linalg.norm(rows - rows[chosen[-1]], axis=1))
        distances[chosen] = -1.0
        chosen.append(int(np.argmax(distances)))
    return np.sort(chosen)


def pivoted_rows(rows: FloatArray, n: int) -> IntArray:
    """Choose n rows by QR with pivoting, as in a CUR decomposition; once they span the others, anew among these."""
    left, chosen = np.arange(len(rows)), np.zeros(0, dtype=np.int64)
    while len(chosen) < n:
        r, pivots = scipy.linalg.qr(rows[left].T, mode="r", pivoting=True)
        sizes = np.abs(np.diag(r))
        rank = max(1, int(np.sum(sizes > NEGLIGIBLE * sizes[0])))
        taken = pivots[: min(rank, n - len(chosen))]
        chosen = np.concatenate([chosen, left[taken]])
        left = np.delete(left, taken)
    return np.sort(chosen)


def spanning_groups(blocks: list[FloatArray], groups: list[IntArray], n: int) -> IntArray:
    """Choose n groups of rows whose rows span the others with the smallest coefficients.

    Args:
        blocks: rows of each kind [n_rows, n_columns of the kind].
        groups: for each kind, the group of every row.
    """
    chosen: list[int] = []
    left = [np.ones(len(of), dtype=bool) for of in groups]
    while len(chosen) < n and any(mask.any() for mask in left):
        firsts: dict[int, int] = {}
        for rows, of, mask in zip(blocks, groups, left, strict=True):
            for place, group in enumerate(of[mask][_active(rows[mask])]):
                firsts[int(group)] = min(place, firsts.get(int(group), place))
        ranked = sorted(firsts, key=lambda group: (firsts[group], group))
        chosen += ranked[: n - len(chosen)]
        left = [mask & ~np.isin(of, chosen) for of, mask in zip(groups, left, strict=True)]
    return np.sort(chosen)


def _active(rows: FloatArray) -> IntArray:
    """Return the rows of largest volume, at least one of them, those that add most to it first."""
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    choice = MaxVol(rows.shape[1])
    choice.add(rows)
    coefficients = np.abs(rows @ choice.inverse)
    largest = coefficients.max(axis=1)
    active = np.flatnonzero(np.abs(coefficients.sum(axis=1) - 1) + np.abs(largest - 1) < UNIT)
    if not len(active):
        return np.array([int(np.argmax(largest))])
    return active[scipy.linalg.qr(rows[active].T, mode="r", pivoting=True)[1]]
