"""Elements that are alike: the covariance of their weights, and steps that are those in independent weights."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch

from acnn.basis.specification import BasisSpecification
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.train.alike import Alike

RHO = 0.9


def network_of(*elements: str, **specification: Any) -> NetworkACE:
    basis = BasisSpecification(elements=elements, order=1, degree=1, cutoff=4.0)
    fields = {"channels": 3, "l_max": 2, "heads": 2, "hidden": (8,)} | specification
    linear = LinearACE(basis, dict.fromkeys(elements, 0.0))
    return NetworkACE(NetworkSpecification(elements=elements, cutoff=4.0, **fields), linear, seed=1)


def covariance(n: int) -> np.ndarray:
    return (1 - RHO) * np.eye(n) + RHO


def test_random_weights_have_the_covariance_of_the_prior() -> None:
    model = network_of("Cu", "Ag", "Au", radial_functions=30, channels=20)
    independent = {name: p.detach().clone() for name, p in model.named_parameters()}
    Alike.of(model, RHO).correlate()
    weights = dict(model.named_parameters())
    one = covariance(3)
    for name, expected in (("embedding.first.coefficients", np.kron(one, one)), ("readout.weights.0", one)):
        rows = weights[name].detach().reshape(len(expected), -1).numpy()
        unit = float(independent[name].var())
        assert rows @ rows.T / rows.shape[1] == pytest.approx(expected * unit, abs=0.15 * unit)
    for name in ("embedding.layers.0.values", "embedding.layers.0.direction"):
        assert torch.equal(weights[name], independent[name])


@pytest.mark.parametrize("axes", [(0,), (0, 1)])
def test_steps_are_those_in_independent_weights(axes: tuple[int, ...]) -> None:
    """AdamW on c with θ = K^½ c, K^½ by a dense root."""
    generator = np.random.default_rng(3)
    c = torch.nn.Parameter(torch.tensor(generator.normal(size=(3, 3, 4))))
    target = torch.tensor(generator.normal(size=(3, 3, 4)))
    root = torch.tensor(scipy.linalg.sqrtm(covariance(3)).real)

    def dense(values: torch.Tensor) -> torch.Tensor:
        values = torch.einsum("ab,bcd->acd", root, values)
        return torch.einsum("ab,cbd->cad", root, values) if len(axes) > 1 else values

    theta = torch.nn.Parameter(c.detach().clone())
    alike = Alike([(theta, axes)], RHO)
    alike.correlate()
    ours, theirs = (torch.optim.AdamW([p], lr=0.1, weight_decay=0.0) for p in (theta, c))
    for _ in range(5):
        ((theta - target) ** 4).sum().backward()
        ((dense(c) - target) ** 4).sum().backward()
        alike.turn_gradients()
        assert torch.allclose(theta.grad, c.grad, rtol=1e-9)  # type: ignore[arg-type]
        with alike.steps_in_c():
            ours.step()
        theirs.step()
        ours.zero_grad()
        theirs.zero_grad()
    assert torch.allclose(theta, dense(c), rtol=1e-9)


@pytest.mark.parametrize("mixed", [None, 2])
def test_every_weight_of_an_element_is_like_that_of_another(mixed: int | None) -> None:
    """Where elements share tables and readout, the rest is alike; with ρ → 1 they cannot be told apart."""
    model = network_of("Cu", "Ag", "Au", element_channels=mixed)
    Alike.of(model, 0.999999).correlate()
    tables = model.embedding.tables()
    for table in (tables[0], *tables[1:4]):  # W of all layers, b, U
        for a, b in itertools.product(range(3), repeat=2):
            assert torch.allclose(table[a, b], table[0, 0], atol=0.02)
    hidden = [torch.cat([t.flatten() for t in model.readout.layers(z)[0][0]]) for z in range(3)]
    assert all(torch.allclose(one, hidden[0], atol=0.02) for one in hidden)


def test_nothing_changes_for_one_element_or_without_correlation() -> None:
    assert not Alike.of(network_of("Cu"), RHO).parameters
    assert not Alike.of(network_of("Cu", "Au"), 0.0).parameters
