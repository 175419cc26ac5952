"""Basis functions by the compiled kernel: values, both Jacobian products, and rows of the design matrix."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acnn.basis.ace import UnsupportedElementError
from acnn.basis.derivatives import BasisDerivatives
from acnn.fit.assembly import kernel_rows, structure_rows
from acnn.graph import batch
from acnn.kernels.basis import BasisKernel
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import instruction_sets
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_model

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

VALUE_ACCURACY = 1e-12  # of the largest function
DERIVATIVE_ACCURACY = 1e-10  # of the largest derivative
ADJOINT_ACCURACY = 1e-10  # <v, J u> against <v J, u>, of the sizes of the terms
ROW_ACCURACY = 1e-10  # of the largest entry
SINGLE_ACCURACY = 2e-4  # everything in float32, as good as torch
SMALLEST_SCALE = 1e-3  # what is smaller cancels, and is compared as if it were of this size
SMALLEST_SINGLE_SCALE = 1e-2

STRUCTURES = example_structures()
ISAS = instruction_sets()
both_dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))


def kernel_of(basis, isa=None, threads=1):
    return BasisKernel(compile_basis(basis), isa, threads)


@pytest.fixture(scope="module")
def basis(model_of):
    return model_of(pair_cutoff=5.5).basis


@pytest.fixture(scope="module")
def kernel(basis):
    return kernel_of(basis)


@pytest.fixture(scope="module")
def graph(basis, star_of):
    return star_of(basis.elements, [3, 17, 0, 8, 40, 1, 12, 9, 16, 5, 31], n_ghosts=4, reach=5.5, seed=7)


def assert_near(found, expected, accuracy):
    floor = SMALLEST_SINGLE_SCALE if found.dtype == torch.float32 else SMALLEST_SCALE
    scale = max(floor, float(expected.abs().max())) if expected.numel() else floor
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=accuracy * scale)


def normal(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=shape))


def torch_vjp(basis, graph, adjoints):
    if graph.n_pairs == 0:
        return torch.zeros_like(graph.pair_vectors)
    with torch.enable_grad():
        vectors = graph.pair_vectors.clone().requires_grad_(True)
        total = (basis(graph.with_pair_vectors(vectors)).T * adjoints).sum()
        return torch.autograd.grad(total, vectors, materialize_grads=True)[0]


def torch_jvp(basis, graph, directions):
    """Through the same autograd, twice backwards."""
    with torch.enable_grad():
        vectors = graph.pair_vectors.clone().requires_grad_(True)
        values = basis(graph.with_pair_vectors(vectors)).T
        dummy = torch.zeros_like(values, requires_grad=True)
        (product,) = torch.autograd.grad(values, vectors, dummy, create_graph=True)
        return torch.autograd.grad(product, dummy, directions)[0]


# --- values and Jacobian products -------------------------------------------------------------------------------------


@quick
@given(data=st.data())
def test_values_and_vjp_are_those_of_torch(cases, data):
    model, graph = data.draw(cases)
    basis, program = model.basis, compile_basis(model.basis)
    v = normal(graph.n_centers, basis.n_functions)
    values, vjp = basis(graph).T, torch_vjp(basis, graph, v)
    single = graph.to(dtype=torch.float32)
    for isa in ISAS:
        kernel = BasisKernel(program, isa, 1)
        assert_near(kernel.values(graph), values, VALUE_ACCURACY)
        assert_near(kernel.vjp(graph, v), vjp, DERIVATIVE_ACCURACY)
        assert_near(kernel.values(single), values, SINGLE_ACCURACY)
        assert_near(kernel.vjp(single, v), vjp, SINGLE_ACCURACY)
        assert kernel.values(single).dtype == kernel.vjp(single, v).dtype == torch.float32


@quick
@given(data=st.data())
def test_jvp_is_the_transpose_of_vjp(cases, data):
    model, graph = data.draw(cases)
    n, program = model.basis.n_functions, compile_basis(model.basis)
    u, v = normal(graph.n_pairs, 3), normal(graph.n_centers, n, seed=1)
    for isa in ISAS:
        kernel = BasisKernel(program, isa, 1)
        left, right = v * kernel.jvp(graph, u), kernel.vjp(graph, v) * u
        scale = max(SMALLEST_SCALE, float(left.abs().sum()), float(right.abs().sum()))
        assert abs(float(left.sum() - right.sum())) <= ADJOINT_ACCURACY * scale


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_every_order(model_of, star_of, order, formulation):
    degrees = {1: 8.0, 2: 7.0, 3: 6.0, 4: 6.0, 5: 6.5}
    basis = model_of(order=order, degree=degrees[order], formulation=formulation, wl=0.8).basis
    graph = star_of(basis.elements, [7, 30, 0, 12], 2, 4.5, seed=order)
    u, v = normal(graph.n_pairs, 3), normal(4, basis.n_functions)
    expected = basis(graph).T, torch_vjp(basis, graph, v), torch_jvp(basis, graph, u)
    for isa in ISAS:
        kernel = kernel_of(basis, isa)
        for g, accuracy in ((graph, DERIVATIVE_ACCURACY), (graph.to(dtype=torch.float32), SINGLE_ACCURACY)):
            for found, reference in zip((kernel.values(g), kernel.vjp(g, v), kernel.jvp(g, u)), expected, strict=True):
                assert_near(found, reference, accuracy)


@pytest.mark.parametrize("n_centers", [1, 2, 3, 5, 8, 9, 16, 17])
def test_lanes_that_are_not_filled(kernel, basis, star_of, n_centers):
    counts = np.random.default_rng(n_centers).integers(0, 12, n_centers).tolist()
    graph = star_of(basis.elements, counts, 1, 5.5, seed=n_centers)
    u, v = normal(graph.n_pairs, 3), normal(n_centers, basis.n_functions)
    assert_near(kernel.values(graph), basis(graph).T, VALUE_ACCURACY)
    assert_near(kernel.vjp(graph, v), torch_vjp(basis, graph, v), DERIVATIVE_ACCURACY)
    assert_near(kernel.jvp(graph, u), torch_jvp(basis, graph, u), DERIVATIVE_ACCURACY)


@both_dtypes
@pytest.mark.parametrize("isa", ISAS)
def test_threads_change_nothing(basis, star_of, isa, dtype):
    counts = np.random.default_rng(5).integers(0, 14, 400).tolist()
    graph = star_of(basis.elements, counts, 5, 5.5, seed=6).to(dtype=dtype)
    u, v = normal(graph.n_pairs, 3), normal(400, basis.n_functions)
    one, three = kernel_of(basis, isa, 1), kernel_of(basis, isa, 3)
    assert torch.equal(one.values(graph), three.values(graph))
    assert torch.equal(one.vjp(graph, v), three.vjp(graph, v))
    assert torch.equal(one.jvp(graph, u), three.jvp(graph, u))


def test_pairs_beyond_the_cutoff_do_nothing(kernel, graph):
    far = graph.pair_vectors.norm(dim=1) >= 5.5
    assert bool(far.any())
    v, u = normal(graph.n_centers, kernel.n_functions), normal(graph.n_pairs, 3)
    assert not kernel.vjp(graph, v)[far].any()
    assert torch.equal(kernel.jvp(graph, torch.where(far[:, None], u, 0.0)), torch.zeros_like(v))


def test_without_atoms_or_pairs(kernel):
    for atoms in (ase.Atoms(), ase.Atoms("Al"), ase.Atoms("AlTi", [[0, 0, 0], [30, 0, 0]])):
        graph = atomic_graph(atoms, 5.5)
        n = (len(atoms), kernel.n_functions)
        assert torch.equal(kernel.values(graph), torch.zeros(n, dtype=torch.float64))
        assert torch.equal(kernel.jvp(graph, torch.zeros(0, 3)), torch.zeros(n, dtype=torch.float64))
        assert kernel.vjp(graph, torch.zeros(n)).shape == (0, 3)
        rows = kernel.rows(graph)
        assert rows.forces.shape == (3 * len(atoms), kernel.n_functions)
        for values in (rows.energy, rows.forces, rows.virial):
            assert not values.any()


def test_arrays_need_not_be_contiguous(kernel, graph):
    v, u = normal(kernel.n_functions, graph.n_centers).T, normal(3, graph.n_pairs).T
    assert torch.equal(kernel.vjp(graph, v), kernel.vjp(graph, v.contiguous()))
    assert torch.equal(kernel.jvp(graph, u), kernel.jvp(graph, u.contiguous()))
    loose = graph.with_pair_vectors(graph.pair_vectors.T.contiguous().T)
    assert torch.equal(kernel.values(loose), kernel.values(graph))
    single = graph.to(dtype=torch.float32)  # adjoints of another dtype follow the graph
    assert torch.equal(kernel.vjp(single, v), kernel.vjp(single, v.float()))


# --- rows -------------------------------------------------------------------------------------------------------------


def assert_rows(found, expected):
    for name in ("energy", "forces", "virial"):
        value, reference = getattr(found, name), getattr(expected, name)
        assert value.shape == reference.shape
        scale = max(SMALLEST_SCALE, np.abs(reference).max(initial=0.0))
        np.testing.assert_allclose(value, reference, rtol=0, atol=ROW_ACCURACY * scale, err_msg=name)


def without_ghosts(graph):
    """Ghosts as centers without pairs."""
    return replace(graph, n_centers=graph.n_atoms)


@quick
@given(data=st.data())
def test_rows_are_those_of_torch(cases, data):
    """Neighbors are drawn without regard to symmetry: forces are sums all the same."""
    model, graph = data.draw(cases)
    basis, graph = model.basis, without_ghosts(graph)
    expected, program = structure_rows(basis, BasisDerivatives(basis), graph), compile_basis(basis)
    for isa in ISAS:
        assert_rows(BasisKernel(program, isa).rows(graph), expected)


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_rows_of_structures(name, formulation):
    basis = random_model(["Si", "C"], formulation=formulation, pair_cutoff=5.0).basis
    graph = atomic_graph(STRUCTURES[name], 5.0)
    expected = structure_rows(basis, BasisDerivatives(basis), graph)
    for isa in ISAS:
        assert_rows(kernel_of(basis, isa).rows(graph), expected)
    energies = kernel_rows(kernel_of(basis), graph, gradients=False)
    assert energies.forces is None
    np.testing.assert_allclose(energies.energy, expected.energy, rtol=0, atol=1e-12 * np.abs(expected.energy).max())


def test_energies_alone_in_chunks(monkeypatch):
    basis = random_model(["Si", "C"]).basis
    graph, kernel = atomic_graph(bulk("Si", cubic=True), 4.5), kernel_of(basis)
    whole = kernel_rows(kernel, graph, gradients=False).energy
    for name, value in (("MAX_PAIRS", 30), ("MAX_CENTERS", 3)):
        monkeypatch.setattr(f"acnn.fit.assembly.{name}", value)
        np.testing.assert_allclose(kernel_rows(kernel, graph, gradients=False).energy, whole, rtol=1e-12)


def test_rows_are_the_reductions_of_the_jacobian(kernel, basis):
    """E = Σ B, F = -dE/dr, W = -Σ r ⊗ dE/dr of one random coefficient vector, by vjp."""
    atoms = bulk("Al", cubic=True)
    atoms.symbols[0] = "Ti"
    atoms.rattle(0.1, seed=3)
    graph = atomic_graph(atoms, 5.5)
    c = normal(basis.n_functions)
    g = kernel.vjp(graph, c.expand(graph.n_centers, -1))
    rows = kernel.rows(graph)
    forces = torch.zeros(4, 3, dtype=torch.float64)
    forces = forces.index_add(0, graph.pair_i, g).index_add(0, graph.pair_j, g, alpha=-1)
    np.testing.assert_allclose(rows.forces @ c.numpy(), forces.reshape(-1), rtol=0, atol=1e-10 * float(g.abs().max()))
    virial = -(graph.pair_vectors.T @ g).numpy()
    voigt = [virial[0, 0], virial[1, 1], virial[2, 2], virial[1, 2], virial[0, 2], virial[0, 1]]
    np.testing.assert_allclose(rows.virial @ c.numpy(), voigt, rtol=0, atol=1e-10 * np.abs(virial).max())


def test_rows_in_single_precision_are_computed_in_double(kernel):
    graph = atomic_graph(bulk("Al"), 5.5, dtype=torch.float32)
    assert_rows(kernel.rows(graph), kernel.rows(graph.to(dtype=torch.float64)))


def test_rows_belong_to_one_structure(kernel, graph):
    two = batch([atomic_graph(bulk("Al"), 5.5)] * 2)
    for wrong in (graph, two):
        with pytest.raises(ValueError, match="rows need a graph of one structure without ghost atoms"):
            kernel.rows(wrong)


# --- errors and storage -----------------------------------------------------------------------------------------------


def test_wrong_shapes(kernel, graph):
    n, p = kernel.n_functions, graph.n_pairs
    for shape in ((11, n + 1), (10, n), (n, 11), (11 * n,), (15, n)):
        with pytest.raises(ValueError, match=f"adjoints must be 11 rows of {n}"):
            kernel.vjp(graph, torch.zeros(shape))
    for shape in ((p, 2), (p + 1, 3), (3, p), (3 * p,)):
        with pytest.raises(ValueError, match=f"directions must be {p} rows of 3"):
            kernel.jvp(graph, torch.zeros(shape))


def calls(kernel, graph):
    v, u = torch.zeros(graph.n_centers, kernel.n_functions), torch.zeros(graph.n_pairs, 3)
    whole = without_ghosts(graph)
    return [
        lambda: kernel.values(graph),
        lambda: kernel.vjp(graph, v),
        lambda: kernel.jvp(graph, u),
        lambda: kernel.rows(whole),
    ]


def test_unknown_elements(kernel, graph):
    for atom in (0, 12):
        species = graph.species.clone()
        species[atom] = 29
        for call in calls(kernel, replace(graph, species=species)):
            with pytest.raises(
                UnsupportedElementError, match="the element Cu is not in this model, which supports Al, Ti"
            ):
                call()


def test_bad_pairs(kernel, graph):
    vectors, pair_j, pair_i = graph.pair_vectors.clone(), graph.pair_j.clone(), graph.pair_i.clone()
    vectors[3], pair_j[3], pair_i[3] = np.nan, 15, 9
    for wrong, message in (
        ({"pair_vectors": vectors}, "zero, infinite or not a number"),
        ({"pair_j": pair_j}, "not in the graph"),
        ({"pair_i": pair_i}, "sorted by center"),
    ):
        for call in calls(kernel, replace(graph, **wrong)):
            with pytest.raises(ValueError, match=message):
                call()


def test_programs_of_the_other_kind(model_of):
    with pytest.raises(ValueError, match="kind basis is needed, as made by compile_basis"):
        BasisKernel(model_of().program())


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda k: pickle.loads(pickle.dumps(k))])
def test_kernels_can_be_copied(basis, graph, duplicate):
    kernel = kernel_of(basis, ISAS[-1], 2)
    expected = kernel.values(graph)
    twin = duplicate(kernel)
    assert (twin.n_functions, twin.instruction_set, twin.threads) == (basis.n_functions, ISAS[-1], 2)
    assert torch.equal(twin.values(graph), expected)
