"""Elements are alike: a prior under which the weights of different elements are correlated, as in fits.

A weight θ_z of element z is taken to be

    θ = K^½ c ,   K = (1 - ρ) 1 + ρ J ,

with J full of ones, c independent and random at first, and c is what the optimizer sees, with the gradient K^½ ∂L/∂θ:
what is common to all n elements is learned faster than their differences, by √(1 + n ρ / (1 - ρ)). Tables of pairs of
elements have a factor K^½ for the center and one for the neighbor. Models hold θ. So a network predicts combinations of
elements that its data lack, as the linear part does (`acnn.fit.element_prior`), and the data of all elements determine
what these have in common. With one element nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from acnn.models.network import NetworkACE


@dataclass(frozen=True)
class Alike:
    """Parameters of a network with axes of elements.

    Attributes:
        parameters: with their axes of elements.
        correlation: ρ.
    """

    parameters: list[tuple[Parameter, tuple[int, ...]]]
    correlation: float

    @classmethod
    def of(cls, model: NetworkACE, correlation: float) -> Alike:
        """Find the parameters of a model; none of a single element, or without correlation."""
        named = [(p, element_axes(model, name)) for name, p in model.named_parameters() if p.requires_grad]
        has_any = correlation > 0 and len(model.elements) > 1
        return cls([(p, axes) for p, axes in named if axes and has_any], correlation)

    def correlate(self) -> None:
        """Turn independent random weights c into θ."""
        for parameter, axes in self.parameters:
            with torch.no_grad():
                parameter.copy_(self._rooted(parameter, axes))

    def turn_gradients(self) -> None:
        """Replace the gradients with respect to θ by those with respect to c."""
        for parameter, axes in self.parameters:
            if parameter.grad is not None:
                parameter.grad.copy_(self._rooted(parameter.grad, axes))

    @contextmanager
    def steps_in_c(self) -> Iterator[None]:
        """Turn the step of the optimizers, taken for θ, into that for c: multiply it by K^½."""
        before = [parameter.detach().clone() for parameter, _ in self.parameters]
        yield
        for (parameter, axes), old in zip(self.parameters, before, strict=True):
            with torch.no_grad():
                parameter.copy_(old + self._rooted(parameter - old, axes))

    def _rooted(self, values: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Multiply by K^½ along axes: own · values + (common - own) · their mean, with the roots of K's eigenvalues."""
        for axis in axes:
            own, common = root_eigenvalues(values.shape[axis], self.correlation)
            values = own * values + (common - own) * values.mean(dim=axis, keepdim=True)
        return values


def root_eigenvalues(n: int, correlation: float) -> tuple[float, float]:
    """Return the square roots of the eigenvalues of K [n, n]: of differences between elements, and of their mean."""
    return math.sqrt(1 - correlation), math.sqrt(1 + (n - 1) * correlation)


def element_axes(model: NetworkACE, name: str) -> tuple[int, ...]:
    """Return the axes of a parameter that are elements whose weights are alike.

    They are center and neighbor of tables of pairs, the neighbor of mixtures of elements, and the center of a readout
    of each element.
    """
    s = model.specification
    owner, kind = name.split(".", 1)[0], name.split(".")[-1]
    if owner == "embedding":
        of_tables = {"coefficients": () if s.mixed_elements else (0, 1), "neighbor": (0,)}
        return of_tables.get(kind, ())
    is_shared = s.shares_readout and ("weights" in name or kind == "skip")
    return () if owner != "readout" or is_shared else (0,)
