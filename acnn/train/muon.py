"""Muon: steps along the momentum of a matrix with all singular values set to one.

    B ← 0.95 B + 0.05 G                                     momentum of the gradient G
    O = U Vᵀ for 0.95 B + 0.05 G = U S Vᵀ                   approximately: singular values of 0.7 … 1.2
    M ← (1 - η λ) M - 0.2 η √(max(rows, columns)) O         η the learning rate, λ the weight decay

so that all directions in which a matrix can change are learned at the same pace, and its elements change by a fifth of
η, root mean square. K. Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024); the factor with
the longer side is that of J. Liu et al., arXiv:2502.16982.

`torch.optim.Muon` takes one matrix at a time, and in bfloat16; the tables of an embedding are small and many, and
become matrices only after their axes are merged.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
PACE = 0.2
"""RMS change of an element in one step, in learning rates."""
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
SMALLEST_EXPONENT = -126
"""Of normal numbers in single precision."""


@dataclass(frozen=True)
class Inputs:
    """The axes of a parameter that are inputs of a linear map, the rows of its matrix; the others are outputs."""

    axes: tuple[int, ...]

    def matrix(self, tensor: Tensor) -> Tensor:
        """Rearrange a tensor as a matrix [inputs, outputs]."""
        rows = math.prod(tensor.shape[axis] for axis in self.axes)
        return tensor.permute(self._order(tensor)).reshape(rows, -1)

    def tensor(self, matrix: Tensor, like: Tensor) -> Tensor:
        """Rearrange a matrix as a tensor of the shape of ``like``."""
        order = self._order(like)
        inverse = [order.index(axis) for axis in range(like.ndim)]
        return matrix.reshape([like.shape[axis] for axis in order]).permute(inverse)

    def _order(self, tensor: Tensor) -> list[int]:
        return [*self.axes, *(axis for axis in range(tensor.ndim) if axis not in self.axes)]


def inputs_of(name: str, parameter: Tensor) -> Inputs | None:
    """Return the input axes of a parameter of `NetworkACE`, such as radial functions, heads or invariants.

    None for biases, factors and embeddings of elements, which are not linear maps.
    """
    owner, kind = name.split(".")[-2:]
    if owner == "weights":  # [element, invariants, hidden]: one map to the hidden units of all elements
        return Inputs((1,))
    if kind in ("values", "couplings"):
        return Inputs((0,))
    if kind == "direction":
        return Inputs((0, 1))
    outputs = {"radial": 2, "first": 2, "distance": 1}.get(owner)
    if kind == "coefficients" and outputs is not None:
        return Inputs(tuple(range(parameter.ndim - outputs)))
    return None


class Muon(torch.optim.Optimizer):
    """Optimizer that takes the steps of the module's formulas.

    Args:
        groups: dictionaries with ``params``, ``weight_decay`` and ``inputs``, an `Inputs` for every parameter.
        lr: η.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step with the current gradients."""
        for group in self.param_groups:
            parameters, rate = group["params"], group["lr"]
            if not parameters:
                continue
            gradients = [p.grad for p in parameters]
            momenta = [self._momentum(p) for p in parameters]
            torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
            directions = torch._foreach_lerp(gradients, momenta, MOMENTUM)
            torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
            matrices = [of.matrix(d) for of, d in zip(group["inputs"], directions, strict=True)]
            steps = orthogonalized_all(matrices)
            for parameter, of, step in zip(parameters, group["inputs"], steps, strict=True):
                parameter.sub_(of.tensor(step, parameter), alpha=PACE * rate * math.sqrt(max(step.shape)))

    def _momentum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        return state["momentum"]


def orthogonalized_all(matrices: list[Tensor]) -> list[Tensor]:
    """Orthogonalize each matrix (see `orthogonalized`), those of the same shape together."""
    places = defaultdict(list)
    for place, matrix in enumerate(matrices):
        places[matrix.shape].append(place)
    found = list(matrices)
    for alike in places.values():
        own = [matrices[place] for place in alike]
        together = orthogonalized(torch.stack(own) if len(own) > 1 else own[0][None])
        for place, matrix in zip(alike, together, strict=True):
            found[place] = matrix
    return found


def orthogonalized(matrices: Tensor) -> Tensor:
    """Return approximately U Vᵀ of M = U S Vᵀ [batch, rows, columns].

    An odd polynomial of M brings singular values above 0.002 of its norm to 0.7 … 1.2, and smaller ones to less; zero
    stays zero.
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    largest = torch.frexp(x.abs().amax(dim=(-2, -1), keepdim=True)).exponent.clamp(min=SMALLEST_EXPONENT)
    x = torch.ldexp(x, -largest)  # exact, and squares of elements do not underflow
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + torch.finfo(x.dtype).tiny)
    gram = x @ x.mT  # every iterate is a polynomial of it times x, which may have many columns
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    factor = identity.expand_as(gram)
    for _ in range(NEWTON_SCHULZ_STEPS):
        polynomial = torch.baddbmm(a * identity + b * gram, gram, gram, alpha=c)
        factor = polynomial @ factor
        gram = polynomial @ gram @ polynomial
    x = factor @ x
    return x.mT if tall else x
