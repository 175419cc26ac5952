"""Features of sites: energies are linear in them, and their gradient products are derivatives."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from acnn.kernels.loading import uses_compiled_kernel
from acnn.models import Model
from acnn.models.ensemble import Ensemble
from acnn.models.network import NetworkACE
from acnn.neighbors import atomic_graph
from acnn.testing import (
    INVARIANCE_TOLERANCE,
    REDUCTION_TOLERANCE,
    example_structures,
    random_model,
    random_network,
    random_rotation,
    with_zbl,
)

STRUCTURES = example_structures()
KERNEL_TOLERANCE = 1e-10
"""The compiled kernel against torch, of the largest value."""
DIFFERENCE_TOLERANCE = 1e-7
"""Central differences of features, of the largest derivative."""


MODELS: dict[str, Callable[[], Model]] = {
    "linear": lambda: random_model(["Si", "C"], pair_cutoff=5.0),
    "canonical, with ZBL": lambda: with_zbl(random_model(["Si", "C"], formulation="canonical")),
    "network": lambda: random_network(["Si", "C"], layers=0, hidden=(6, 5)),
    "attention": lambda: random_network(["Si", "C"]),
    "shared readout": lambda: random_network(["Si", "C"], element_channels=2),
    "ensemble": lambda: Ensemble([random_network(["Si", "C"], 1), random_model(["Si", "C"], 2)]),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]()


@pytest.fixture(params=["torch", "cpu"])
def kernel(request: pytest.FixtureRequest) -> str:
    if request.param == "cpu" and not uses_compiled_kernel():
        pytest.skip("acnn was installed without its compiled kernel")
    return str(request.param)


def rest_of(model: Model) -> Model:
    """The model whose features have the coefficients 0."""
    other = copy.deepcopy(model)
    for member in other.members():
        (member.readout.out if isinstance(member, NetworkACE) else member.coefficients).detach().zero_()
    return other


def random_weights(values: Tensor, seed: int = 0) -> Tensor:
    return torch.as_tensor(np.random.default_rng(seed).normal(size=values.shape))


def largest(values: Tensor) -> float:
    return float(values.detach().abs().max()) if values.numel() else 0.0


@pytest.mark.parametrize("name", ["alloy", "slab", "isolated atom"])
def test_site_energies_are_linear_in_them(model: Model, kernel: str, name: str) -> None:
    graph = atomic_graph(STRUCTURES[name], model.cutoff)
    features, rest = model.features(graph, kernel), rest_of(model)
    parts = features.values * features.coefficients
    expected = model.pair_gradients(graph, "torch")
    deviation = rest.site_energies(graph).detach() + parts.sum(dim=1) - expected.site_energies
    scale = largest(parts.abs().sum(dim=1)) + largest(expected.site_energies)
    assert largest(deviation) < REDUCTION_TOLERANCE * scale

    found, fixed = features.weighted(features.coefficients), rest.pair_gradients(graph, "torch")
    deviation = found.pair_gradients + fixed.pair_gradients - expected.pair_gradients
    assert largest(deviation) <= KERNEL_TOLERANCE * max(1.0, largest(expected.pair_gradients))
    torch.testing.assert_close(found.forces + fixed.forces, expected.forces)


def test_each_element_has_its_columns(model: Model, kernel: str) -> None:
    graph = atomic_graph(STRUCTURES["alloy"], model.cutoff)
    features = model.features(graph, kernel)
    for symbol, columns in zip(model.elements, features.columns, strict=True):
        own = graph.species == {"C": 6, "Si": 14}[symbol]
        used = (features.values[own] != 0).any(dim=0)
        assert own.any()
        assert used[columns].float().mean() > 0.9
        assert not used[~torch.isin(torch.arange(features.n_features), columns)].any()
        assert torch.equal(columns, columns.unique())


def test_weighted_gradients_are_derivatives(model: Model, kernel: str) -> None:
    """Along a random displacement of all atoms, by a displaced copy of the graph."""
    graph = atomic_graph(STRUCTURES["triclinic"], model.cutoff)
    features = model.features(graph, kernel)
    weights = random_weights(features.values)
    found = features.weighted(weights)
    displacement = torch.as_tensor(np.random.default_rng(1).normal(size=(graph.n_atoms, 3)))

    def energy(step: float) -> float:
        moved = graph.pair_vectors + step * (displacement[graph.pair_j] - displacement[graph.pair_i])
        values = model.features(graph.with_pair_vectors(moved), kernel).values
        return float((weights * (values - features.values)).sum())

    h = 1e-4
    difference = (8 * (energy(h) - energy(-h)) - (energy(2 * h) - energy(-2 * h))) / (12 * h)
    predicted = -float((found.forces * displacement).sum())
    assert abs(difference - predicted) < DIFFERENCE_TOLERANCE * largest(found.forces) * graph.n_atoms
    torch.testing.assert_close(found.site_energies, (weights * features.values).sum(dim=1))


def test_one_row_of_weights_is_for_all_centers(model: Model) -> None:
    features = model.features(atomic_graph(STRUCTURES["alloy"], model.cutoff))
    row = random_weights(features.coefficients)
    found, expected = features.weighted(row), features.weighted(row.repeat(len(features.values), 1))
    assert torch.equal(found.pair_gradients, expected.pair_gradients)
    with pytest.raises(ValueError, match=f"{features.n_features}, or one, not"):
        features.weighted(row[1:])


def test_rotation_and_permutation(model: Model, kernel: str) -> None:
    atoms, rng = STRUCTURES["alloy"], np.random.default_rng(2)
    rotation, order = random_rotation(rng), rng.permutation(len(atoms))
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ rotation)
    turned.positions = atoms.positions @ rotation
    before = model.features(atomic_graph(atoms, model.cutoff), kernel).values
    after = model.features(atomic_graph(turned[order], model.cutoff), kernel).values
    assert largest(after - before[order]) < INVARIANCE_TOLERANCE * largest(before)


def test_chunks_change_nothing(model: Model) -> None:
    crystal = STRUCTURES["alloy"] * (4, 3, 2)
    graph = atomic_graph(crystal, model.cutoff)
    assert graph.n_pairs > model.max_pairs_per_chunk
    features = model.features(graph, "torch")
    one = model.features(atomic_graph(STRUCTURES["alloy"], model.cutoff), "torch")
    assert largest(features.values - one.values.repeat(24, 1)) < INVARIANCE_TOLERANCE * largest(one.values)
    row = random_weights(features.coefficients)
    found, expected = features.weighted(row).forces, one.weighted(row).forces.repeat(24, 1)
    assert largest(found - expected) < INVARIANCE_TOLERANCE * largest(expected)


def test_single_precision(model: Model, kernel: str) -> None:
    graph = atomic_graph(STRUCTURES["alloy"], model.cutoff)
    exact, rounded = model.features(graph, kernel), model.features(graph.to(dtype=torch.float32), kernel)
    assert rounded.values.dtype == torch.float32
    assert largest(rounded.values - exact.values) < 1e-4 * largest(exact.values)
    weights = random_weights(exact.values)
    expected = exact.weighted(weights).forces
    assert largest(rounded.weighted(weights).forces - expected) < 1e-4 * largest(expected)


def test_features_do_not_know_the_floor() -> None:
    """Below the floor, where energies level off, they say what they said before."""
    model = random_network(["Si", "C"])
    graph = atomic_graph(STRUCTURES["alloy"], model.cutoff)
    before = model.features(graph)
    model.readout.bounds.copy_(torch.tensor([[5.0, 6.0], [5.0, 6.0]]))
    assert largest(model.site_energies(graph) - model.without_bounds().site_energies(graph)) > 0.1
    assert torch.equal(model.features(graph).values, before.values)


def test_what_has_none_says_so() -> None:
    class Other(Model):
        pass

    with pytest.raises(NotImplementedError, match="Other does not implement features"):
        Other().features(atomic_graph(STRUCTURES["bulk"], 3.0))


def test_the_kernel_is_not_replaced_in_silence() -> None:
    model = random_model(["Si", "C"])
    graph = atomic_graph(STRUCTURES["bulk"], model.cutoff)
    with pytest.raises(ValueError, match="choose auto or torch"):
        model.features(graph.to("meta"), "cpu")
