"""The loss against its formula written with loops, and its gradient against finite differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import read_dataset
from acnn.evaluation.metrics import evaluate
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.parallel import ALONE
from acnn.train.batches import Batch, structure_store
from acnn.train.loss import Deltas, penalties, penalty
from acnn.train.trainer import StepLoss
from acnn.train.validation import network_errors, network_gradients

DELTAS = Deltas(0.02, 0.3, 0.05)


@pytest.fixture(scope="module")
def model() -> NetworkACE:
    """On a linear part that is not zero."""
    basis = BasisSpecification(elements=("Cu",), order=1, degree=3, cutoff=3.5)
    linear = LinearACE(basis, {"Cu": 3.5}, torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64))
    shape = {"cutoff": 4.0, "channels": 3, "l_max": 2, "radial_functions": 4, "heads": 2, "hidden": (8,)}
    return NetworkACE(NetworkSpecification(elements=("Cu",), **shape), linear, seed=3)


@pytest.fixture(scope="module")
def batch(model: NetworkACE, copper: Path) -> Batch:
    structures = read_dataset(copper).structures[:5]
    store = structure_store(model, structures, torch.float64)
    store.energy_weights[1] = 0.0
    store.force_weights[2] = 0.0
    store.virial_weights[3] = 2.5
    return store.batch(torch.tensor([3, 0, 2, 1]))


@pytest.mark.parametrize("deltas", [Deltas(), DELTAS])
def test_loss_is_its_formula(model: NetworkACE, batch: Batch, deltas: Deltas) -> None:
    found = network_gradients(model, batch)
    expected = np.zeros(3)
    labels = batch.labels
    for s in range(4):
        n = int(labels.n_atoms[s])
        own = batch.graph.structure == s
        errors = [
            np.array([(found.energies[s] - labels.energies[s]).item() / n]),
            (found.forces - labels.forces)[own].numpy().ravel(),
            (found.virials - labels.virials)[s].numpy().ravel() / n,
        ]
        weights = [labels.energy_weights[s], labels.force_weights[own][0], labels.virial_weights[s]]
        for q in range(3):
            for error in errors[q]:
                delta = deltas[q]
                size = abs(error)
                rho = error**2 if delta is None or size <= delta else 2 * delta * size - delta**2
                expected[q] += float(weights[q]) * rho
    assert penalties(found, labels, deltas).numpy() == pytest.approx(expected, rel=1e-10)


def test_huber_is_smooth_where_it_turns() -> None:
    at = torch.tensor([0.1 - 1e-7, 0.1 + 1e-7], dtype=torch.float64, requires_grad=True)
    values = penalty(at, 0.1)
    (slopes,) = torch.autograd.grad(values.sum(), at)
    assert values[1].item() == pytest.approx(values[0].item(), rel=1e-5)
    assert slopes[1].item() == pytest.approx(slopes[0].item(), rel=1e-5)


@pytest.mark.parametrize("deltas", [Deltas(), DELTAS])
def test_gradient_of_the_loss(model: NetworkACE, batch: Batch, deltas: Deltas) -> None:
    """Along a random direction of all parameters at once, central differences in float64."""
    step = StepLoss(model, deltas, True, ALONE)
    factors = torch.tensor([10.0, 1.0, 0.5], dtype=torch.float64)
    parameters = [p for p in model.parameters() if p.requires_grad]
    generator = torch.Generator().manual_seed(5)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    gradients = torch.autograd.grad(step(batch, factors)[0], parameters)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))

    def moved(distance: float) -> float:
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += distance * d
        value = step(batch, factors)[0].item()
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p -= distance * d
        return value

    h = 1e-5
    assert slope == pytest.approx((moved(h) - moved(-h)) / (2 * h), rel=1e-6)


def test_parts_add_up_to_the_loss(model: NetworkACE, batch: Batch) -> None:
    factors = torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
    loss, parts = StepLoss(model, Deltas(), True, ALONE)(batch, factors)
    assert parts.sum().item() == pytest.approx(loss.item(), rel=1e-12)


def test_validation_errors_are_those_of_the_error_tables(model: NetworkACE, copper: Path) -> None:
    """Residual labels and network alone give the errors of the whole model."""
    structures = read_dataset(copper).structures[1:6]
    found = network_errors(model, structure_store(model, structures, torch.float64))
    table = evaluate(model, structures).as_dict()["total"]
    for key, value in found.items():
        expected = table[key]
        assert expected is not None
        assert value == pytest.approx(expected * (1000 if key.startswith("forces") else 1), rel=1e-8)
