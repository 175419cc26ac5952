"""Smoothness priors: the diagonal Γ of ridge regression, paper eqs. (10)-(12).

A prior is a function of the (n, l) of each basis function; it knows nothing about atoms. Γ matters only up to a
factor, which λ absorbs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from acnn.arrays import FloatArray

NL = tuple[tuple[int, int], ...]


class Prior(Protocol):
    """γ from the (n, l) of each function, and a name for the model file."""

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function [n_functions], positive; a larger γ penalizes a function more."""
        ...

    def describe(self) -> str:
        """Return the name and parameter that model files and reports show."""
        ...


@dataclass(frozen=True)
class AlgebraicPrior:
    """γ = Σ_t n_t^p + w_L l_t^p: the size of derivatives of order p (eq. 10)."""

    p: float = 4.0
    wl: float = 1.5

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function, see `Prior`."""
        return np.array([sum(n**self.p + self.wl * l**self.p for n, l in nl) for nl in functions])

    def describe(self) -> str:
        """Return "algebraic:P"."""
        return f"algebraic:{self.p:g}"


@dataclass(frozen=True)
class ExponentialPrior:
    """γ = exp(a Σ_t (n_t + w_L l_t)): coefficients decay like those of an analytic function.

    The paper's α_n is a, its α_l is a w_L.
    """

    a: float = 1.0
    wl: float = 1.5

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function, see `Prior`."""
        return _exponentials([self.a * sum(n + self.wl * l for n, l in nl) for nl in functions], self.describe())

    def describe(self) -> str:
        """Return "exponential:A"."""
        return f"exponential:{self.a:g}"


@dataclass(frozen=True)
class GaussianPrior:
    """γ = exp(s Σ_t (n_t² + w_L l_t²)): the strongest smoothness prior.

    The paper's σ_n is s, its σ_l is s w_L.
    """

    s: float = 0.1
    wl: float = 1.5

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function, see `Prior`."""
        return _exponentials([self.s * sum(n**2 + self.wl * l**2 for n, l in nl) for nl in functions], self.describe())

    def describe(self) -> str:
        """Return "gaussian:S"."""
        return f"gaussian:{self.s:g}"


@dataclass(frozen=True)
class IdentityPrior:
    """γ = 1: plain ridge regression."""

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function, see `Prior`."""
        return np.ones(len(functions))

    def describe(self) -> str:
        """Return "identity"."""
        return "identity"


@dataclass(frozen=True, eq=False)
class CustomPrior:
    """Your own γ.

    Args:
        rule: a function that returns γ for the ((n_1, l_1), …) of one basis function, or γ of all functions
            [n_functions] in the order of `BasisSpecification.functions`.
        name: the name in the model file.
    """

    rule: Callable[[NL], float] | Sequence[float] | FloatArray
    name: str = "custom"

    def __call__(self, functions: Sequence[NL]) -> FloatArray:
        """Return γ of every function, see `Prior`."""
        values = [self.rule(nl) for nl in functions] if callable(self.rule) else self.rule
        gamma = np.array(values, dtype=float)
        if gamma.shape != (len(functions),):
            raise ValueError(
                f"prior {self.name!r} has shape {gamma.shape}, but the basis has {len(functions)} functions"
            )
        wrong = np.flatnonzero(~(np.isfinite(gamma) & (gamma > 0)))
        if len(wrong):
            n = wrong[0]
            raise ValueError(f"prior {self.name!r} is {gamma[n]} for (n, l) = {functions[n]}: it must be positive")
        return gamma

    def describe(self) -> str:
        """Return the name."""
        return self.name


def weighing_angles(prior: Prior, wl: float) -> Prior:
    """Return the prior with another w_L, if it has one."""
    if isinstance(prior, (AlgebraicPrior, ExponentialPrior, GaussianPrior)):
        return replace(prior, wl=wl)
    return prior


LARGEST_PARAMETER = 20.0
LARGEST_EXPONENT = 600.0  # exp(600) = 1e260, whose inverse is still representable


def _exponentials(exponents: Sequence[float], prior: str) -> FloatArray:
    largest = max(exponents, default=0.0)
    if largest > LARGEST_EXPONENT:
        raise ValueError(
            f"prior {prior} reaches exp({largest:.0f}), beyond the range of floating-point numbers: reduce the "
            f"parameter {prior.partition(':')[2]} to at most {LARGEST_EXPONENT / largest:.2g} times its value"
        )
    return np.exp(np.array(exponents, dtype=float))


PARAMETRIC: dict[str, Callable[[float, float], Prior]] = {
    "algebraic": AlgebraicPrior,
    "exponential": ExponentialPrior,
    "gaussian": GaussianPrior,
}
DEFAULTS = {"algebraic": AlgebraicPrior.p, "exponential": ExponentialPrior.a, "gaussian": GaussianPrior.s}


def parse_prior(text: str, wl: float) -> Prior:
    """Parse "algebraic:P", "exponential:A", "gaussian:S" (the number is optional) or "identity"."""
    name, _, parameter = text.partition(":")
    if name == "identity" and not parameter:
        return IdentityPrior()
    if name in PARAMETRIC:
        try:
            value = float(parameter) if parameter else DEFAULTS[name]
        except ValueError:
            value = -1.0
        if 0 <= value <= LARGEST_PARAMETER:
            return PARAMETRIC[name](value, wl)
    raise ValueError(
        f"unknown prior {text[:60]!r}: write algebraic:P, exponential:A or gaussian:S with a number from 0 to 20, such "
        "as algebraic:4, exponential:1 or gaussian:0.1, or identity"
    )
