"""The gradient of the spread of an energy: finite differences, and the sum over members by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from acnn.graph import batch
from acnn.models import Model
from acnn.models.ensemble import Ensemble
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_crystal, random_model, random_network, with_random_committee
from acnn.uncertainty import committee_deviations, spread_gradients

STEP = 1e-4


def linear() -> Model:
    return with_random_committee(random_model(["Si", "C"]), 5)


def network() -> Model:
    model = random_network(["Si", "C"])
    model.set_last_layer(torch.as_tensor(np.random.default_rng(0).normal(size=(5, model.last_layer_size))))
    return model


both = pytest.mark.parametrize("make", [linear, network])


def spread_of(model: Model, atoms: Atoms) -> float:
    return float(committee_deviations(model, atomic_graph(atoms, model.cutoff)).energy_std[0])


@both
@pytest.mark.parametrize("kernel", [None, "torch"])
def test_forces_are_differences_of_the_spread(make, kernel) -> None:
    model, atoms = make(), random_crystal(["Si", "C"], 1)
    found = spread_gradients(model, atomic_graph(atoms, model.cutoff), kernel)
    assert float(found.energies[0]) == pytest.approx(spread_of(model, atoms), rel=1e-9)
    direction = np.random.default_rng(1).normal(size=(len(atoms), 3))
    plus, minus = atoms.copy(), atoms.copy()
    plus.positions += STEP * direction
    minus.positions -= STEP * direction
    slope = (spread_of(model, plus) - spread_of(model, minus)) / (2 * STEP)
    assert float((found.forces.numpy() * direction).sum()) == pytest.approx(-slope, rel=1e-5)
    strain = 1e-4 * np.diag([1.0, -0.5, 0.3])
    strained = [spread_of(model, _strained(atoms, sign * strain)) for sign in (1, -1)]
    slope = (strained[0] - strained[1]) / 2
    assert -float((found.virials[0].numpy() * strain).sum()) == pytest.approx(slope, rel=1e-5)


def _strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    other = atoms.copy()
    other.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return other


@both
def test_it_is_the_sum_over_members(make) -> None:
    model = make()
    graph = batch([atomic_graph(atoms, model.cutoff) for atoms in example_structures().values()])
    deviations = committee_deviations(model, graph)
    assert deviations.forces is not None
    spread = deviations.energy_std
    weights = deviations.energies / (len(deviations.energies) * torch.where(spread > 0, spread, torch.inf))
    expected = (weights[:, graph.structure][:, :, None] * deviations.forces).sum(dim=0)
    torch.testing.assert_close(spread_gradients(model, graph).forces, expected, rtol=1e-7, atol=1e-9)


def test_where_all_agree_there_is_none() -> None:
    model = linear()
    model.set_committee(model.coefficients.repeat(3, 1))
    found = spread_gradients(model, atomic_graph(random_crystal(["Si", "C"]), model.cutoff))
    assert not found.forces.any()
    assert not found.energies.any()


def test_only_committees_of_coefficients_have_it() -> None:
    joined = Ensemble([random_model(["Si"], 0), random_model(["Si"], 1)])
    graph = atomic_graph(random_crystal(["Si"]), joined.cutoff)
    with pytest.raises(ValueError, match="no committee of coefficients"):
        spread_gradients(joined, graph)
    with pytest.raises(ValueError, match="acnn fit --committee 16"):
        spread_gradients(random_model(["Si"]), graph)
