"""Exponential moving average of weights, which is smoother than the weights and generalizes better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """θ̄ ← d θ̄ + (1 - d) θ after every step, d = min(decay, (1 + t) / (10 + t)) at step t = 1, 2 …

    The shorter memory of the first steps forgets the random start.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.tensors = [p.detach().clone() for p in parameters]

    def update(self, parameters: Sequence[nn.Parameter], step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self.tensors, [p.detach() for p in parameters], 1 - decay)


@contextmanager
def replaced(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Inside, the parameters or buffers have other values."""
    own = [p.data for p in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, own, strict=True):
            parameter.data = value
