"""Learning rates and weights as functions of the epoch, against their formulas."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from acnn.settings.schedule import Schedule
from acnn.train.schedule import LearningRate, reductions


@pytest.mark.parametrize(("epoch", "expected"), [(0, 10), (74, 10), (75, 100), (99, 100)])
def test_steps_hold_from_their_epoch_on(epoch: int, expected: float) -> None:
    assert Schedule(steps=((0, 10), (0.75, 100))).at(epoch, 100) == expected
    assert Schedule(steps=((0, 10), (75, 100))).at(epoch, 100) == expected


@pytest.mark.parametrize(("epoch", "expected"), [(0, 1), (50, 1), (55, 6), (60, 11), (100, 11)])
def test_ramps_are_straight_lines(epoch: int, expected: float) -> None:
    assert Schedule(ramp=((0.5, 1), (0.6, 11))).at(epoch, 100) == pytest.approx(expected)


def test_a_number_is_a_schedule() -> None:
    assert Schedule.model_validate(3).at(7, 10) == 3


@pytest.mark.parametrize("wrong", [{}, {"steps": []}, {"steps": [[0, 1]], "ramp": [[0, 1]]}, {"ramp": [[0, -1]]}])
def test_what_is_no_schedule(wrong: object) -> None:
    with pytest.raises(ValidationError):
        Schedule.model_validate(wrong)


def rate(shape: str, **keywords: float) -> LearningRate:
    return LearningRate.model_validate({"shape": shape, "start": 1e-2, "final": 1e-4, "warmup": 0.1, **keywords})


@pytest.mark.parametrize("shape", ["cosine", "exponential"])
def test_rates_end_at_the_final_one(shape: str) -> None:
    assert rate(shape).at(10, 100) == pytest.approx(1e-2)
    assert rate(shape).at(100, 100) == pytest.approx(1e-4)


def test_rates_in_between() -> None:
    third = (40 - 10) / 90
    assert rate("cosine").at(40, 100) == pytest.approx(1e-4 + 0.99e-2 * 0.5 * (1 + math.cos(math.pi * third)))
    assert rate("exponential").at(40, 100) == pytest.approx(1e-2 * 0.01**third)
    assert rate("constant").at(40, 100) == 1e-2
    assert rate("plateau").at(40, 100, reductions=3) == pytest.approx(1e-2 / 8)
    assert rate("plateau").at(40, 100, reductions=30) == 1e-4


def test_warmup_rises_linearly_from_above_zero() -> None:
    first, half, last = (rate("cosine").at(epoch, 100) for epoch in (0, 5, 9.999))
    assert 0 < first < 2e-4
    assert half == pytest.approx(0.5 * (first + 1e-2), rel=1e-6)
    assert last == pytest.approx(1e-2, rel=1e-3)


def test_a_plateau_is_so_many_scores_without_a_better_one() -> None:
    assert reductions([5, 4, 3, 2], wait=2) == 0
    assert reductions([5, 4, 4, 4, 3], wait=2) == 1
    assert reductions([5, 6, 6, 6, 6, 6], wait=2) == 2
