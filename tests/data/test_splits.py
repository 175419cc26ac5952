"""Folds, hold-outs and growing parts: everything once, every config type in its share, single atoms always."""

from __future__ import annotations

from collections import Counter

import ase
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acnn.data.dataset import DatasetError, LabeledStructure
from acnn.data.splits import ALWAYS, folds, growing, holdout
from acnn.data.weights import Weights


def structures(*counts: int, single: int = 1) -> list[LabeledStructure]:
    """So many structures of each type, mixed, and single atoms."""
    types = [f"type {k}" for k, count in enumerate(counts) for _ in range(count)]
    dimer = ase.Atoms("Cu2", [[0, 0, 0], [0, 0, 2]])
    found = [LabeledStructure(dimer, 0.0, None, None, name, Weights(), name) for name in types]
    found += [LabeledStructure(ase.Atoms("Cu"), 0.0, None, None, "atom", Weights(), "atom")] * single
    order = np.random.default_rng(0).permutation(len(found))
    return [found[k] for k in order]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(2, 7), st.integers(0, 3))
def test_folds_are_even_in_every_type(counts, k, seed):
    data = structures(*counts)
    if sum(counts) < k:
        with pytest.raises(DatasetError):
            folds(data, k, seed)
        return
    parts = folds(data, k, seed)
    assert np.array_equal(parts == ALWAYS, [len(s) == 1 for s in data])
    for name in {s.config_type for s in data} - {"atom"}:
        sizes = Counter(int(p) for p, s in zip(parts, data, strict=True) if s.config_type == name)
        assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(k)) <= 1
    sizes = Counter(parts[parts >= 0].tolist())
    assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(k)) <= 1


def test_another_seed_deals_otherwise_and_the_same_seed_alike():
    data = structures(20, 20)
    assert np.array_equal(folds(data, 4, 1), folds(data, 4, 1))
    assert not np.array_equal(folds(data, 4, 1), folds(data, 4, 2))


@given(st.integers(5, 40), st.integers(5, 40), st.floats(0.1, 0.9))
def test_a_holdout_takes_its_share_of_each_type(a, b, fraction):
    data = structures(a, b)
    held = holdout(data, fraction)
    assert held.sum() == np.floor((a + b) * fraction + 0.5)
    for name, n in (("type 0", a), ("type 1", b)):
        taken = sum(h for h, s in zip(held, data, strict=True) if s.config_type == name)
        assert abs(taken - n * fraction) <= 1.5
    assert not any(h for h, s in zip(held, data, strict=True) if len(s) == 1)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_holdout_of_nothing_or_everything_is_refused(fraction):
    with pytest.raises(DatasetError, match="leaves none"):
        holdout(structures(3), fraction)


def test_growing_parts_double():
    data = structures(40, 24)
    parts = growing(data, n_sizes=5)
    sums = [int((parts[parts >= 0] <= m).sum()) for m in range(5)]
    assert sums == [4, 8, 16, 32, 64]
    assert (parts == ALWAYS).sum() == 1
