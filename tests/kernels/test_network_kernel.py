"""Network models in the compiled kernel: energies and pair gradients, alone and on top of others."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import batch
from acnn.kernels.compiled_kernel import PairArrays
from acnn.kernels.loading import instruction_sets
from acnn.kernels.network import NetworkKernel, with_network
from acnn.kernels.program import Program
from acnn.models.network import NetworkACE
from acnn.models.network_parts import embedding_program
from acnn.models.network_specification import NetworkSpecification

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

DOUBLE_ACCURACY = 1e-11  # of the largest number
SINGLE_ACCURACY = 1e-4  # everything in float32
REACH = 4.0  # of the neighbors of `star_of`, 1.2 times as far at most: some are beyond the cutoff

COUNTS = [3, 17, 0, 8, 40, 1, 12, 9, 16, 5, 31, 0, 2, 22, 6, 4, 11, 7, 26]
SETTINGS = {
    "plain": {"layers": 0, "hidden": (7,)},
    "attention": {"layers": 1, "hidden": (13, 5)},
    "inner_cutoffs": {"layers": 1, "inner_cutoffs": {"Al-Al": 2.9, "Al-Ti": 2.2, "Ti-Si": 3.4}},
    "two_layers": {"layers": 2, "channels": 3, "hidden": (9, 17, 3)},
    "one_element": {"elements": ("Ti",), "channels": 8, "heads": 16, "hidden": (64, 64)},
    "one_element_plain": {"elements": ("Al",), "layers": 0, "order": 2, "hidden": (130, 1)},
    "shared_fitting": {"element_channels": 2, "hidden": (11, 19)},
}


@pytest.fixture(scope="module")
def network_of(model_of):
    def network(**settings):
        chosen = {
            "elements": ("Al", "Si", "Ti"),
            "cutoff": REACH,
            "channels": 5,
            "radial_functions": 6,
            "layers": 1,
            "heads": 7,
            "hidden": (13, 5),
        }
        specification = NetworkSpecification(**chosen | settings)
        linear = model_of(elements=specification.elements, order=1, degree=3.0)
        made = NetworkACE(specification, linear, seed=5)
        torch.manual_seed(6)
        with torch.no_grad():
            made.readout.skip.normal_(std=0.1)
            made.readout.mean.normal_()
            made.readout.inverse_deviation.uniform_(0.1, 0.3)
            made.readout.scale.fill_(0.7)
        return made

    return network


def program_of(network):
    readout = [network.readout.layers(z) for z in range(len(network.elements))]
    return with_network(
        embedding_program(network.embedding), network.embedding.theta(), readout, network.readout.bounds
    )


@pytest.fixture(scope="module")
def graph_of(star_of):
    def graph(network, counts=COUNTS):
        return star_of(network.elements, counts, n_ghosts=4, reach=REACH, seed=7)

    return graph


@pytest.fixture(scope="module")
def case(network_of, graph_of):
    network = network_of()
    return NetworkKernel(program_of(network), threads=1), graph_of(network)


def by_torch(network, graph):
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    energies = network.network_energies(graph.with_pair_vectors(vectors), "torch")
    (gradients,) = torch.autograd.grad(energies.sum(), vectors)
    return energies.detach(), gradients


def assert_near(found, expected, accuracy):
    for a, b in zip(found, expected, strict=True):
        scale = float(b.abs().max())
        assert scale > 1e-3
        torch.testing.assert_close(a.double(), b, rtol=0, atol=accuracy * scale)


def parts(found):
    return found.site_energies, found.pair_gradients


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS.keys())
def test_energies_and_gradients_are_those_of_torch(settings, network_of, graph_of):
    network = network_of(**settings)
    graph, program = graph_of(network), program_of(network)
    expected = by_torch(network, graph)
    for isa in instruction_sets():
        kernel = NetworkKernel(program, isa, threads=1)
        assert_near(parts(kernel(graph)), expected, DOUBLE_ACCURACY)
        energies, gradients = parts(kernel(graph.to(dtype=torch.float32)))
        assert (energies.dtype, gradients.dtype) == (torch.float64, torch.float32)
        assert_near((energies, gradients), expected, SINGLE_ACCURACY)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_bit_by_bit_the_same_for_any_number_of_threads(case, dtype):
    kernel, graph = case
    graph = batch([replace(graph, n_centers=graph.n_atoms)] * 9).to(dtype=dtype)
    expected = parts(kernel(graph))
    for threads in (2, 3, 5):
        for a, b in zip(parts(NetworkKernel(kernel.program, threads=threads)(graph)), expected, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
def test_atoms_without_neighbors_have_exactly_no_energy(case, dtype):
    kernel, graph = case
    energies = kernel(graph.to(dtype=dtype)).site_energies
    alone = torch.bincount(graph.pair_i, minlength=graph.n_centers) == 0
    assert alone.any()
    assert (energies[alone] == 0).all()
    assert (energies[~alone] != 0).all()


def test_pairs_beyond_the_cutoff_have_no_gradient(case):
    kernel, graph = case
    gradients = kernel(graph).pair_gradients
    beyond = torch.linalg.vector_norm(graph.pair_vectors, dim=1) >= REACH
    assert beyond.any()
    assert (gradients[beyond] == 0).all()
    assert (gradients[~beyond] != 0).any(dim=1).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["double", "single"])
@pytest.mark.parametrize("index", [np.int64, np.int32])
def test_adding_leaves_what_is_there(case, dtype, index):
    kernel, graph = case
    species, pair_i, pair_j, vectors = PairArrays.of(graph.to(dtype=dtype))
    indices = [array.astype(index) for array in (species, pair_i, pair_j)]
    rng = np.random.default_rng(0)
    there = rng.normal(size=graph.n_centers), rng.normal(size=vectors.shape).astype(vectors.dtype)
    written, added = [np.full_like(part, np.nan) for part in there], [part.copy() for part in there]
    kernel.write(PairArrays(*indices, vectors), *written, 1)
    kernel.add(PairArrays(*indices, vectors), *added, 1)
    for one, before, sum_ in zip(written, there, added, strict=True):
        assert np.array_equal(before + one, sum_)
    assert np.array_equal(written[0], kernel(graph.to(dtype=dtype)).site_energies.numpy())


@pytest.mark.parametrize("counts", [[], [0, 0]], ids=["no_atoms", "isolated"])
def test_graphs_without_pairs(case, network_of, graph_of, counts):
    kernel, _ = case
    energies, gradients = parts(kernel(graph_of(network_of(), counts)))
    assert energies.tolist() == [0.0] * len(counts)
    assert gradients.shape == (0, 3)


def test_a_copy_from_another_process_or_from_a_file_gives_the_same(case):
    kernel, graph = case
    expected = parts(kernel(graph))
    of_file = NetworkKernel(Program.from_bytes(kernel.program.to_bytes()))
    for copy in (pickle.loads(pickle.dumps(kernel)), of_file):
        for a, b in zip(parts(copy(graph)), expected, strict=True):
            assert torch.equal(a, b)
    assert kernel.workspace_bytes > 0


def test_forces_are_those_of_torch(case, network_of):
    kernel, graph = case
    _, gradients = by_torch(network_of(), graph)
    forces = torch.zeros(graph.n_atoms, 3, dtype=torch.float64)
    forces.index_add_(0, graph.pair_i, gradients).index_add_(0, graph.pair_j, -gradients)
    torch.testing.assert_close(kernel(graph).forces, forces, rtol=0, atol=1e-10)


def test_programs_that_do_not_fit_are_refused(case, network_of):
    kernel, graph = case
    network = network_of()
    embedding, theta = embedding_program(network.embedding), network.embedding.theta()
    readout, bounds = [network.readout.layers(z) for z in range(3)], network.readout.bounds
    with pytest.raises(ValueError, match="kind network is needed, as made by with_network"):
        NetworkKernel(embedding)
    with pytest.raises(ValueError, match="kind embedding is needed, as made by compile_embedding"):
        with_network(kernel.program, theta, readout, bounds)
    with pytest.raises(ValueError, match="one readout for each of Al, Si, Ti"):
        with_network(embedding, theta, readout[:1], bounds)
    other = network_of(hidden=(4,)).readout.layers(0)
    with pytest.raises(ValueError, match="the same widths"):
        with_network(embedding, theta, [other, *readout[1:]], bounds)
    with pytest.raises(ValueError, match="theta has another number of values"):
        NetworkKernel(with_network(embedding, theta[1:], readout, bounds))
    with pytest.raises(ValueError, match="too few numbers"):
        NetworkKernel(with_network(embedding, theta, [(h, out, skip[1:]) for h, out, skip in readout], bounds))
    with pytest.raises(ValueError, match="too few numbers"):
        NetworkKernel(with_network(embedding, theta, readout, bounds[:1]))
    with pytest.raises(UnsupportedElementError, match="Cu"):
        kernel(replace(graph, species=torch.full_like(graph.species, 29)))
