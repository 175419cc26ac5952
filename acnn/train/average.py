"""Exponential moving average of the weights, which is smoother than the weights and generalizes better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class MovingAverage:
    """θ̄ ← d θ̄ + (1 - d) θ after step t = 1, 2 …, with d = min(decay, (1 + t) / (10 + t)).

    The shorter memory during the first steps forgets the random start.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.tensors = [p.detach().clone() for p in parameters]

    def update(self, parameters: Sequence[nn.Parameter], step: int) -> None:
        """Update the average after step t = ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(self.tensors, [p.detach() for p in parameters], 1 - decay)


@contextmanager
def replaced(parameters: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Temporarily give parameters or buffers other values."""
    own = [p.data for p in parameters]
    try:
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        yield
    finally:
        for parameter, value in zip(parameters, own, strict=True):
            parameter.data = value
