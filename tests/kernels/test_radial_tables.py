"""A radial basis that the compiled kernel does not know runs in it by splines: everything from a class in Python."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import ase
import numpy as np
import pytest
import torch

import acnn.basis.ace
import acnn.models.embedding
from acnn.basis.polynomials import AgnesiPolynomials
from acnn.basis.radial import RadialBasis
from acnn.io.yace import save_yace
from acnn.kernels.basis import BasisKernel
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import uses_compiled_kernel
from acnn.kernels.radial import FIRST_KNOT, N_INTERVALS, radial_arrays
from acnn.models.linear import LinearACE
from acnn.models.model import Model
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_model, random_network, relative_deviation

SPLINE_ACCURACY = 1e-9
"""Of values, relative to the largest."""
KERNEL_ACCURACY = 1e-8
"""Of energies, forces and descriptors, relative to the largest."""
STRUCTURES = example_structures()

needs_kernel = pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel")


class Bessel(RadialBasis):
    """(1 - u²)³ sin(nπu) / (πu), u = r / r_cut, the same for all elements; times 1/u in the pair part."""

    def __init__(self, cutoff: float, n_max: int, power: int) -> None:
        super().__init__()
        self.cutoff, self.n_max, self.power = cutoff, n_max, power

    def forward(self, r, element_i, element_j):
        u = r / self.cutoff
        n = torch.arange(1, self.n_max + 1, dtype=r.dtype)
        envelope = (1 - u * u).clamp(min=0) ** 3 / u**self.power
        return envelope[:, None] * torch.sin(n * math.pi * u[:, None]) / math.pi


@pytest.fixture
def linear(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LinearACE]:
    """Linear models with Bessel functions."""
    monkeypatch.setattr(acnn.basis.ace, "many_body_radial", lambda s, n: Bessel(s.cutoff, n, 1))
    monkeypatch.setattr(
        acnn.basis.ace, "pair_radial", lambda s: Bessel(s.pair_cutoff or s.cutoff, s.n_pair_functions, 2)
    )
    return lambda **s: random_model(["C", "Si"], **({"formulation": "self_interacting"} | s))


CASES: dict[str, dict[str, float]] = {
    "linear": {},
    "longer pairs": {"pair_cutoff": 5.3},
    "no pairs": {"pair_degree": 0},
}


def evaluated(model: Model, kernel: str, atoms: ase.Atoms) -> tuple[np.ndarray, np.ndarray]:
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff), kernel)
    return found.site_energies.numpy(), found.forces.numpy()


@pytest.mark.parametrize("power", [1, 2])
def test_splines_are_the_functions_and_their_slopes(power: int) -> None:
    radial = Bessel(5.0, 12, power)
    arrays = radial_arrays(radial, [(0, 0)], "polynomial")
    (table,), (first, step) = arrays["table"], arrays["table_knots"]
    assert table.shape == (N_INTERVALS, 12, 6)
    assert first + N_INTERVALS * step == pytest.approx(5.0, abs=1e-12)
    assert first == FIRST_KNOT * 5.0
    r = np.random.default_rng(0).uniform(0.1, 5.0, 300)
    interval = ((r - first) / step).astype(int)
    t = ((r - first) / step - interval)[:, None]
    found = sum(table[interval, :, m] * t**m for m in range(6)) / r[:, None]
    zeros = torch.zeros(len(r), dtype=torch.int64)
    expected = radial(torch.as_tensor(r), zeros, zeros).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=SPLINE_ACCURACY * np.abs(expected).max())


def test_splines_have_two_continuous_derivatives() -> None:
    table = radial_arrays(Bessel(5.0, 8, 1), [(0, 0)], "polynomial")["table"][0]
    for order in range(3):
        factors = np.array([math.perm(power, order) for power in range(6)])
        at_end, at_start = (table[:-1] * factors).sum(axis=-1), math.factorial(order) * table[1:, :, order]
        np.testing.assert_allclose(at_end, at_start, rtol=0, atol=1e-12)


@needs_kernel
@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("name", CASES)
def test_the_kernel_evaluates_linear_models(linear, name: str, structure: str) -> None:
    model = linear(**CASES[name])
    for found, expected in zip(
        evaluated(model, "cpu", STRUCTURES[structure]), evaluated(model, "torch", STRUCTURES[structure]), strict=True
    ):
        assert relative_deviation(found, expected, 1.0) < KERNEL_ACCURACY


@needs_kernel
@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_kernel_evaluates_networks(monkeypatch: pytest.MonkeyPatch, structure: str) -> None:
    monkeypatch.setattr(acnn.models.embedding, "embedding_radial", lambda s: Bessel(s.cutoff, s.radial_functions, 1))
    model = random_network(["C", "Si"], inner_cutoffs={"C-C": 1.3, "C-Si": 1.6, "Si-Si": 2.2})
    for found, expected in zip(
        evaluated(model, "cpu", STRUCTURES[structure]), evaluated(model, "torch", STRUCTURES[structure]), strict=True
    ):
        assert relative_deviation(found, expected, 1.0) < KERNEL_ACCURACY


def test_a_closed_form_with_an_envelope_of_another_place_becomes_splines() -> None:
    radial = AgnesiPolynomials([[2.35]], 5.0, 6, 2.0, 4.0, "coulomb")
    assert set(radial_arrays(radial, [(0, 0)], "coulomb")) == {"transforms"}
    assert "table" in radial_arrays(radial, [(0, 0)], "polynomial")


@needs_kernel
def test_the_kernel_evaluates_basis_functions(linear) -> None:
    basis = linear(degree=5.0).basis
    graph = atomic_graph(STRUCTURES["alloy"], 4.5)
    expected = basis(graph)
    found = BasisKernel(compile_basis(basis)).values(graph)
    assert relative_deviation(found.numpy(), expected.T.numpy(), 1e-3) < KERNEL_ACCURACY


def test_models_are_exported(linear, tmp_path: Path) -> None:
    report = save_yace(linear(), tmp_path / "m.yace")
    assert report.fit_error.radial < 1e-6


def test_purification_needs_products_and_says_so(linear) -> None:
    with pytest.raises(ValueError, match="products of Bessel are not sums of such functions again"):
        linear(formulation="pure2b")
