"""Parts of a data set: hold-outs, folds and growing shares, in which every config type is represented."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acnn.arrays import BoolArray, IntArray
from acnn.data.dataset import DatasetError, LabeledStructure
from acnn.data.isolated_atoms import ISOLATION, defines_e0

ALWAYS = -1
"""The part of structures that belong to every training set: isolated atoms, which define E0."""

Parts = IntArray


def folds(structures: Sequence[LabeledStructure], k: int, seed: int = 0, cutoff: float = ISOLATION) -> Parts:
    """Assign each structure to one of k folds; isolated atoms (`defines_e0`) are in none (`ALWAYS`).

    Each config type is shuffled and dealt out; the next type continues where the last one stopped, so that small types
    are spread evenly, too.
    """
    order = _by_type(structures, np.random.default_rng(seed), cutoff)
    if not 2 <= k <= len(order):
        raise DatasetError(
            f"{len(order)} structures{_besides(structures, order)} cannot be divided into {k} folds: use at least 2 "
            "folds, and at most one per structure"
        )
    parts = np.full(len(structures), ALWAYS)
    parts[order] = np.arange(len(order)) % k
    return parts


def holdout(
    structures: Sequence[LabeledStructure],
    fraction: float,
    seed: int = 0,
    cutoff: float = ISOLATION,
    among: BoolArray | None = None,
) -> BoolArray:
    """Choose the structures to hold out: a fraction of each config type, at least one in all.

    Isolated atoms (`defines_e0`) are never held out.

    Args:
        among: those that may be held out, by default all; see `replaceable`.
    """
    order = _by_type(structures, np.random.default_rng(seed), cutoff)
    if among is not None:
        order = order[among[order]]
    taken = np.floor(np.arange(1, len(order) + 1) * fraction + 0.5) > np.floor(np.arange(len(order)) * fraction + 0.5)
    if not 0 < taken.sum() < len(order):
        of_these = _besides(structures, order) if among is None else " that have others of their kind"
        raise DatasetError(
            f"holding out {fraction} of {len(order)} structures{of_these} leaves one side empty: give another share "
            "between 0 and 1"
        )
    held = np.zeros(len(structures), dtype=bool)
    held[order[taken]] = True
    return held


def replaceable(structures: Sequence[LabeledStructure], cutoff: float = ISOLATION) -> BoolArray:
    """Mark the structures that leave others of their kind behind when they are held out.

    The first structure of every config type and of every combination of elements stays, and isolated atoms do.
    """
    found, seen = np.zeros(len(structures), dtype=bool), set[object]()
    for index, structure in enumerate(structures):
        if not defines_e0(structure, cutoff):
            kinds = {structure.config_type, frozenset(np.unique(structure.atoms.numbers).tolist())}
            found[index] = kinds <= seen
            seen |= kinds
    return found


def growing(
    structures: Sequence[LabeledStructure], n_sizes: int = 6, seed: int = 0, cutoff: float = ISOLATION
) -> Parts:
    """Divide into parts whose sums double: the first m + 1 parts hold 2^(m - n_sizes + 1) of the structures.

    Isolated atoms are in all of them (`ALWAYS`).
    """
    order = np.random.default_rng(seed).permutation(_by_type(structures, np.random.default_rng(seed), cutoff))
    parts = np.full(len(structures), ALWAYS)
    shares = (np.arange(len(order)) + 1) / max(len(order), 1)
    parts[order] = np.clip(np.ceil(np.log2(shares) + n_sizes - 1), 0, n_sizes - 1)
    return parts


def _by_type(structures: Sequence[LabeledStructure], rng: np.random.Generator, cutoff: float) -> IntArray:
    """Return the indices of all structures except isolated atoms, type by type, each shuffled."""
    by_type: dict[str, list[int]] = {}
    for index, structure in enumerate(structures):
        if not defines_e0(structure, cutoff):
            by_type.setdefault(structure.config_type, []).append(index)
    shuffled = [rng.permutation(by_type[name]) for name in sorted(by_type)]
    return np.concatenate(shuffled) if shuffled else np.zeros(0, np.int64)


def _besides(structures: Sequence[LabeledStructure], order: IntArray) -> str:
    isolated = len(structures) - len(order)
    return f" besides {isolated} isolated atom{'s' * (isolated > 1)}" if isolated else ""
