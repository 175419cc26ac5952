"""Radial functions against closed formulas, SciPy's polynomials and quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor

from acnn.basis.polynomials import AgnesiPolynomials, agnesi, agnesi_amplitude, jacobi_polynomials
from acnn.basis.radial import RadialBasis, bond_length, seen_distance, transform_lengths
from acnn.basis.specification import BasisSpecification
from acnn.settings.fit import FitSettings
from acnn.settings.network import ModelSettings

ROUNDING = 1e-13
POLYNOMIAL_ACCURACY = 1e-11
SECOND_DERIVATIVE_ACCURACY = 1e-9

EXPONENTS = [(2.0, 4.0), (1.0, 3.0), (1.0, 4.0), (2.0, 2.0), (2.0, 3.0), (3.0, 3.5)]
JACOBI = [(0.0, 0.0), (1.0, 0.0), (0.5, 2.0), (-0.5, -0.5), (3.0, 1.0)]


def tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def derivatives(function: Callable[[Tensor], Tensor], r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value and two derivatives of an elementwise function, by automatic differentiation."""
    r = r.clone().requires_grad_(True)
    value = function(r)
    (first,) = torch.autograd.grad(value.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    return value.detach(), first.detach(), second


@pytest.mark.parametrize(("p", "q", "amplitude"), [(2, 4, 20 / 26), (1, 3, 4 / 14)])
def test_amplitude_of_the_papers_transforms(p, q, amplitude):
    assert agnesi_amplitude(p, q) == pytest.approx(amplitude, rel=ROUNDING)


@pytest.mark.parametrize(("p", "q"), EXPONENTS)
def test_transform_is_the_papers_formula(p, q):
    r, r0 = np.linspace(0.1, 9.0, 50), 2.4
    amplitude = (4 * p * q - 2 * p - 2 * q) / (p * p + q * q + p + q)
    expected = 1 / (1 + amplitude * (r / r0) ** q / (1 + (r / r0) ** (q - p)))
    np.testing.assert_allclose(agnesi(tensor(r), r0, p, q), expected, rtol=ROUNDING)


@pytest.mark.parametrize(("p", "q"), EXPONENTS)
def test_transform_falls_from_one_at_contact_to_zero(p, q):
    y = agnesi(tensor(np.linspace(0.0, 40.0, 2001)), 2.4, p, q)
    assert y[0] == 1.0
    assert bool((y.diff() < 0).all())
    assert 0 < agnesi(tensor([1e6]), 2.4, p, q).item() < 1e-4


@pytest.mark.parametrize(("p", "q"), EXPONENTS)
def test_transform_resolves_best_at_the_bond_length(p, q):
    r0 = 2.4
    r = tensor(np.linspace(0.02, 4.0, 4001) * r0)
    _, slope, _ = derivatives(lambda x: agnesi(x, r0, p, q), r)
    assert r[slope.abs().argmax()].item() / r0 == pytest.approx(1.0, abs=1e-3)
    _, slope, curvature = derivatives(lambda x: agnesi(x, r0, p, q), tensor([r0]))
    assert abs(curvature.item() * r0 / slope.item()) < SECOND_DERIVATIVE_ACCURACY


@pytest.mark.parametrize(("alpha", "beta"), JACOBI)
def test_polynomials_are_orthonormal(alpha, beta):
    n_max = 18
    nodes, weights = scipy.special.roots_jacobi(n_max, alpha, beta)
    values = jacobi_polynomials(tensor(nodes), n_max, alpha, beta).numpy()
    gram = values.T @ (values * (weights / weights.sum())[:, None])
    np.testing.assert_allclose(gram, np.eye(n_max), atol=POLYNOMIAL_ACCURACY)


def test_legendre_polynomials_are_scipys():
    x = np.linspace(-1, 1, 41)
    values = jacobi_polynomials(tensor(x), 15).numpy()
    expected = [math.sqrt(2 * n + 1) * scipy.special.eval_legendre(n, x) for n in range(15)]
    np.testing.assert_allclose(values, np.stack(expected, axis=1), atol=POLYNOMIAL_ACCURACY)


@pytest.mark.parametrize(("alpha", "beta"), JACOBI)
def test_jacobi_polynomials_are_scipys_with_positive_leading_coefficient(alpha, beta):
    x = np.linspace(-0.99, 0.99, 41)
    nodes, weights = scipy.special.roots_jacobi(40, alpha, beta)
    values = jacobi_polynomials(tensor(x), 12, alpha, beta).numpy()
    for n in range(12):
        norm = (weights * scipy.special.eval_jacobi(n, alpha, beta, nodes) ** 2).sum() / weights.sum()
        expected = scipy.special.eval_jacobi(n, alpha, beta, x) / math.sqrt(norm)
        np.testing.assert_allclose(values[:, n], expected, atol=POLYNOMIAL_ACCURACY * max(1, np.abs(expected).max()))


def one_species(r: Tensor, basis: RadialBasis) -> Tensor:
    zeros = torch.zeros(len(r), dtype=torch.int64)
    return basis(r, zeros, zeros)


def scipy_radial(r: np.ndarray, r0: float, cutoff: float, n_max: int, p: float, q: float, envelope: str) -> np.ndarray:
    """R_n(r) written from the paper."""
    a = (4 * p * q - 2 * p - 2 * q) / (p * p + q * q + p + q)

    def transform(x):
        return 1 / (1 + a * (x / r0) ** q / (1 + (x / r0) ** (q - p)))

    y, y_cut = transform(r), transform(cutoff)
    x = -1 + 2 * (y - y_cut) / (1 - y_cut)
    envelopes = {
        "polynomial": (y - y_cut) ** 3,
        "coulomb": r0 / r * (1 - r / cutoff) ** 3,
        "even": (1 - (r / cutoff) ** 2) ** 3,
    }
    f = envelopes[envelope]
    columns = [f * math.sqrt(2 * n + 1) * scipy.special.eval_legendre(n, x) for n in range(n_max)]
    return np.where((r < cutoff)[:, None], np.stack(columns, axis=1), 0.0)


KINDS = [("polynomial", 2.0, 4.0), ("coulomb", 1.0, 3.0), ("even", 2.0, 4.0)]


@pytest.mark.parametrize(("envelope", "p", "q"), KINDS)
def test_radial_functions_are_the_papers(envelope, p, q):
    r = np.linspace(0.3, 7.0, 200)
    basis = AgnesiPolynomials([[2.35]], 5.5, 9, p, q, envelope)
    expected = scipy_radial(r, 2.35, 5.5, 9, p, q, envelope)
    np.testing.assert_allclose(one_species(tensor(r), basis), expected, atol=POLYNOMIAL_ACCURACY, rtol=1e-11)


@pytest.mark.parametrize(("envelope", "p", "q"), KINDS)
def test_functions_and_two_derivatives_vanish_at_the_cutoff_and_beyond(envelope, p, q):
    cutoff, step = 5.0, 1e-6
    basis = AgnesiPolynomials([[2.35]], cutoff, 12, p, q, envelope)
    r = tensor([*cutoff * np.linspace(0.6, 0.9, 7), cutoff - step, cutoff, cutoff + step, cutoff + 2.0])
    for n in range(12):
        for found in derivatives(lambda x, n=n: one_species(x, basis)[:, n], r):
            assert found[-4].abs() < 1e-3 * found[:7].abs().max()
            assert not found[-3:].any()


def test_pair_functions_repel_like_one_over_r():
    basis = AgnesiPolynomials([[2.35]], 5.5, 4, 1.0, 3.0, "coulomb")
    r = 1e-6
    at_contact = [math.sqrt(2 * n + 1) for n in range(4)]  # P_n(1)
    np.testing.assert_allclose(one_species(tensor([r]), basis)[0] * r / 2.35, at_contact, rtol=1e-4)


def test_each_pair_of_elements_has_its_own_bond_length():
    r0 = [[2.0, 2.5], [2.5, 3.0]]
    basis = AgnesiPolynomials(r0, 5.0, 6, 2.0, 4.0, "polynomial")
    r = tensor([2.7, 2.7, 2.7, 2.7])
    i, j = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])
    found = basis(r, i, j).numpy()
    for row, (a, b) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        expected = scipy_radial(np.array([2.7]), r0[a][b], 5.0, 6, 2.0, 4.0, "polynomial")[0]
        np.testing.assert_allclose(found[row], expected, atol=POLYNOMIAL_ACCURACY)


def test_unknown_envelope_is_named():
    with pytest.raises(ValueError, match="envelope must be polynomial, coulomb or even, not 'cosine'"):
        AgnesiPolynomials([[2.0]], 5.0, 3, 2.0, 4.0, "cosine")


@pytest.mark.parametrize(
    ("element", "length"),
    [
        ("Si", 5.43 * math.sqrt(3) / 4),  # diamond
        ("Cu", 3.61 / math.sqrt(2)),  # fcc
        ("Fe", 2.87 * math.sqrt(3) / 2),  # bcc
        ("Ti", 2.896),  # hcp
        ("H", 0.74),  # diatomic
        ("O", 1.21),
        ("B", 2 * 0.84),  # rhombohedral: twice the covalent radius
    ],
)
def test_bond_length_is_the_nearest_neighbor_distance_of_the_element(element, length):
    assert bond_length(element) == pytest.approx(length, abs=0.005)


def test_mixed_bond_length_is_the_mean_and_can_be_overridden():
    plain = BasisSpecification(elements=("Al", "Ti")).bond_length_matrix()
    al, ti = bond_length("Al"), bond_length("Ti")
    np.testing.assert_allclose(plain, [[al, (al + ti) / 2], [(al + ti) / 2, ti]], rtol=ROUNDING)

    of_element = BasisSpecification(elements=("Al", "Ti"), bond_lengths={"Al": 3.0}).bond_length_matrix()
    np.testing.assert_allclose(of_element, [[3.0, (3.0 + ti) / 2], [(3.0 + ti) / 2, ti]], rtol=ROUNDING)

    for name in ("Al-Ti", "Ti-Al"):
        of_pair = BasisSpecification(elements=("Al", "Ti"), bond_lengths={name: 2.6}).bond_length_matrix()
        np.testing.assert_allclose(of_pair, [[al, 2.6], [2.6, ti]], rtol=ROUNDING)


def test_transforms_of_elements_with_short_bonds_are_steepest_at_a_share_of_the_cutoff():
    """Where H atoms of molecules meet, functions with r0 = 0.74 Å nearly vanish."""
    lengths = transform_lengths(("H", "O", "Si"), 5.0)
    assert lengths == pytest.approx({"H": 1.75, "O": 1.75})
    assert transform_lengths(("H",), 2.0) == {}
    distance, elements = tensor([1.8, 2.5, 4.0]), torch.zeros(3, dtype=torch.int64)
    bonded, stretched = (
        AgnesiPolynomials([[r0]], 5.0, 1, 2.0, 4.0, "polynomial")(distance, elements, elements)[:, 0]
        for r0 in (bond_length("H"), lengths["H"])
    )
    assert bool((bonded > 0).all() and (bonded < 0.05 * stretched).all())


def test_short_bonds_are_raised_to_a_share_of_the_cutoff():
    """r0 = 0.35 r_cut for elements that bond at less, those of silicon and metals stay; what was given counts."""
    assert transform_lengths(("H", "O", "Si"), 5.0) == {"H": 1.75, "O": 1.75}
    assert transform_lengths(("H", "Si"), 8.0) == {"H": 2.8, "Si": 2.8}
    given = FitSettings.model_validate(
        {"train": "a.xyz", "output": "b.acnn", "cutoff": 5.0, "bond_lengths": {"H": 1.2, "H-O": 1.0}}
    )
    lengths = given.specification(("H", "O")).bond_length_matrix()
    assert lengths == [[1.2, 1.0], [1.0, 1.75]]
    network = ModelSettings.model_validate({"cutoff": 5.0, "bond_lengths": {"H": 1.2}}).specification(("H", "O"))
    assert network.bond_lengths == {"H": 1.2, "O": 1.75}


@pytest.mark.parametrize("inner", [1.3, 2.4])
def test_distances_below_an_inner_cutoff_fade_into_a_constant(inner):
    """Equal to r above r_in, 0.95 r_in below 0.9 r_in, with a slope that is C² and never negative; 0 is none."""
    r = torch.linspace(0.1, 1.5 * inner, 2001, dtype=torch.float64, requires_grad=True)
    seen = seen_distance(r, torch.full_like(r, inner))
    (slope,) = torch.autograd.grad(seen.sum(), r, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), r)
    above, below = r > inner, r < 0.9 * inner
    torch.testing.assert_close(seen[above], r[above])
    torch.testing.assert_close(seen[below], torch.full_like(seen[below], 0.95 * inner))
    step = float((r[1] - r[0]).detach())
    seen, slope, r = seen.detach(), slope.detach(), r.detach()
    assert float(slope.min()) >= 0
    assert float(slope.diff().abs().max()) < 2.1 * step / (0.1 * inner)
    assert float(curvature.diff().abs().max()) < 7 * step / (0.1 * inner) ** 2
    torch.testing.assert_close(seen_distance(r, torch.zeros_like(r)), r)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_slope_at_an_inner_cutoff_is_one(dtype):
    """Where the closest pair of the training data always is."""
    inner = torch.tensor([1.3, 2.379442402566597], dtype=dtype)
    r = inner.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(seen_distance(r, inner).sum(), r)
    torch.testing.assert_close(slope, torch.ones_like(slope))
