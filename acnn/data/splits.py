"""Parts of a data set: hold-outs, folds and growing shares, in which every config type has its part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acnn.arrays import BoolArray, IntArray
from acnn.data.dataset import DatasetError, LabeledStructure
from acnn.data.isolated_atoms import ISOLATION, defines_e0

ALWAYS = -1
"""The part of structures that every training set has: isolated atoms, which define E0."""

Parts = IntArray


def folds(structures: Sequence[LabeledStructure], k: int, seed: int = 0, cutoff: float = ISOLATION) -> Parts:
    """Which of k folds each structure is in; isolated atoms (`defines_e0`) are in none (`ALWAYS`).

    Each config type is shuffled and dealt out; the next type goes on where the last one stopped, so that folds of small
    types are even, too.
    """
    order = _by_type(structures, np.random.default_rng(seed), cutoff)
    if not 2 <= k <= len(order):
        raise DatasetError(
            f"{k} folds cannot be made of {len(order)} structures{_besides(structures, order)}: use at least 2 folds, "
            "and not more than structures."
        )
    parts = np.full(len(structures), ALWAYS)
    parts[order] = np.arange(len(order)) % k
    return parts


def holdout(
    structures: Sequence[LabeledStructure], fraction: float, seed: int = 0, cutoff: float = ISOLATION
) -> BoolArray:
    """Which structures are held out: the fraction of each config type, of all together at least one, but no isolated
    atoms (`defines_e0`)."""
    order = _by_type(structures, np.random.default_rng(seed), cutoff)
    taken = np.floor(np.arange(1, len(order) + 1) * fraction + 0.5) > np.floor(np.arange(len(order)) * fraction + 0.5)
    if not 0 < taken.sum() < len(order):
        raise DatasetError(
            f"A share of {fraction} of {len(order)} structures{_besides(structures, order)} leaves none on one side: "
            "give a number between 0 and 1 that takes some."
        )
    held = np.zeros(len(structures), dtype=bool)
    held[order[taken]] = True
    return held


def growing(
    structures: Sequence[LabeledStructure], n_sizes: int = 6, seed: int = 0, cutoff: float = ISOLATION
) -> Parts:
    """Parts whose sums double: the first m + 1 parts are 2^(m - n_sizes + 1) of all; isolated atoms are in all."""
    order = np.random.default_rng(seed).permutation(_by_type(structures, np.random.default_rng(seed), cutoff))
    parts = np.full(len(structures), ALWAYS)
    shares = (np.arange(len(order)) + 1) / max(len(order), 1)
    parts[order] = np.clip(np.ceil(np.log2(shares) + n_sizes - 1), 0, n_sizes - 1)
    return parts


def _by_type(structures: Sequence[LabeledStructure], rng: np.random.Generator, cutoff: float) -> IntArray:
    """Indices of all structures but isolated atoms, type by type, each shuffled."""
    by_type: dict[str, list[int]] = {}
    for index, structure in enumerate(structures):
        if not defines_e0(structure, cutoff):
            by_type.setdefault(structure.config_type, []).append(index)
    shuffled = [rng.permutation(by_type[name]) for name in sorted(by_type)]
    return np.concatenate(shuffled) if shuffled else np.zeros(0, np.int64)


def _besides(structures: Sequence[LabeledStructure], order: IntArray) -> str:
    isolated = len(structures) - len(order)
    return f" besides {isolated} isolated atom{'s' * (isolated > 1)}" if isolated else ""
