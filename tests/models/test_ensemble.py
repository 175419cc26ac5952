"""An ensemble is the mean of its members, whoever evaluates it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from acnn.kernels.energy import KernelGradients
from acnn.kernels.loading import uses_compiled_kernel
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.neighbors import atomic_graph
from acnn.testing import REDUCTION_TOLERANCE, example_structures, pairwise, random_model, random_network

STRUCTURES = example_structures()


@pytest.fixture(scope="module")
def members() -> list[LinearACE | NetworkACE]:
    """Of all types, with other cutoffs."""
    short = random_network(["Si", "C"], 1, layers=0, cutoff=3.5)
    return [random_network(["Si", "C"], 0), short, random_model(["Si", "C"], 2, pair_cutoff=5.0)]


@pytest.fixture(scope="module")
def ensemble(members) -> Ensemble:
    return Ensemble(members)


# The mean is one sum, whatever the structure and whoever evaluates the members.
@pytest.mark.parametrize(
    ("name", "kernel", "dtype"), pairwise(STRUCTURES, ["auto", "torch"], [torch.float64, torch.float32])
)
def test_the_mean_of_its_members(ensemble, members, name, kernel, dtype):
    assert ensemble.cutoff == 5.0
    graph = atomic_graph(STRUCTURES[name], ensemble.cutoff).to(dtype=dtype)
    found = ensemble.pair_gradients(graph, kernel)
    parts = [member.pair_gradients(graph, kernel) for member in members]
    tolerance = REDUCTION_TOLERANCE if dtype == torch.float64 else 1e-5
    for quantity in ("site_energies", "pair_gradients"):
        expected = torch.stack([getattr(part, quantity) for part in parts]).mean(dim=0)
        deviation = (getattr(found, quantity) - expected).abs().max() if expected.numel() else 0.0
        assert deviation <= tolerance * expected.abs().max().clamp(min=1.0) if expected.numel() else True
    assert isinstance(found, KernelGradients) == (kernel == "auto" and uses_compiled_kernel())


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_the_same(ensemble, duplicate):
    graph = atomic_graph(STRUCTURES["alloy"], ensemble.cutoff)
    expected = ensemble.pair_gradients(graph).pair_gradients
    assert torch.equal(duplicate(ensemble).pair_gradients(graph).pair_gradients, expected)


def test_e0_is_the_mean_over_the_members(ensemble, members):
    assert ensemble.e0.energies == pytest.approx(members[1].e0.energies)
    shifted = Ensemble([members[2], other_e0(members[2])])
    assert shifted.e0.energies["Si"] == pytest.approx(members[2].e0.energies["Si"] + 0.05)
    assert ensemble.elements == ("C", "Si")
    assert ensemble.model_type == "ensemble"


def other_e0(model: LinearACE) -> LinearACE:
    return LinearACE(model.basis, {e: value + 0.1 for e, value in model.e0.energies.items()}, model.coefficients)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (lambda m: m[:1], "at least two members, not 1"),
        (lambda m: [m[0], random_model(["Si"])], "the same elements, not C, Si and Si"),
        (lambda m: [m[0], Ensemble(m)], "Ensemble cannot be a member"),
    ],
)
def test_what_cannot_be_joined(chosen, says, members):
    with pytest.raises(ValueError, match=says):
        Ensemble(chosen(members))


def test_energies_are_numbers_of_their_own(ensemble):
    """Two evaluations do not share memory."""
    graph = atomic_graph(STRUCTURES["alloy"], ensemble.cutoff)
    first = ensemble.pair_gradients(graph)
    before = first.site_energies.numpy().copy()
    ensemble.pair_gradients(graph.with_pair_vectors(1.01 * graph.pair_vectors))
    assert np.array_equal(first.site_energies.numpy(), before)
