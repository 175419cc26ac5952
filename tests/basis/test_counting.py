"""Counting functions without listing them gives the number of those in the list."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from acnn.basis.counting import MOST_FUNCTIONS, many_body_size
from acnn.basis.coupling import m_counts, m_multisets, n_invariants
from acnn.basis.functions import grouped
from acnn.basis.specification import BasisSpecification

BASES = [
    {"elements": ("Si",), "order": 3, "degree": 12.0, "wl": 1.0},
    {"elements": ("Si",), "order": 4, "degree": 13.5, "wl": 1.5, "formulation": "canonical"},
    {"elements": ("Si",), "order": 5, "degree": 9.0, "wl": 0.5, "formulation": "self_interacting"},
    {"elements": ("Si",), "order": 4, "degree": 9.0, "wl": 30.0, "pair_degree": 0},
    {"elements": ("C", "H", "O"), "order": 3, "degree": (9.0, 8.0, 7.0), "wl": 1.37},
    {"elements": ("Al", "Cu"), "degree": 8.0, "overrides": {"Al": {"order": 2, "degree": 6, "wl": 1.0}}},
]


@pytest.mark.parametrize("values", BASES, ids=lambda v: f"{len(v['elements'])}-{v.get('order', 3)}")
def test_counted_and_listed_are_the_same(values: dict) -> None:
    specification = BasisSpecification.model_validate(values)
    listed = sum(n_invariants(grouped(m)) for e in specification.elements for m in specification.multisets(e))
    n = len(specification.elements)
    assert specification.n_functions == listed + specification.n_pair_functions * n * (n + 1) // 2


@pytest.mark.parametrize(("l", "copies"), [(0, 3), (1, 4), (2, 3), (3, 2), (5, 1)])
def test_counts_of_m(l: int, copies: int) -> None:
    sums = Counter(sum(ms[0]) for m in range(-l * copies, l * copies + 1) for ms in m_multisets(((l, copies),), m))
    assert m_counts(l, copies).tolist() == [sums[m] for m in range(-l * copies, l * copies + 1)]
    assert m_counts(l, copies).sum() == math.comb(2 * l + copies, copies)


def test_the_paper_s_silicon_and_far_larger_bases_are_counted_without_a_list(monkeypatch) -> None:
    monkeypatch.setattr(BasisSpecification, "functions", None)
    monkeypatch.setattr(BasisSpecification, "multisets", None)
    assert BasisSpecification(elements=("Si",), order=4, degree=26).n_functions == 32_307
    assert BasisSpecification(elements=("Si",), order=5, degree=26).n_functions == 87_640
    everything = many_body_size(94, dict.fromkeys(range(1, 6), 100.0), 1.5)
    assert everything.functions > MOST_FUNCTIONS
    assert np.isfinite(everything.products)
