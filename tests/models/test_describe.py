"""What is told of a linear model: functions that a fit dropped, and the committee."""

from __future__ import annotations

import numpy as np
import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.weights import WeightTable
from acnn.models.linear import LinearACE
from acnn.models.noise import Noise
from acnn.wording import counted

SPECIFICATION = BasisSpecification(elements=("Cu",), order=2, degree=6, pair_degree=4)


def model(kept: list[int]) -> LinearACE:
    coefficients = torch.zeros(SPECIFICATION.n_functions, dtype=torch.float64)
    coefficients[kept] = 1.0
    return LinearACE(SPECIFICATION, {"Cu": 0.0}, coefficients)


def facts_of(model):
    return dict(model.describe()[0].rows)


def test_functions_of_coefficient_zero_are_told() -> None:
    n = SPECIFICATION.n_functions
    dropped = model([0, 2, n - 1])
    assert dropped.summary()["basis functions"] == f"3 kept of {n}"
    facts = facts_of(dropped)
    assert facts["  centered on Cu"] == f"2 kept of {n - 4} of order 2"
    assert facts["  pairs"] == "1 kept of 4 of order 1"
    assert model(list(range(n))).summary()["basis functions"] == str(n)
    assert model([]).summary()["basis functions"] == str(n)  # not fitted


def test_the_committee_is_told_and_keeps_what_it_uses() -> None:
    one = model([0])
    committee = torch.zeros(16, SPECIFICATION.n_functions, dtype=torch.float64)
    committee[3, [0, 1]] = 1.0
    one.set_committee(committee)
    one.noise = Noise(1.0, WeightTable())
    assert np.flatnonzero(one.kept).tolist() == [0, 1]
    assert facts_of(one)["committee"] == "16 members, and the noise of the labels (acnn evaluate --uncertainty)"
    assert "committee" not in facts_of(model([0]))


def test_one_thing_is_no_things() -> None:
    assert [counted(n, "structure") for n in (0, 1, 2)] == ["0 structures", "1 structure", "2 structures"]
    assert [counted(n, "copy", "copies") for n in (1, 3)] == ["1 copy", "3 copies"]
