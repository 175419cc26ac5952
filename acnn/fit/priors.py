"""Smoothness priors: the diagonal Γ of ridge regression, paper eqs. (10)-(12).

A prior is a function of the (n, l) of each basis function; it knows nothing of atoms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NL = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class AlgebraicPrior:
    """γ = Σ_t n_t^p + w_L l_t^p: the size of derivatives of order p (eq. 10)."""

    p: float = 4.0
    wl: float = 1.5

    def __call__(self, functions: Sequence[NL]) -> NDArray[np.float64]:
        """γ of every function [n_functions]."""
        return np.array([sum(n**self.p + self.wl * l**self.p for n, l in nl) for nl in functions])

    def describe(self) -> str:
        return f"algebraic:{self.p:g}"


@dataclass(frozen=True)
class IdentityPrior:
    """γ = 1: plain ridge regression."""

    def __call__(self, functions: Sequence[NL]) -> NDArray[np.float64]:
        return np.ones(len(functions))

    def describe(self) -> str:
        return "identity"


Prior = AlgebraicPrior | IdentityPrior


def parse_prior(text: str, wl: float) -> Prior:
    """A prior from "algebraic", "algebraic:P" or "identity"."""
    name, _, parameter = text.partition(":")
    if name == "identity" and not parameter:
        return IdentityPrior()
    if name == "algebraic":
        try:
            p = float(parameter) if parameter else 4.0
        except ValueError:
            p = -1.0
        if p >= 0:
            return AlgebraicPrior(p, wl)
    raise ValueError(f"unknown prior {text!r}: write algebraic:P with a number P ≥ 0, such as algebraic:4, or identity")
