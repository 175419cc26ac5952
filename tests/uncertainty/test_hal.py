"""Relative uncertainties of forces by their formula, and the strength of a bias."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acnn.neighbors import atomic_graph
from acnn.testing import random_crystal, random_model, with_random_committee
from acnn.uncertainty import committee_deviations
from acnn.uncertainty.hal import BiasStrength, relative_force_uncertainties


def test_relative_uncertainties_are_those_of_the_members_one_by_one():
    model, epsilon = with_random_committee(random_model(["Si", "C"]), 5), 0.3
    graph = atomic_graph(random_crystal(["Si", "C"], 2), model.cutoff)
    mean = model.pair_gradients(graph).forces
    members = [mean + deviation for deviation in committee_deviations(model, graph).forces]
    expected = [
        np.mean([np.linalg.norm(member[i] - mean[i]) for member in members]) / (np.linalg.norm(mean[i]) + epsilon)
        for i in range(len(mean))
    ]
    found = relative_force_uncertainties(committee_deviations(model, graph), mean, epsilon)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10)


def test_the_bias_pulls_a_part_as_strongly_as_the_model():
    strength = BiasStrength(0.2, memory=10)
    assert strength.value == 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(2000):
        forces = 3 * torch.randn(20, 3, generator=generator)
        of_spread = 0.1 * torch.randn(20, 3, generator=generator)
        strength.update(forces, of_spread)
    assert strength.value == pytest.approx(0.2 * 3 / 0.1, rel=0.1)


def test_the_bias_rises_and_agreement_gives_none():
    strength = BiasStrength(0.5, memory=4)
    found = [strength.update(torch.full((4, 3), 2.0), torch.full((4, 3), 0.5)) for _ in range(6)]
    assert found == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
    assert BiasStrength(0.5).update(torch.ones(4, 3), torch.zeros(4, 3)) == 0
