"""Network and attention models: symmetries, derivatives, smoothness at the cutoff; the kernel is torch."""

from __future__ import annotations

import copy
import functools
import pickle

import ase
import ase.build
import numpy as np
import pytest
import torch

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import batch
from acnn.kernels.compiled_kernel import PairArrays
from acnn.kernels.energy import KernelGradients
from acnn.kernels.loading import uses_compiled_kernel
from acnn.models.network import NetworkACE, NetworkPart
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph
from acnn.testing import (
    ENERGY_SCALE,
    FINITE_DIFFERENCE_TOLERANCE,
    FLOAT32_ENERGY_TOLERANCE,
    FLOAT32_FORCE_TOLERANCE,
    FORCE_SCALE,
    INVARIANCE_TOLERANCE,
    REDUCTION_TOLERANCE,
    check_gradients,
    check_invariances,
    evaluate,
    example_structures,
    random_crystal,
    random_model,
    random_network,
    relative_deviation,
)

STRUCTURES = example_structures()
VARIANTS = {
    "network": {"layers": 0},
    "attention": {"layers": 1},
    "attention to the density alone": {"layers": 1, "products": False},
    "two layers, two invariants": {"layers": 2, "order": 2},
    "element channels": {"layers": 1, "element_channels": 2, "hidden": (6, 5)},
    "longer than the linear part": {"layers": 1, "cutoff": 5.2, "channels": 2},
    "levelled": {"layers": 1},
}
FULL = "two layers, two invariants"
CASES = [(a, b) for i, a in enumerate(VARIANTS) for j, b in enumerate(STRUCTURES) if a == FULL or i % 3 == j % 3]
"""The richest network on every structure, each of the others, which are parts of it, on every third."""
BOUNDS = [[-0.01, 0.02], [-0.05, 0.01]]
"""eV: many energies of the random network, whose sign is changed, are below."""
KERNEL_TOLERANCE = 1e-11
"""The compiled kernel against torch, in double precision."""


@pytest.fixture(params=VARIANTS)
def model(request) -> NetworkACE:
    return network_of(request.param)


@functools.cache
def network_of(level: str) -> NetworkACE:
    return below_the_floor() if level == "levelled" else random_network(["Si", "C"], **VARIANTS[level])


def below_the_floor() -> NetworkACE:
    network = random_network(["Si", "C"])
    network.readout.scale.neg_()
    network.readout.bounds.copy_(torch.tensor(BOUNDS))
    return network


@pytest.fixture(scope="module")
def attention() -> NetworkACE:
    return random_network(["Si", "C"])


# --- derivatives and symmetries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "name"), CASES, indirect=["model"])
def test_forces_and_virials_are_derivatives_of_the_energy(model, name):
    atoms = STRUCTURES[name]
    assert check_gradients(model, atoms, range(min(3, len(atoms)))).largest < FINITE_DIFFERENCE_TOLERANCE


@pytest.mark.parametrize(("model", "name"), CASES, indirect=["model"])
def test_invariances(model, name):
    deviations = {found.operation: found.largest for found in check_invariances(model, STRUCTURES[name])}
    assert all(largest < INVARIANCE_TOLERANCE for largest in deviations.values()), deviations


def test_the_network_matters_in_all_that(model):
    part = NetworkPart(model).pair_gradients(atomic_graph(STRUCTURES["alloy"], model.cutoff), "torch")
    assert part.forces.abs().max() > 0.1
    assert part.site_energies.std() > 0.01


def test_second_derivatives_of_the_embedding():
    specification = {"channels": 2, "radial_functions": 2, "l_max": 2, "heads": 1, "cutoff": 3.0}
    model = random_network(["Si", "C"], **specification)
    cluster = ase.Atoms("SiC2", [[0, 0, 0], [1.8, 0.3, 0.1], [-0.2, 1.9, 0.7]])
    graph = atomic_graph(cluster, 3.0)
    element = model.element_index(graph.species)
    direction = torch.as_tensor(np.random.default_rng(0).normal(size=model.embedding.n_invariants))

    def projected(vectors):
        return model.embedding(graph.with_pair_vectors(vectors), element) @ direction

    vectors = graph.pair_vectors.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(projected, (vectors,))
    assert torch.autograd.gradgradcheck(projected, (vectors,))


def test_an_isolated_atom_has_the_energy_e0(model):
    for symbol, expected in model.e0.energies.items():
        found = evaluate(model, [ase.Atoms(symbol), ase.Atoms(symbol, cell=[9, 9, 9], pbc=True)])
        assert found.energies.tolist() == pytest.approx([expected] * 2, abs=1e-14)
        assert not found.forces.any()


# --- the cutoff -------------------------------------------------------------------------------------------------------


def beside_the_cutoff(model: NetworkACE, side: float) -> tuple[float, float, float]:
    """Energy, force and second derivative of the network where an atom is a little inside or outside its cutoff."""
    places = [[0, 0, 0], [1.2, 1.6, 0], [0.7, -0.9, 1.9], [1.7, -0.6, -1.1]]
    step = 1e-3

    def force(distance: float) -> tuple[float, float]:
        atoms = ase.Atoms("SiCSiCC", [*places, [-distance, 0, 0]])
        found = evaluate(NetworkPart(model), [atoms])
        return float(found.energies[0]), float(found.forces[-1, 0])

    at = model.specification.cutoff + side * 1e-5
    return *force(at), side * (force(at + side * step)[1] - force(at)[1]) / step


def test_energy_force_and_second_derivative_are_continuous_where_a_neighbor_leaves(model):
    inside, outside = beside_the_cutoff(model, -1.0), beside_the_cutoff(model, 1.0)
    assert abs(inside[0] - outside[0]) < 1e-10  # eV
    assert abs(inside[1] - outside[1]) < 1e-7  # eV/Å
    assert abs(inside[2] - outside[2]) < 1e-2  # eV/Å², and one order in the step below it


def test_pairs_beyond_the_cutoff_change_nothing(model):
    for atoms in STRUCTURES.values():
        near, far = atomic_graph(atoms, model.cutoff), atomic_graph(atoms, model.cutoff + 1.0)
        for kernel in ("auto", "torch"):
            expected, found = model.pair_gradients(near, kernel), model.pair_gradients(far, kernel)
            scale = float(expected.forces.abs().max().clamp(min=1.0))
            assert (found.site_energies - expected.site_energies).abs().max() < REDUCTION_TOLERANCE * scale
            assert (found.forces - expected.forces).abs().max() < 10 * REDUCTION_TOLERANCE * scale


def test_the_cutoff_is_the_longer_one_of_the_parts():
    assert random_network(["Si"], cutoff=4.0).cutoff == random_model(["Si"]).cutoff == 4.5
    assert random_network(["Si"], cutoff=5.2).cutoff == 5.2


# --- parts and sums ---------------------------------------------------------------------------------------------------


def test_structures_of_a_batch_are_independent(model):
    structures = [atoms for atoms in STRUCTURES.values() if len(atoms) > 1][:4]
    together = evaluate(model, structures)
    alone = [evaluate(model, [atoms]) for atoms in structures]
    energies, forces = (torch.cat([getattr(one, name) for one in alone]) for name in ("energies", "forces"))
    assert relative_deviation(together.energies.numpy(), energies.numpy(), ENERGY_SCALE) < REDUCTION_TOLERANCE
    assert relative_deviation(together.forces.numpy(), forces.numpy(), FORCE_SCALE) < 10 * REDUCTION_TOLERANCE


def test_chunks_change_nothing(attention, monkeypatch):
    graph = batch([atomic_graph(atoms, attention.cutoff) for atoms in STRUCTURES.values()])
    expected = attention.pair_gradients(graph, "torch")
    monkeypatch.setattr(attention, "max_pairs_per_chunk", 20, raising=False)
    found = attention.pair_gradients(graph, "torch")
    assert relative_deviation(found.forces.numpy(), expected.forces.numpy(), FORCE_SCALE) < 10 * REDUCTION_TOLERANCE
    assert relative_deviation(found.site_energies.numpy(), expected.site_energies.numpy(), 1.0) < REDUCTION_TOLERANCE


def test_a_network_without_output_is_its_linear_part(attention):
    model = copy.deepcopy(attention)
    model.readout.scale.zero_()
    graph = atomic_graph(STRUCTURES["alloy"], model.cutoff)
    found, expected = model.pair_gradients(graph), model.linear.pair_gradients(graph)
    assert torch.equal(found.site_energies, expected.site_energies)
    assert torch.equal(found.pair_gradients, expected.pair_gradients)


# --- the compiled kernel ----------------------------------------------------------------------------------------------

needs_kernel = pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel")


@needs_kernel
@pytest.mark.parametrize(("model", "name"), CASES, indirect=["model"])
def test_the_kernel_is_torch(model, name):
    graph = atomic_graph(STRUCTURES[name], model.cutoff)
    found, expected = model.pair_gradients(graph, "cpu"), model.pair_gradients(graph, "torch")
    assert isinstance(found, KernelGradients)
    for quantity, scale in (("site_energies", ENERGY_SCALE), ("forces", FORCE_SCALE), ("virials", FORCE_SCALE)):
        deviation = relative_deviation(getattr(found, quantity).numpy(), getattr(expected, quantity).numpy(), scale)
        assert deviation < KERNEL_TOLERANCE, quantity


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_single_precision(model, kernel):
    atoms = STRUCTURES["alloy"]
    graph = atomic_graph(atoms, model.cutoff)
    double, single = model.pair_gradients(graph), model.pair_gradients(graph.to(dtype=torch.float32), kernel)
    assert single.pair_gradients.dtype == torch.float32
    assert single.site_energies.dtype == torch.float64
    bound = float(double.energies[0]) - sum(model.e0.energies[s] for s in atoms.symbols)
    assert abs(float(single.energies[0] - double.energies[0])) < FLOAT32_ENERGY_TOLERANCE * max(1.0, abs(bound))
    deviation = relative_deviation(single.forces.double().numpy(), double.forces.numpy(), FORCE_SCALE)
    assert deviation < FLOAT32_FORCE_TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kernel_takes_narrow_indices(attention, dtype):
    """As LAMMPS has them."""
    if not uses_compiled_kernel():
        pytest.skip("acnn was installed without its compiled kernel")
    graph = atomic_graph(STRUCTURES["alloy"], attention.cutoff).to(dtype=dtype)
    expected = attention.pair_gradients(graph)
    species, pair_i, pair_j = (t.int().numpy() for t in (graph.species, graph.pair_i, graph.pair_j))
    energies, gradients = np.empty(graph.n_centers), np.empty((graph.n_pairs, 3), expected.pair_gradients.numpy().dtype)
    kernel = attention.energy_kernel()
    kernel.write(PairArrays(species, pair_i, pair_j, graph.pair_vectors.numpy()), energies, gradients, 1)
    assert np.array_equal(energies, expected.site_energies.numpy())
    assert np.array_equal(gradients, expected.pair_gradients.numpy())


@pytest.mark.parametrize("part", ["embedding.first.coefficients", "readout.out", "readout.mean", "readout.scale"])
def test_changed_weights_are_noticed(attention, part):
    model, graph = copy.deepcopy(attention), atomic_graph(STRUCTURES["alloy"], attention.cutoff)
    before = model.pair_gradients(graph).energies
    weights = {name: value * (1.1 if name == part else 1.0) for name, value in model.weights().items()}
    model.set_weights(weights)
    after = model.pair_gradients(graph).energies
    assert after != before
    assert float(after) == pytest.approx(float(model.pair_gradients(graph, "torch").energies), rel=1e-10)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_the_same_model(attention, duplicate):
    graph = atomic_graph(STRUCTURES["alloy"], attention.cutoff)
    expected = attention.pair_gradients(graph)
    again = duplicate(attention).pair_gradients(graph)
    assert torch.equal(again.site_energies, expected.site_energies)
    assert torch.equal(again.pair_gradients, expected.pair_gradients)


@needs_kernel
def test_a_compiled_model_can_be_pickled(attention):
    graph = atomic_graph(STRUCTURES["alloy"], attention.cutoff)
    kernel = pickle.loads(pickle.dumps(attention.energy_kernel()))
    assert torch.equal(kernel(graph).pair_gradients, attention.pair_gradients(graph).pair_gradients)


# --- below the energies of the training data ---


def test_energies_level_off_below_the_floor():
    """low - d / √(1 + d²/w²) is C², and goes down by w = ½ (high - low) at most; above low nothing changes."""
    readout = random_network(["Si", "C"]).readout
    readout.bounds.copy_(torch.tensor([[-2.0, 4.0], [-np.inf, np.inf]]))
    first = torch.zeros(1, dtype=torch.int64)

    def of(energy: torch.Tensor) -> torch.Tensor:
        return readout.bounded(energy[None], first)[0]

    near = [torch.tensor(-2.0 + step, dtype=torch.float64) for step in (-1e-6, 0.0, 1e-6)]
    values, slopes = zip(*(torch.autograd.functional.jvp(of, e, torch.ones_like(e)) for e in near), strict=True)
    assert float(values[2] - values[0]) == pytest.approx(2e-6, rel=1e-6)
    assert [float(s) for s in slopes] == pytest.approx([1.0, 1.0, 1.0], abs=1e-9)
    curvatures = [float(torch.autograd.functional.hessian(of, e)) for e in near]
    assert curvatures == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)
    assert float(of(torch.tensor(-3.5, dtype=torch.float64))) == pytest.approx(-2 - 1.5 / np.sqrt(1 + 0.25))
    assert float(of(torch.tensor(-1e6, dtype=torch.float64))) == pytest.approx(-5.0)
    above = torch.tensor([-1.9, 0.0, 4.0, 80.0], dtype=torch.float64)
    assert torch.equal(readout.bounded(above, first.expand(4)), above)
    everything = torch.tensor([-1e6, 0.0, 1e6], dtype=torch.float64)
    assert torch.equal(readout.bounded(everything, 1 + first.expand(3)), everything)


def test_many_energies_are_below_the_floor_in_these_tests():
    network = below_the_floor()
    graph = atomic_graph(STRUCTURES["alloy"], network.cutoff)
    energies = network.network_energies(graph, "torch")
    low = network.readout.bounds[network.element_index(graph.species), 0]
    assert (energies < low).double().mean() > 0.2
    assert (energies > low).double().mean() > 0.2


def test_what_holds_beyond_the_data_is_told():
    free = dict(random_network(["Si", "C"]).describe()[0].rows)
    assert (free["inner cutoffs (Å)"], free["lower bounds of the network's energies (eV)"]) == ("none", "none")
    network = random_network(["Si", "C"], inner_cutoffs={"Si-C": 1.5})
    network.readout.bounds.copy_(torch.tensor(BOUNDS))
    told = dict(network.describe()[0].rows)
    assert told["inner cutoffs (Å)"] == "Si-C 1.5"
    assert told["lower bounds of the network's energies (eV)"] == "C -0.01, Si -0.05"


# --- elements and weights ---------------------------------------------------------------------------------------------


def test_an_unknown_element_is_named(attention):
    graph = atomic_graph(ase.build.bulk("Cu", cubic=True), attention.cutoff)
    for kernel in ("auto", "torch"):
        with pytest.raises(UnsupportedElementError, match="Cu"):
            attention.pair_gradients(graph, kernel)


def test_parameters_grow_linearly_with_elements_where_these_share_channels():
    elements = ("H", "C", "N", "O", "F", "Al", "Si", "P", "S", "Cl")
    counts = []
    for n in (5, 6, 10):
        model = NetworkACE(NetworkSpecification(elements=elements[:n]), random_model(elements[:n], order=1))
        counts.append(sum(p.numel() for part in (model.embedding, model.readout) for p in part.parameters()))
    assert counts[2] - counts[1] == 4 * (counts[1] - counts[0])
    assert counts[2] < 1.2 * counts[0]


def test_many_elements():
    model = random_network(["H", "C", "N", "O", "Si"])
    assert model.readout.shared
    assert check_gradients(model, random_crystal(model.elements), range(2)).largest < FINITE_DIFFERENCE_TOLERANCE


def test_a_linear_part_of_other_elements_is_refused():
    with pytest.raises(ValueError, match="not for C, Si and Si"):
        NetworkACE(NetworkSpecification(elements=("Si", "C")), random_model(["Si"]))


def test_the_seed_makes_the_weights():
    one, same, other = (random_network(["Si"], seed=seed).weights() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["readout.out"], other["readout.out"])


@pytest.mark.parametrize("mixed", [None, 2])
def test_smoothness_is_a_factor_of_the_weights(mixed):
    """γ_nl of the second of two radial functions and of l = 1 is smaller by √2 and 2; Σ γ_n0² = 2."""
    shape = {"radial_functions": 2, "l_max": 1, "element_channels": mixed}
    smooth, plain = (random_network(["Si", "C"], smoothness=s, **shape) for s in (1.0, 0.0))
    gamma = torch.tensor([[4 / 3, 1 / 3], [2 / 3, 1 / 6]], dtype=torch.float64).sqrt()
    plain.set_weights(smooth.weights())
    with torch.no_grad():
        for table in (plain.embedding.first, plain.embedding.layers[0].radial):
            table.coefficients *= gamma[:, :, None]
        plain.embedding.layers[0].distance.coefficients *= gamma[:, :1]
    graph = atomic_graph(random_crystal(["Si", "C"]), smooth.cutoff)
    for kernel in ("torch", "cpu"):
        energies = [model.pair_gradients(graph, kernel).energies.numpy() for model in (smooth, plain)]
        assert relative_deviation(*energies, ENERGY_SCALE) < KERNEL_TOLERANCE


def test_weights_of_another_network_are_refused(attention):
    weights = attention.weights()
    for wrong in (
        {name: value for name, value in weights.items() if name != "readout.out"},
        weights | {"readout.out": weights["readout.out"][:, :-1]},
        weights | {"readout.other": weights["readout.out"]},
    ):
        with pytest.raises(ValueError, match=r"another network: readout\.o"):
            attention.set_weights(wrong)


def test_the_model_type_is_told_by_the_layers(attention):
    assert attention.model_type == "attention"
    assert random_network(["Si"], layers=0).model_type == "network"
    assert attention.linear.model_type == "linear"


# --- training ---------------------------------------------------------------------------------------------------------


@needs_kernel
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_derivatives_of_a_loss_of_forces_are_the_same_in_the_kernel(model, dtype):
    graph = batch([atomic_graph(STRUCTURES[name], model.cutoff) for name in ("alloy", "slab", "molecule")]).to(
        dtype=dtype
    )
    parameters = dict(model.embedding.named_parameters()) | dict(model.readout.named_parameters())
    found = []
    for kernel in ("cpu", "torch"):
        vectors = graph.pair_vectors.clone().requires_grad_(True)
        energies = model.network_energies(graph.with_pair_vectors(vectors), kernel)
        (gradients,) = torch.autograd.grad(energies.sum(), vectors, create_graph=True)
        loss = energies.square().sum() + gradients.square().sum()
        found.append(torch.autograd.grad(loss, list(parameters.values()), materialize_grads=True))
    tolerance = 1e-9 if dtype == torch.float64 else 1e-3
    for name, of_kernel, by_torch in zip(parameters, *found, strict=True):
        assert relative_deviation(of_kernel.numpy(), by_torch.numpy(), 1e-6) < tolerance, name


@needs_kernel
def test_torch_is_asked_where_positions_are_differentiated_twice(attention):
    graph = atomic_graph(STRUCTURES["molecule"], attention.cutoff)

    def second(kernel: str | None) -> torch.Tensor:
        vectors = graph.pair_vectors.clone().requires_grad_(True)
        energies = attention.network_energies(graph.with_pair_vectors(vectors), kernel)
        (gradients,) = torch.autograd.grad(energies.sum(), vectors, create_graph=True)
        return torch.autograd.grad(gradients.sum(), vectors)[0]

    assert second("torch").isfinite().all()
    with pytest.raises(NotImplementedError, match="let torch evaluate the embedding"):
        second(None)
