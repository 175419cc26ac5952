"""Real harmonics, and invariants of three densities."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from acnn.basis.triples import (
    coupled_degrees,
    density_products,
    product_degrees,
    real_harmonics,
    sphere_quadrature,
    triple_products,
)
from acnn.testing import scipy_harmonic

ORTHONORMAL = 1e-12
INVARIANT = 1e-12


def directions(n, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def invariants(density, l_max):
    terms, coefficients = triple_products(l_max)
    values = np.zeros(len(coupled_degrees(l_max)))
    np.add.at(values, terms[:, 0], coefficients * density[terms[:, 1:]].prod(axis=1))
    return values


def products(density, l_max):
    """[n_couplings, (l_max + 1)²]."""
    terms, coefficients = density_products(l_max)
    values = np.zeros((len(product_degrees(l_max)), len(density)))
    np.add.at(values, (terms[:, 0], terms[:, 1]), coefficients * density[terms[:, 2:]].prod(axis=1))
    return values


def test_harmonics_are_orthonormal_over_the_mean_of_the_sphere():
    points, weights = sphere_quadrature(8)
    y = real_harmonics(torch.as_tensor(points), 4).numpy()
    assert np.abs((y.T * weights) @ y - np.eye(25)).max() < ORTHONORMAL


def test_harmonics_are_those_of_scipy():
    points = directions(5)
    y = real_harmonics(torch.as_tensor(points), 3).numpy()
    for l in range(4):
        for m in range(1, l + 1):
            complex_y = np.sqrt(8 * np.pi) * scipy_harmonic(l, m, points)
            np.testing.assert_allclose(y[:, l * l + 2 * m - 1], complex_y.real, atol=1e-12)
            np.testing.assert_allclose(y[:, l * l + 2 * m], complex_y.imag, atol=1e-12)


@pytest.mark.parametrize(
    ("l_max", "expected"),
    [(0, []), (1, []), (2, [(1, 1, 2), (2, 2, 2)]), (3, [(1, 1, 2), (1, 2, 3), (2, 2, 2), (2, 3, 3)])],
)
def test_degrees_that_couple(l_max, expected):
    assert coupled_degrees(l_max) == expected


@pytest.mark.parametrize("l_max", [2, 3, 4])
@pytest.mark.parametrize("reflection", [1, -1])
def test_invariant_under_rotation_and_reflection(l_max, reflection):
    points = directions(6)
    turned = reflection * points @ Rotation.random(random_state=1).as_matrix().T
    before, after = (real_harmonics(torch.as_tensor(p), l_max).numpy().sum(axis=0) for p in (points, turned))
    assert np.abs(before - after).max() > 0.1
    found = invariants(before, l_max)
    assert np.abs(found).min() > 1e-3
    np.testing.assert_allclose(invariants(after, l_max), found, rtol=INVARIANT, atol=INVARIANT)


@pytest.mark.parametrize("l_max", [2, 4])
@pytest.mark.parametrize("reflection", [1, -1])
def test_products_seen_in_a_direction_turn_with_the_densities(l_max, reflection):
    points = directions(7)
    turned = reflection * points @ Rotation.random(random_state=1).as_matrix().T
    seen = []
    for p in (points, turned):
        y = real_harmonics(torch.as_tensor(p), l_max).numpy()
        seen.append(products(y[:6].sum(axis=0), l_max) * y[6])
    by_degree = [np.add.reduceat(s, [l * l for l in range(l_max + 1)], axis=1) for s in seen]
    assert np.abs(seen[0] - seen[1]).max() > 0.1
    for v, (_, _, l) in enumerate(product_degrees(l_max)):
        assert abs(by_degree[0][v, l]) > 1e-3
    np.testing.assert_allclose(by_degree[1], by_degree[0], rtol=INVARIANT, atol=INVARIANT)


def test_products_couple_to_all_degrees_and_are_normalized():
    assert product_degrees(0) == []
    assert product_degrees(2) == [(1, 1, 0), (2, 2, 0), (1, 2, 1), (1, 1, 2), (2, 2, 2)]
    terms, coefficients = density_products(3)
    degree = np.sqrt(terms[:, 1]).astype(int)
    assert [product_degrees(3)[v][2] for v in terms[:, 0]] == degree.tolist()
    # merged terms a1 < a2 of l1 = l2 hold two ordered ones
    of_v = np.array(product_degrees(3))[terms[:, 0]]
    merged = (of_v[:, 0] == of_v[:, 1]) & (terms[:, 2] != terms[:, 3])
    norms = np.zeros((len(product_degrees(3)), 16))
    np.add.at(norms, (terms[:, 0], terms[:, 1]), coefficients**2 / np.where(merged, 2, 1))
    assert norms[norms > 0] == pytest.approx(1, rel=1e-12)


def test_equal_to_the_integral_over_three_densities():
    """The invariant of (2, 2, 2) is ∫ ρ³ dΩ for a density of degree 2 alone, up to its norm."""
    a = np.random.default_rng(3).normal(size=5)
    points, weights = sphere_quadrature(6)
    density = real_harmonics(torch.as_tensor(points), 2).numpy()[:, 4:] @ a
    full = np.zeros(9)
    full[4:] = a
    axial = np.eye(9)[4]
    cubes = [
        np.sum(weights * density**3),
        np.sum(weights * (real_harmonics(torch.as_tensor(points), 2).numpy()[:, 4]) ** 3),
    ]
    ratio = invariants(full, 2)[1] / invariants(axial, 2)[1]
    assert ratio == pytest.approx(cubes[0] / cubes[1], rel=1e-12)


def test_quadrature_integrates_monomials():
    points, weights = sphere_quadrature(6)
    assert np.sum(weights) == pytest.approx(1)
    assert np.sum(weights * points[:, 0] ** 2 * points[:, 2] ** 4) == pytest.approx(3 / 105)
