"""What was made from tensors, and when it has to be made again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

Made = TypeVar("Made")

_steps_of_optimizers = [0]


class WeightCache(Generic[Made]):
    """Something made from weights, such as a compiled kernel, made again when they have changed.

    Weights are compared only where something may have changed them: torch counts in-place operations on a tensor, and
    acnn counts the steps of all optimizers, since fused ones escape torch. Noticed are therefore assignments such as
    ``weight[0] = 1`` under `torch.no_grad`, optimizers, `load_state_dict`, and other tensors or memory
    (``weight.data = other``, `Module.to`).

    Writes that torch does not count go unnoticed: those through ``weight.data`` (``weight.data.mul_(2)``) or through a
    NumPy view of a weight. Use ``with torch.no_grad(): weight.mul_(2)``.
    """

    def __init__(self) -> None:
        self._made: Made | None = None
        self._copies: list[Tensor] = []
        self._aliases: list[Tensor] = []
        self._state: list[Any] = []

    def get(self, weights: Sequence[Tensor], make: Callable[[], Made]) -> Made:
        """Return what was made, or `make()` if the weights have changed since."""
        state = _state(weights)
        if self._made is None or (state != self._state and not self._holds(weights)):
            copies = [weight.detach().clone() for weight in weights]
            self._made, self._copies = make(), copies  # in this order: what fails leaves both
        if state != self._state:
            # Aliases keep the memory alive, so that no other tensor comes to lie at its address.
            self._state, self._aliases = state, [weight.detach() for weight in weights]
        return self._made

    def _holds(self, weights: Sequence[Tensor]) -> bool:
        return len(weights) == len(self._copies) and all(map(_same, self._copies, weights))


def _state(weights: Sequence[Tensor]) -> list[Any]:
    """Return the counts and addresses, equal to earlier ones only if nothing that is counted happened since."""
    _count_steps()
    if any(weight.is_inference() for weight in weights):
        return [object()]  # torch counts nothing for these
    return [*_steps_of_optimizers, *((weight.data_ptr(), weight._version, weight.stride()) for weight in weights)]


@functools.cache
def _count_steps() -> None:
    def count(*_: Any) -> None:
        _steps_of_optimizers[0] += 1

    register_optimizer_step_post_hook(count)


def _same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and one.device == other.device and torch.equal(one, other)
