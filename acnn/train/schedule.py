"""What changes while a model is trained: the learning rate and the weights of the loss, as functions of the epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from acnn.basis.strict import Strict

Point = tuple[Annotated[float, Field(ge=0, le=1e6)], Annotated[float, Field(ge=0, le=1e6)]]
"""When, and the value."""


def epoch_of(when: float, epochs: int) -> float:
    """A place in the training, as an epoch: numbers up to 1 are shares of all epochs."""
    return when * epochs if when <= 1 else when


class Schedule(Strict):
    """A number that changes with the epoch."""

    steps: tuple[Point, ...] | None = Field(
        default=None, min_length=1, description="Points [when, value]: each value holds from its epoch on."
    )
    ramp: tuple[Point, ...] | None = Field(
        default=None,
        min_length=1,
        description="Points [when, value]: straight lines between them, constant before the first and after the last.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        """A plain number is a schedule that never changes."""
        return {"steps": [(0.0, value)]} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Schedule:
        if (self.steps is None) == (self.ramp is None):
            raise ValueError("a schedule is a number, {steps: [[0, 1], [0.75, 10]]} or {ramp: [[0.7, 1], [0.8, 10]]}")
        return self

    def at(self, epoch: float, epochs: int) -> float:
        """The value at an epoch of so many."""
        points = sorted((epoch_of(when, epochs), value) for when, value in self.steps or self.ramp or ())
        if self.ramp is not None:
            return float(np.interp(epoch, [start for start, _ in points], [value for _, value in points]))
        return ([value for start, value in points if start <= epoch] or [points[0][1]])[-1]

    @property
    def largest(self) -> float:
        return max(value for _, value in self.steps or self.ramp or ())


class LearningRate(Strict):
    """The learning rate at time t, in epochs of a training of T epochs; a warm-up of w epochs rises linearly to it
    (up to 1, ``warmup`` is a share of all epochs).

    cosine:       η_T + (η - η_T) ½ [1 + cos(π s)] ,  s = (t - w) / (T - w)
    exponential:  η (η_T / η)^s
    plateau:      η · factor^k after k waits of ``wait`` epochs without a better validation score, never below η_T
    constant:     η
    """

    shape: Literal["cosine", "exponential", "plateau", "constant"]
    start: float = Field(gt=0)
    final: float = Field(gt=0)
    warmup: float = Field(ge=0)
    factor: float = Field(0.5, gt=0, lt=1)
    wait: int = Field(20, ge=1)

    def at(self, epoch: float, epochs: int, reductions: int = 0) -> float:
        """η(t); ``reductions`` is the k of the plateau."""
        warmup = epoch_of(self.warmup, epochs)
        if epoch < warmup:
            return self.start * (epoch + 1e-2 * warmup) / (1.01 * warmup)
        done = min(1.0, (epoch - warmup) / max(epochs - warmup, 1e-9))
        if self.shape == "cosine":
            return self.final + (self.start - self.final) * 0.5 * (1 + math.cos(math.pi * done))
        if self.shape == "exponential":
            return self.start * (self.final / self.start) ** done
        if self.shape == "plateau":
            return max(self.final, self.start * self.factor**reductions)
        return self.start


def reductions(scores: Sequence[float | None], wait: int) -> int:
    """How often a plateau lowers the rate: once for every ``wait`` epochs in a row whose scores are no better than the
    best, or that were not validated (None)."""
    found, best, waited = 0, math.inf, 0
    for score in scores:
        waited = 0 if score is not None and score < best else waited + 1
        best = best if score is None else min(best, score)
        if waited == wait:
            found, waited = found + 1, 0
    return found
