"""Spherical harmonics against SciPy, by quadrature, and by the addition theorem."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
import torch

from acnn.basis.angular import harmonic_index, n_harmonics, spherical_harmonics
from acnn.testing import scipy_harmonic

L_MAX = 14
DOUBLE_ACCURACY = 1e-12
SINGLE_ACCURACY = 2e-5


def random_directions(n: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def harmonics(vectors: np.ndarray, l_max: int = L_MAX) -> np.ndarray:
    real, imaginary = spherical_harmonics(torch.as_tensor(vectors), l_max)
    return (real + 1j * imaginary).numpy()


def test_columns_are_numbered_without_gaps():
    indices = [harmonic_index(l, m) for l in range(L_MAX + 1) for m in range(l + 1)]
    assert indices == list(range(n_harmonics(L_MAX)))


def test_harmonics_are_scipys():
    vectors = random_directions(60, seed=1)
    values = harmonics(vectors)
    assert values.shape == (60, n_harmonics(L_MAX))
    for l in range(L_MAX + 1):
        for m in range(l + 1):
            difference = values[:, harmonic_index(l, m)] - scipy_harmonic(l, m, vectors)
            assert np.abs(difference).max() < DOUBLE_ACCURACY, (l, m)


def test_harmonics_at_and_near_the_poles():
    tilt = 1e-9
    vectors = np.array([[0, 0, 1.0], [0, 0, -1.0], [tilt, 0, 1.0], [0, -tilt, -1.0], [1.0, 0, 0], [0, -1.0, 0]])
    values = harmonics(vectors)
    for l in range(L_MAX + 1):
        for m in range(l + 1):
            difference = values[:, harmonic_index(l, m)] - scipy_harmonic(l, m, vectors)
            assert np.abs(difference).max() < DOUBLE_ACCURACY, (l, m)


def test_harmonics_are_orthonormal_on_the_sphere():
    l_max = 8
    z, weights_z = scipy.special.roots_legendre(l_max + 1)
    azimuth = 2 * np.pi * np.arange(2 * l_max + 1) / (2 * l_max + 1)
    grid_z, grid_azimuth = (g.ravel() for g in np.meshgrid(z, azimuth, indexing="ij"))
    sine = np.sqrt(1 - grid_z**2)
    vectors = np.stack([sine * np.cos(grid_azimuth), sine * np.sin(grid_azimuth), grid_z], axis=1)
    weights = np.repeat(weights_z, len(azimuth)) * 2 * np.pi / len(azimuth)
    values = harmonics(vectors, l_max)
    gram = values.conj().T @ (values * weights[:, None])
    np.testing.assert_allclose(gram, np.eye(n_harmonics(l_max)), atol=DOUBLE_ACCURACY)


def test_addition_theorem():
    a, b = random_directions(20, seed=2), random_directions(20, seed=3)
    y_a, y_b = harmonics(a), harmonics(b)
    cosines = (a * b).sum(axis=1)
    for l in range(L_MAX + 1):
        columns = [harmonic_index(l, m) for m in range(l + 1)]
        products = (y_a[:, columns] * y_b[:, columns].conj()).real
        total = products[:, 0] + 2 * products[:, 1:].sum(axis=1)
        expected = (2 * l + 1) / (4 * np.pi) * scipy.special.eval_legendre(l, cosines)
        np.testing.assert_allclose(total, expected, atol=DOUBLE_ACCURACY)


@pytest.mark.parametrize("l_max", [1, 2, 5])
def test_first_and_second_derivatives(l_max):
    vectors = np.concatenate([random_directions(3, seed=4), [[0.0, 0.0, 1.0]]])
    unit = torch.tensor(vectors, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: torch.cat(spherical_harmonics(v, l_max), dim=1), unit)
    assert torch.autograd.gradgradcheck(lambda v: torch.cat(spherical_harmonics(v, l_max), dim=1), unit)


def test_single_precision_stays_single_and_is_close():
    vectors = random_directions(40, seed=5)
    real, imaginary = spherical_harmonics(torch.tensor(vectors, dtype=torch.float32), L_MAX)
    assert real.dtype == imaginary.dtype == torch.float32
    assert np.abs((real + 1j * imaginary).numpy() - harmonics(vectors)).max() < SINGLE_ACCURACY
