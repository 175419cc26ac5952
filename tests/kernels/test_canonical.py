"""Canonical models by the compiled kernel: their functions hold products of several orders."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acnn.basis.derivatives import BasisDerivatives
from acnn.basis.specification import ElementOverride
from acnn.fit.assembly import kernel_rows, structure_rows
from acnn.kernels.basis import BasisKernel
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.invariants import compile_basis, value_program
from acnn.kernels.loading import instruction_sets
from acnn.kernels.program import Program
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_model

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

VALUE_ACCURACY = 1e-12  # of the largest function, or of the terms of an energy
DERIVATIVE_ACCURACY = 1e-10  # of the largest derivative
SINGLE_ACCURACY = 2e-4

ISAS = instruction_sets()
CASES = [
    pytest.param({"order": 1, "degree": 6.0}, id="order 1"),
    pytest.param({"order": 2, "degree": 7.0}, id="order 2"),
    pytest.param({"order": 3, "degree": 6.0, "wl": 0.8}, id="order 3"),
    pytest.param({"order": 3, "degree": 5.0, "pair_degree": 0}, id="order 3 without pair functions"),
    pytest.param({"elements": ("Si",), "order": 4, "degree": 8.0, "wl": 1.0}, id="order 4"),
    pytest.param({"elements": ("Si",), "order": 5, "degree": 7.0, "wl": 0.8}, id="order 5"),
    pytest.param(
        {"order": 2, "degree": 5.0, "overrides": {"Al": ElementOverride(order=4, degree=6.0)}},
        id="orders that differ",
    ),
]


def assert_near(found: torch.Tensor, expected: torch.Tensor, accuracy: float, floor: float = 1e-3) -> None:
    scale = max(floor, float(expected.abs().max())) if expected.numel() else floor
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=accuracy * scale)


@pytest.fixture(params=CASES)
def model(request, model_of):
    return model_of(formulation="canonical", **request.param)


@pytest.fixture
def graph(model, star_of):
    return star_of(model.elements, [7, 30, 0, 1, 2, 12], 2, 4.5, seed=3)


def size_of_terms(model, graph) -> float:
    """Σ_k |c_k B_k| of the site where it is largest, in eV."""
    return float((model.basis(graph) * model.coefficients[:, None]).abs().sum(dim=0).max())


def test_energies_are_those_of_torch(model, graph):
    expected = model.pair_gradients(graph, "torch")
    for isa in ISAS:
        kernel = EnergyKernel(model.program(), isa, threads=1)
        for g, value, slope in (
            (graph, VALUE_ACCURACY, DERIVATIVE_ACCURACY),
            (graph.to(dtype=torch.float32), SINGLE_ACCURACY, SINGLE_ACCURACY),
        ):
            found = kernel(g)
            assert_near(found.site_energies, expected.site_energies, value, size_of_terms(model, graph))
            assert_near(found.pair_gradients, expected.pair_gradients, slope, 1e-2)


def test_basis_functions_and_jacobian_products_are_those_of_torch(model, graph):
    basis, rng = model.basis, np.random.default_rng(1)
    v = torch.as_tensor(rng.normal(size=(graph.n_centers, basis.n_functions)))
    u = torch.as_tensor(rng.normal(size=(graph.n_pairs, 3)))
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    functions = basis(graph.with_pair_vectors(vectors)).T
    (vjp,) = torch.autograd.grad((functions * v).sum(), vectors)
    _, jvp = torch.autograd.functional.jvp(lambda r: basis(graph.with_pair_vectors(r)).T, graph.pair_vectors, u)
    for isa in ISAS:
        kernel = BasisKernel(compile_basis(basis), isa, threads=1)
        assert_near(kernel.values(graph), functions.detach(), VALUE_ACCURACY)
        assert_near(kernel.vjp(graph, v), vjp, DERIVATIVE_ACCURACY)
        assert_near(kernel.jvp(graph, u), jvp, DERIVATIVE_ACCURACY)
        assert_near(kernel.values(graph.to(dtype=torch.float32)), functions.detach(), SINGLE_ACCURACY, 1e-2)


@pytest.mark.parametrize("name", ["alloy", "molecule", "one-atom cell", "isolated atom"])
def test_rows_are_those_of_torch(name):
    basis = random_model(["Si", "C"], formulation="canonical", pair_cutoff=5.0).basis
    graph = atomic_graph(example_structures()[name], 5.0)
    expected = structure_rows(basis, BasisDerivatives(basis), graph)
    kernel = BasisKernel(compile_basis(basis))
    for gradients in (True, False):
        found = kernel_rows(kernel, graph, gradients)
        for row in ("energy", "forces", "virial") if gradients else ("energy",):
            reference = torch.as_tensor(getattr(expected, row))
            assert_near(torch.as_tensor(getattr(found, row)), reference, DERIVATIVE_ACCURACY)


def test_values_do_not_depend_on_threads(model_of, star_of):
    basis = model_of(formulation="canonical").basis
    graph = star_of(basis.elements, [7, 30, 0, 12] * 8, 2, 4.5, seed=3)
    one, two = (BasisKernel(compile_basis(basis), threads=n).values(graph) for n in (1, 2))
    assert torch.equal(one, two)


def test_only_mixed_functions_need_a_program_of_their_values(model_of):
    for formulation, order, mixed in (
        ("canonical", 3, True),
        ("canonical", 2, False),
        ("pure2b", 4, False),
        ("self_interacting", 4, False),
    ):
        program = compile_basis(model_of(formulation=formulation, order=order).basis)
        assert (value_program(program) is not program) == mixed


def test_programs_survive_storage(model_of, star_of):
    basis = model_of(formulation="canonical").basis
    graph = star_of(basis.elements, [7, 30], 2, 4.5, seed=3)
    program = compile_basis(basis)
    again = BasisKernel(Program.from_bytes(program.to_bytes()))
    assert torch.equal(again.values(graph), BasisKernel(program).values(graph))
