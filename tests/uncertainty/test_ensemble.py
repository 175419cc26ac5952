"""The spread of an ensemble, and what a model without one says."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.graph import batch
from acnn.models.ensemble import Ensemble
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_crystal, random_network
from acnn.uncertainty import committee_deviations, spread
from acnn.uncertainty.prediction import predict

ACCURACY = 1e-12


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    return Ensemble([random_network(["Si", "C"], seed, layers=seed % 2) for seed in range(3)])


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_deviations_are_those_of_the_members_from_their_mean(ensemble, kernel):
    graph = batch([atomic_graph(atoms, ensemble.cutoff) for atoms in example_structures().values()])
    found = committee_deviations(ensemble, graph, kernel)
    members = [member.pair_gradients(graph, kernel) for member in ensemble.members()]
    mean = ensemble.pair_gradients(graph, kernel)
    for quantity in ("energies", "site_energies", "forces", "virials"):
        expected = torch.stack([getattr(one, quantity) for one in members]) - getattr(mean, quantity)
        scale = ACCURACY * float(expected.abs().max().clamp(min=1.0))
        assert (getattr(found, quantity) - expected).abs().max() < scale, quantity
        assert getattr(found, quantity).mean(dim=0).abs().max() < scale, quantity
    assert torch.equal(found.forces_std, spread(found.forces))
    energies = committee_deviations(ensemble, graph, kernel, forces=False)
    assert energies.forces is None
    assert torch.equal(energies.energies, found.energies)


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_members_spread_as_if_they_had_no_floor(ensemble, kernel):
    """Where their energies level off they all say nearly the same, and know nothing."""
    graph = atomic_graph(random_crystal(["Si", "C"]), ensemble.cutoff)
    free, levelled = copy.deepcopy(ensemble), copy.deepcopy(ensemble)
    expected = committee_deviations(free, graph, kernel)
    for member in levelled.members():
        member.readout.bounds.copy_(torch.tensor([-1e-6, 1e-6]))
    calm = torch.stack([member.pair_gradients(graph, kernel).forces for member in levelled.members()])
    for _ in range(2):
        found = committee_deviations(levelled, graph, kernel)
        assert torch.equal(found.forces, expected.forces)
        assert torch.equal(found.energies, expected.energies)
        for member in (*levelled.members(), *free.members()):  # changed weights are noticed
            member.readout.scale.mul_(1.5)
        expected = committee_deviations(free, graph, kernel)
    assert found.forces_std.mean() > 1.1 * spread(calm - calm.mean(dim=0)).mean()


def test_equal_members_do_not_spread():
    model = random_network(["Si", "C"])
    graph = atomic_graph(random_crystal(["Si", "C"]), model.cutoff)
    assert not committee_deviations(Ensemble([model, model]), graph).forces_std.any()


def test_predictions_have_no_noise_of_their_own(ensemble):
    atoms = random_crystal(["Si", "C"])
    labels = (1.0, np.zeros((len(atoms), 3)), None)
    structure = LabeledStructure(atoms, *labels, "default", Weights(30.0, 1.0, 1.0), "one")
    predicted = predict(ensemble, [structure])
    assert set(predicted) == {"energy", "forces"}
    assert not predicted["forces"].has_noise
    assert predicted["forces"].epistemic.min() > 0


def test_a_network_without_committee_says_what_to_do():
    model = random_network(["Si"])
    graph = atomic_graph(random_crystal(["Si"]), model.cutoff)
    with pytest.raises(ValueError, match="no committee: give it one with acnn calibrate --training, or train several"):
        committee_deviations(model, graph)
