"""The embedding of network models by the compiled kernel: values, derivatives, and derivatives of derivatives."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import batch
from acnn.kernels.embedding import EmbeddingKernel
from acnn.kernels.loading import instruction_sets
from acnn.models.embedding import Embedding
from acnn.models.network_parts import embedding_program
from acnn.models.network_specification import NetworkSpecification

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

DOUBLE_ACCURACY = 1e-11  # of the largest number
SINGLE_ACCURACY = 1e-4  # everything in float32
REACH = 4.0  # of the neighbors of `star_of`, 1.2 times as far at most: some are beyond the cutoff

COUNTS = [3, 17, 0, 8, 40, 1, 12, 9, 16, 5, 31, 0, 2, 22, 6, 4, 11, 7, 26]
SETTINGS = {
    "plain": {"layers": 0},
    "density_alone": {"products": False},
    "attention": {"layers": 1},
    "two_layers": {"layers": 2, "channels": 3},
    "order_two": {"order": 2},
    "one_element": {"elements": ("Si",), "channels": 8, "heads": 16, "radial_functions": 8},
    "scalar": {"l_max": 0, "order": 2, "channels": 1, "heads": 1, "radial_functions": 1},
    "inner_cutoffs": {"layers": 1, "inner_cutoffs": {"H-O": 2.9, "O-O": 2.2, "Si-O": 3.4}},
    "high_degree": {"l_max": 5, "layers": 1, "channels": 2},
}


def embedding_of(**settings):
    torch.manual_seed(3)
    chosen = {
        "elements": ("H", "O", "Si"),
        "cutoff": REACH,
        "channels": 5,
        "l_max": 3,
        "radial_functions": 6,
        "order": 3,
        "layers": 1,
        "heads": 7,
        "element_channels": None,
    }
    return Embedding(NetworkSpecification(**chosen | settings))


def kernel_of(embedding, isa=None, threads=1):
    return EmbeddingKernel(embedding_program(embedding), isa, threads)


def by_torch(embedding, graph, theta):
    """D of the definition, for any theta."""
    s = embedding.specification
    shapes = [table.shape for table in embedding.tables()]
    tables = [part.reshape(shape) for part, shape in zip(theta.split([s.numel() for s in shapes]), shapes, strict=True)]
    elements = torch.tensor([atomic_numbers[e] for e in s.elements])
    embedding.tables = lambda: tables
    try:
        return embedding(graph, torch.searchsorted(elements, graph.species))
    finally:
        del embedding.tables


def normal(*shape, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=shape))


def derivatives(evaluate, graph, theta, v, u):
    """D, g and the derivatives of D · v and of g · u."""
    theta, v = theta.clone().requires_grad_(True), v.clone().requires_grad_(True)
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    values = evaluate(graph.with_pair_vectors(vectors), theta)
    (theta_gradient,) = torch.autograd.grad((values * v).sum(), theta, retain_graph=True)
    (gradients,) = torch.autograd.grad((values * v).sum(), vectors, create_graph=True)
    of_theta, of_v = torch.autograd.grad((gradients * u).sum(), [theta, v])
    return [values.detach(), gradients.detach(), theta_gradient, of_theta, of_v]


def assert_near(found, expected, accuracy):
    for a, b in zip(found, expected, strict=True):
        scale = max(1e-2, float(b.abs().max())) if b.numel() else 1.0
        torch.testing.assert_close(a.double(), b, rtol=0, atol=accuracy * scale)


@pytest.fixture(scope="module")
def graph_of(star_of):
    def graph(embedding, counts=COUNTS):
        return star_of(embedding.specification.elements, counts, n_ghosts=4, reach=REACH, seed=7)

    return graph


@pytest.fixture(scope="module")
def case(graph_of):
    embedding = embedding_of()
    return kernel_of(embedding), graph_of(embedding), embedding.theta().detach()


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_descriptors_and_all_derivatives_are_those_of_torch(settings, graph_of):
    embedding = embedding_of(**settings)
    graph, theta = graph_of(embedding), embedding.theta().detach()
    n = embedding.n_invariants
    v, u = normal(graph.n_centers, n), normal(graph.n_pairs, 3, seed=1)
    expected = derivatives(lambda g, t: by_torch(embedding, g, t), graph, theta, v, u)
    single = graph.to(dtype=torch.float32)
    for isa in instruction_sets():
        kernel = kernel_of(embedding, isa)
        assert (kernel.n_descriptors, kernel.n_theta) == (n, len(theta))
        assert_near(derivatives(kernel, graph, theta, v, u), expected, DOUBLE_ACCURACY)
        found = derivatives(kernel, single, theta, v.float(), u.float())
        assert found[0].dtype == torch.float32
        assert_near(found, expected, SINGLE_ACCURACY)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_bit_by_bit_the_same_for_any_number_of_threads(case, dtype):
    kernel, graph, theta = case
    graph = batch([replace(graph, n_centers=graph.n_atoms)] * 9).to(dtype=dtype)
    v, u = normal(graph.n_centers, kernel.n_descriptors), normal(graph.n_pairs, 3)

    def everything(threads):
        one = EmbeddingKernel(kernel.program, threads=threads)
        return [one.values(graph, theta), *one.vjp(graph, theta, v), *one.dual(graph, theta, v, u)]

    expected = everything(1)
    for threads in (2, 3, 5):
        for a, b in zip(everything(threads), expected, strict=True):
            assert torch.equal(a, b)


def test_parts_that_are_not_wanted_change_nothing(case):
    kernel, graph, theta = case
    v, u = normal(graph.n_centers, kernel.n_descriptors), normal(graph.n_pairs, 3)
    gradients, theta_gradient = kernel.vjp(graph, theta, v)
    assert torch.equal(kernel.vjp(graph, theta, v, of_theta=False)[0], gradients)
    assert torch.equal(kernel.vjp(graph, theta, v, of_vectors=False)[1], theta_gradient)
    derivative, none = kernel.dual(graph, theta, v, u, of_theta=False)
    assert none is None
    assert torch.equal(derivative, kernel.dual(graph, theta, v, u)[0])


def test_pairs_beyond_the_cutoff_have_no_gradient(case):
    kernel, graph, theta = case
    gradients, _ = kernel.vjp(graph, theta, normal(graph.n_centers, kernel.n_descriptors))
    beyond = torch.linalg.vector_norm(graph.pair_vectors, dim=1) >= REACH
    assert beyond.any()
    assert (gradients[beyond] == 0).all()
    assert (gradients[~beyond] != 0).any(dim=1).all()


@pytest.mark.parametrize("counts", [[], [0, 0]], ids=["no_atoms", "isolated"])
def test_graphs_without_pairs(case, graph_of, counts):
    kernel, _, theta = case
    graph = graph_of(embedding_of(), counts)
    v, u = normal(len(counts), kernel.n_descriptors), normal(0, 3)
    everything = [kernel.values(graph, theta), *kernel.vjp(graph, theta, v), *kernel.dual(graph, theta, v, u)]
    assert [tuple(t.shape) for t in everything] == [tuple(v.shape), (0, 3), tuple(theta.shape)] + [
        tuple(v.shape),
        tuple(theta.shape),
    ]
    assert all((t == 0).all() for t in everything)


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": 4, "channels": 4, "l_max": 2, "heads": 16},
        {"layers": 4, "channels": 1, "l_max": 0, "order": 2, "heads": 64},
    ],
    ids=["deep", "many_heads"],
)
@pytest.mark.parametrize("counts", [[0], [2]], ids=["isolated", "dimer"])
def test_few_neighbors_in_deep_models(graph_of, settings, counts):
    """Memory for less than a chunk of slots; a kernel of its own, because memory of another call might do."""
    embedding = embedding_of(**settings)
    kernel, graph = kernel_of(embedding), graph_of(embedding, counts)
    theta = embedding.theta().detach()
    with torch.no_grad():
        element = torch.searchsorted(torch.tensor([1, 8, 14]), graph.species)
        expected = embedding(graph, element)
    torch.testing.assert_close(kernel.values(graph, theta), expected, rtol=1e-10, atol=1e-11)


def test_training_computes_only_what_it_asks_for(case, monkeypatch):
    kernel, graph, theta = case
    theta = theta.clone().requires_grad_(True)
    weight = normal(kernel.n_descriptors).requires_grad_(True)
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    calls = []

    def counted(name, wanted):
        method = getattr(EmbeddingKernel, name)

        def call(self, *arguments, **names):
            found = method(self, *arguments, **names)
            calls.append((name, wanted(found)))
            return found

        monkeypatch.setattr(EmbeddingKernel, name, call)

    counted("vjp", lambda found: tuple(part is not None for part in found))
    counted("dual", lambda found: found[1] is not None)
    energy = (kernel(graph.with_pair_vectors(vectors), theta) @ weight).square().sum()
    (gradients,) = torch.autograd.grad(energy, vectors, create_graph=True)
    assert calls == [("vjp", (True, False))]
    (energy + gradients.square().sum()).backward(inputs=[theta, weight])
    assert calls[1:] == [("dual", True), ("vjp", (False, True))]
    assert theta.grad is not None
    assert vectors.grad is None


def test_second_derivatives_with_respect_to_vectors_are_refused(case):
    kernel, graph, theta = case
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    energy = kernel(graph.with_pair_vectors(vectors), theta).square().sum()
    (gradients,) = torch.autograd.grad(energy, vectors, create_graph=True)
    with pytest.raises(NotImplementedError, match="second derivatives with respect to pair vectors"):
        torch.autograd.grad(gradients.sum(), vectors)


def test_a_copy_from_another_process_gives_the_same(case):
    kernel, graph, theta = case
    assert torch.equal(pickle.loads(pickle.dumps(kernel)).values(graph, theta), kernel.values(graph, theta))


def test_wrong_sizes_and_unknown_elements_are_named(case):
    kernel, graph, theta = case
    with pytest.raises(ValueError, match="theta has another number of values"):
        kernel.values(graph, theta[1:])
    with pytest.raises(ValueError, match="adjoints must be 19 rows of"):
        kernel.vjp(graph, theta, normal(19, 3))
    with pytest.raises(UnsupportedElementError, match="Al"):
        kernel.values(replace(graph, species=torch.full_like(graph.species, 13)), theta)
