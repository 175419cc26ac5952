"""The learning rate as a function of the epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from acnn.settings.schedule import epoch_of
from acnn.settings.training import TrainingSettings
from acnn.strict import Strict


class LearningRate(Strict):
    """The learning rate at time t, in epochs of a training of T epochs.

    During a warm-up of w epochs it rises linearly (a ``warmup`` of up to 1 is a share of all epochs).

    cosine:       η_T + (η - η_T) ½ [1 + cos(π s)] ,  s = (t - w) / (T - w)
    exponential:  η (η_T / η)^s
    plateau:      η · factor^k after k times ``wait`` epochs without a better validation score, never below η_T
    constant:     η
    """

    shape: Literal["cosine", "exponential", "plateau", "constant"]
    start: float = Field(gt=0)
    final: float = Field(gt=0)
    warmup: float = Field(ge=0)
    factor: float = Field(0.5, gt=0, lt=1)
    wait: int = Field(20, ge=1)

    def at(self, epoch: float, epochs: int, reductions: int = 0) -> float:
        """Return η(t); ``reductions`` is the k of the plateau."""
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
    """Count the reductions by the plateau schedule.

    The rate is reduced once for every ``wait`` epochs in a row whose scores are no better than the best, or that were
    not validated (None).
    """
    found, best, waited = 0, math.inf, 0
    for score in scores:
        waited = 0 if score is not None and score < best else waited + 1
        best = best if score is None else min(best, score)
        if waited == wait:
            found, waited = found + 1, 0
    return found


def learning_rate(settings: TrainingSettings, fine_tuning: bool) -> LearningRate:
    """Make the schedule of a training; a model that continues from another one gets a lower rate."""
    start, final = settings.rates(fine_tuning)
    return LearningRate(
        shape=settings.schedule,
        start=start,
        final=final,
        warmup=settings.warmup,
        factor=settings.plateau_factor,
        wait=settings.plateau_wait,
    )
