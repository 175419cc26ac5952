"""One model of every kind, small, for silicon and carbon."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from acnn.data.weights import WeightTable
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.noise import Noise
from acnn.testing import random_model, random_network

ELEMENTS = ("Si", "C")
KINDS = ("linear", "committee", "network", "attention", "linear ensemble", "network ensemble")


def with_committee() -> LinearACE:
    """Three members, and the noise of a fit."""
    model = random_model(ELEMENTS, order=2)
    scatter = np.random.default_rng(0).normal(scale=0.01, size=(3, len(model.coefficients)))
    model.set_committee(model.coefficients.detach() * (1 + torch.as_tensor(scatter)))
    model.noise = Noise(4.0, WeightTable.from_mapping({"liquid": {"E": 5}}))
    return model


@pytest.fixture(scope="session")
def models():
    """Models by their kind."""
    made = {
        "linear": random_model(ELEMENTS),
        "committee": with_committee(),
        "network": random_network(ELEMENTS, layers=0),
        "attention": random_network(ELEMENTS),
        "linear ensemble": Ensemble([random_model(ELEMENTS, 1, order=2), with_committee()]),
        "network ensemble": Ensemble([random_network(ELEMENTS, seed) for seed in (1, 2)]),
    }
    assert tuple(made) == KINDS
    assert [model.has_committee for model in made.values()] == [False, True, False, False, True, True]
    return made


@pytest.fixture(params=KINDS)
def model_of_any_kind(models, request):
    return models[request.param]
