"""Models and calculators of every kind can be copied, pickled, stored and moved, also after an evaluation."""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle

import numpy as np
import pytest
import torch

from acnn.data.weights import Weights, WeightTable
from acnn.models.noise import Noise
from acnn.testing import FLOAT32_FORCE_TOLERANCE, evaluate, example_structures, relative_deviation
from acnn.uncertainty.committee import committee_deviations
from ase_calculator import ACNNCalculator
from ase_calculator.calculator import _on_device

ATOMS = example_structures()["alloy"]
COMMITTEE = ("energy_std", "forces_std", "stress_std", "committee_forces")


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def through_torch(thing):
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


DUPLICATES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": through_pickle, "torch": through_torch}


@pytest.fixture(params=DUPLICATES)
def duplicate(request):
    return DUPLICATES[request.param]


def used(model, kernel=None):
    """Atoms with a calculator that has found everything it can."""
    atoms = ATOMS.copy()
    atoms.calc = ACNNCalculator(model, kernel=kernel)
    everything(atoms.calc)
    return atoms


def everything(calculator):
    """By an evaluation of its own."""
    names = ("energy", "energies", "forces", "stress", "stresses")
    names += COMMITTEE if calculator.potential.has_committee else ()
    moved = ATOMS.copy()
    moved.positions[0, 0] += 0.1
    return {name: calculator.get_property(name, moved) for name in names}


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("kind", ["committee", "attention"])
def test_copies_of_calculators_that_use_torch_give_the_same(models, kind):
    atoms = used(models[kind], "torch")
    assert_equal(everything(copy.deepcopy(atoms.calc)), everything(atoms.calc))


def test_copies_of_calculators_and_of_atoms_that_have_one_give_the_same(model_of_any_kind, duplicate):
    atoms = used(model_of_any_kind)
    again = duplicate(atoms.calc) if duplicate is copy.copy else duplicate(atoms).calc
    assert again is not atoms.calc
    assert_equal(everything(again), everything(atoms.calc))


def test_copies_of_models_give_the_same(model_of_any_kind, duplicate):
    expected = everything(used(model_of_any_kind).calc)
    again = duplicate(model_of_any_kind)
    assert type(again) is type(model_of_any_kind)
    assert_equal(everything(used(again).calc), expected)
    assert getattr(again, "noise", None) == getattr(model_of_any_kind, "noise", None)


def test_a_model_changes_its_dtype_and_back(model_of_any_kind):
    expected = evaluate(model_of_any_kind, [ATOMS]).forces
    other = copy.deepcopy(model_of_any_kind).to("cpu", torch.float32)
    assert {p.dtype for p in other.parameters()} == {torch.float32}
    for model in (other, copy.deepcopy(other).to("cpu", torch.float64)):
        forces = evaluate(model, [ATOMS]).forces
        assert relative_deviation(forces.numpy(), expected.numpy(), 1.0) < FLOAT32_FORCE_TOLERANCE


def test_a_model_moves_to_another_device(model_of_any_kind):
    """Without another one at hand: to torch's device without memory."""
    expected = everything(used(model_of_any_kind).calc)
    moved = _on_device(model_of_any_kind, torch.device("meta"))
    assert {tensor.device.type for tensor in (*moved.parameters(), *moved.buffers())} == {"meta"}
    assert_equal(everything(used(model_of_any_kind).calc), expected)
    assert _on_device(model_of_any_kind, torch.device("cpu")) is model_of_any_kind


def test_kernels_are_copied(model_of_any_kind, duplicate):
    graph = evaluate(model_of_any_kind, [ATOMS]).graph
    kernel = model_of_any_kind.energy_kernel()
    found, expected = (one(graph).pair_gradients for one in (duplicate(kernel), kernel))
    assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["committee", "network ensemble"])
def test_deviations_are_copied(models, kind, duplicate):
    found = committee_deviations(models[kind], evaluate(models[kind], [ATOMS]).graph)
    assert torch.equal(duplicate(found).forces_std, found.forces_std)


def test_weights_are_copied(duplicate):
    noise = Noise(4.0, WeightTable.from_mapping({"liquid": {"E": 5}}))
    again = duplicate(noise)
    assert again == noise
    assert again.weights["liquid"] == Weights(5.0, 1.0, 1.0)
    assert dataclasses.asdict(again)["weights"]["entries"]["liquid"]["energy"] == 5.0
