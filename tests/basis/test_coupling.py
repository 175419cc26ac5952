"""Coupling coefficients: counts, invariance, independence, and the coefficients known in closed form."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sympy.physics.wigner import wigner_3j

from acnn.basis.coupling import Channels, coupling_coefficients, m_multisets, n_invariants
from acnn.testing import scipy_harmonic

ROUNDING = 1e-12
INVARIANCE = 1e-10

PATTERNS: list[Channels] = [
    ((0, 1),),
    ((0, 4),),
    ((2, 2),),
    ((3, 1), (3, 1)),
    ((1, 1), (2, 1), (3, 1)),
    ((2, 3),),
    ((2, 2), (4, 1)),
    ((1, 4),),
    ((1, 2), (2, 2)),
    ((3, 2), (2, 1), (4, 1)),
    ((2, 1), (2, 1), (2, 1), (2, 1)),
    ((1, 2), (2, 3)),
    ((2, 5),),
]


def brute_force_count(channels: Channels, total_m: int) -> int:
    """Distinct m-multisets from all ordered assignments."""
    ls = [(g, l) for g, (l, copies) in enumerate(channels) for _ in range(copies)]
    ranges = [range(-l, l + 1) for _, l in ls]
    found = {
        tuple(sorted((g, m) for (g, _), m in zip(ls, ms, strict=True)))
        for ms in itertools.product(*ranges)
        if sum(ms) == total_m
    }
    return len(found)


def invariants(channels: Channels, vectors: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Σ C Π A with densities A_glm = Σ_j w_gj Y_lm(r̂_j): weights [channel, neighbor]."""
    densities = [
        {m: (weights[g] * scipy_harmonic(l, m, vectors)).sum() for m in range(-l, l + 1)}
        for g, (l, _) in enumerate(channels)
    ]
    products, coefficients = coupling_coefficients(channels)
    values = [math.prod(densities[g][m] for g, group in enumerate(ms) for m in group) for ms in products]
    return coefficients @ np.array(values, dtype=complex)


def environment(channels: Channels, n_neighbors: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vectors = rng.normal(size=(n_neighbors, 3))
    weights = rng.normal(size=(len(channels), n_neighbors))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), weights


@st.composite
def even_patterns(draw: st.DrawFn, orders: tuple[int, ...] = (4, 5), l_max: int = 3) -> Channels:
    order = draw(st.sampled_from(orders))
    ls = draw(st.lists(st.integers(0, l_max), min_size=order, max_size=order))
    if sum(ls) % 2:
        ls[ls.index(next(l for l in ls if l % 2))] += 1
    groups: list[tuple[int, int]] = []
    for l in sorted(ls):
        if groups and groups[-1][0] == l and draw(st.booleans()):
            groups[-1] = (l, groups[-1][1] + 1)
        else:
            groups.append((l, 1))
    return tuple(groups)


@pytest.mark.parametrize("channels", PATTERNS, ids=str)
def test_count_is_the_difference_of_multiplicities(channels):
    expected = brute_force_count(channels, 0) - brute_force_count(channels, 1)
    products, coefficients = coupling_coefficients(channels)
    assert n_invariants(channels) == expected
    assert coefficients.shape == (expected, len(products))
    assert len(products) == brute_force_count(channels, 0)


def test_some_counts_known_from_angular_momentum_theory():
    assert n_invariants(((1, 4),)) == 1  # (r·r)²: one for four equal vectors
    assert n_invariants(((1, 1),) * 4) == 3  # (a·b)(c·d) and its two relabelings
    assert n_invariants(((2, 1),) * 4) == 5  # intermediate L = 0 … 4
    assert n_invariants(((2, 1), (5, 1), (1, 1))) == 0  # triangle inequality
    assert n_invariants(((3, 1), (2, 1))) == 0


@pytest.mark.parametrize(
    "channels", [((1, 1),), ((1, 1), (2, 1)), ((1, 3),), ((1, 1), (1, 1), (1, 1)), ((2, 2), (3, 1))]
)
def test_odd_total_l_has_no_invariant(channels):
    products, coefficients = coupling_coefficients(channels)
    assert n_invariants(channels) == 0
    assert coefficients.shape == (0, len(products))


@pytest.mark.parametrize("channels", PATTERNS, ids=str)
def test_invariance_under_rotation_and_reflection(channels):
    rng = np.random.default_rng(11)
    vectors, weights = environment(channels, 6, rng)
    before = invariants(channels, vectors, weights)
    assert np.abs(before).max() > 1e-4
    for seed in range(4):
        turned = Rotation.random(random_state=seed).apply(vectors) * (-1) ** seed
        after = invariants(channels, turned, weights)
        np.testing.assert_allclose(after, before, atol=INVARIANCE * np.abs(before).max())


@pytest.mark.parametrize("channels", PATTERNS, ids=str)
def test_invariants_are_real(channels):
    vectors, weights = environment(channels, 6, np.random.default_rng(12))
    values = invariants(channels, vectors, weights)
    assert np.abs(values.imag).max() < INVARIANCE * np.abs(values.real).max()


def test_one_factor_couples_only_scalars():
    products, coefficients = coupling_coefficients(((0, 1),))
    assert products == [((0,),)]
    np.testing.assert_allclose(coefficients, [[1.0]])


@pytest.mark.parametrize("l", range(9))
def test_two_factors_couple_to_the_power_spectrum(l):
    products, coefficients = coupling_coefficients(((l, 1), (l, 1)))
    expected = np.array([(-1) ** m / math.sqrt(2 * l + 1) for (m,), _ in products])
    (row,) = coefficients
    np.testing.assert_allclose(row * np.sign(row[0] * expected[0]), expected, atol=ROUNDING)


@pytest.mark.parametrize("l", range(9))
def test_two_equal_factors_count_both_orders_of_a_product(l):
    products, coefficients = coupling_coefficients(((l, 2),))
    # A_m A_-m stands once for (m, -m) and (-m, m).
    expected = np.array([(-1) ** ms[0] * (1 if ms[0] == 0 else 2) / math.sqrt(2 * l + 1) for (ms,) in products])
    (row,) = coefficients
    np.testing.assert_allclose(row * np.sign(row[0] * expected[0]), expected, atol=ROUNDING)


@pytest.mark.parametrize("ls", [(0, 2, 2), (1, 1, 2), (1, 2, 3), (2, 2, 2), (2, 3, 3), (1, 4, 5), (4, 4, 4)])
def test_three_factors_couple_by_wigner_3j(ls):
    products, coefficients = coupling_coefficients(tuple((l, 1) for l in ls))
    expected = np.array([float(wigner_3j(*ls, *(m for (m,) in ms))) for ms in products])
    (row,) = coefficients
    pivot = int(np.abs(expected).argmax())
    np.testing.assert_allclose(row * np.sign(row[pivot] * expected[pivot]), expected, atol=ROUNDING)


@pytest.mark.parametrize("channels", PATTERNS, ids=str)
def test_invariants_are_orthonormal_tensors_over_ordered_copies(channels):
    products, coefficients = coupling_coefficients(channels)
    ls = [(g, l) for g, (l, copies) in enumerate(channels) for _ in range(copies)]
    gram = np.zeros((len(coefficients), len(coefficients)))
    column = {ms: k for k, ms in enumerate(products)}
    orderings = np.zeros(len(products))
    ordered = []
    for assigned in itertools.product(*[range(-l, l + 1) for _, l in ls]):
        if sum(assigned) == 0:
            groups: list[list[int]] = [[] for _ in channels]
            for (g, _), m in zip(ls, assigned, strict=True):
                groups[g].append(m)
            ordered.append(column[tuple(tuple(sorted(group)) for group in groups)])
            orderings[ordered[-1]] += 1
    for k in ordered:  # the symmetric tensor has C / (number of orderings) at each ordered assignment
        entry = coefficients[:, k] / orderings[k]
        gram += np.outer(entry, entry)
    np.testing.assert_allclose(gram, np.eye(len(coefficients)), atol=ROUNDING)


def test_the_basis_does_not_depend_on_the_run():
    channels: Channels = ((1, 2), (2, 2))
    products, first = coupling_coefficients(channels)
    coupling_coefficients.cache_clear()
    again_products, again = coupling_coefficients(channels)
    assert again is not first
    assert again_products == products == sorted(products)
    assert np.array_equal(first, again)


def test_the_basis_is_lexicographic():
    """Gram-Schmidt in the order of the products: in echelon form no function starts before its predecessors."""
    _, coefficients = coupling_coefficients(((2, 1),) * 4)
    starts = [int(np.flatnonzero(np.abs(row) > ROUNDING)[0]) for row in coefficients]
    assert starts == sorted(starts)
    assert all(row[start] > 0 for row, start in zip(coefficients, starts, strict=True))


@settings(max_examples=25)
@given(even_patterns())
def test_no_invariant_depends_on_the_others(channels):
    count = n_invariants(channels)
    assert count == len(m_multisets(channels, 0)) - len(m_multisets(channels, 1))
    rng = np.random.default_rng(13)
    rows = [invariants(channels, *environment(channels, 7, rng)).real for _ in range(2 * count + 4)]
    if count:
        matrix = np.array(rows)
        singular = np.linalg.svd(matrix / np.linalg.norm(matrix, axis=0), compute_uv=False)
        assert (singular > 1e-7 * singular[0]).sum() == count


@settings(max_examples=15)
@given(even_patterns(), st.integers(0, 1000))
def test_random_patterns_are_invariant(channels, seed):
    rng = np.random.default_rng(seed)
    vectors, weights = environment(channels, 5, rng)
    before = invariants(channels, vectors, weights)
    if len(before):
        after = invariants(channels, Rotation.random(random_state=seed).apply(vectors), weights)
        np.testing.assert_allclose(after, before, atol=INVARIANCE * max(1.0, np.abs(before).max()))
