"""Bayesian linear regression with one prior precision; paper eqs. (13)-(16)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.optimize

from acnn.arrays import FloatArray
from acnn.solvers.base import Posterior, Solution, all_kept
from acnn.solvers.streaming_qr import ReducedProblem
from acnn.solvers.svd import DecoupledProblem


@dataclass(frozen=True)
class BLR:
    """Bayesian linear regression: λ = ζ/β maximizes the evidence, eqs. (13)-(16).

    Likelihood y ~ N(A c, β⁻¹), prior c ~ N(0, (ζ Γ²)⁻¹), posterior N(c, (β AᵀA + ζ Γ²)⁻¹). With A Γ⁻¹ = U S Vᵀ and
    λ = ζ/β the best β is known in closed form, β = N / (residual² + Σ λ z²/(s² + λ)), which leaves a one-dimensional
    search in log λ: a grid, then Brent's method.

    Args:
        slack: residual tolerance. Above 1, take the smoothest coefficients whose residual ‖y - A c‖ is this multiple of
            that of the most probable ones: the largest such λ, with the best β for it. The evidence concerns the data
            alone, and lets coefficients grow until noise limits them; smooth functions extrapolate more safely.
    """

    slack: float = 1.0

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), see `Solver`."""
        decoupled = DecoupledProblem.of(problem, gamma)
        regularization = _maximize_evidence(decoupled)
        if self.slack > 1:
            regularization = _largest_within(
                decoupled, self.slack**2 * decoupled.residual(regularization), regularization
            )
        coefficients, beta = decoupled.coefficients(regularization), decoupled.best_noise_precision(regularization)
        n_effective = decoupled.effective_parameters(regularization)
        empty = f"a slack of {self.slack:g} is so large that the fit ignores the data: the functions explain too little"
        return Solution(
            coefficients=coefficients,
            regularization=regularization,
            effective_parameters=n_effective,
            solver="blr" if self.slack == 1 else f"blr (slack = {self.slack:g})",
            posterior=Posterior(coefficients, partial(decoupled.covariance_factor, regularization, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
            log_evidence=decoupled.log_evidence(regularization),
            warnings=(empty,) if self.slack > 1 and n_effective < 1 else (),
        )


def _maximize_evidence(decoupled: DecoupledProblem) -> float:
    largest = decoupled.singular_values.max(initial=0.0)
    if largest == 0:
        return 1.0
    exponents = np.arange(-36.0, 9.0) + 2 * math.log10(largest)
    steps = np.log(10.0) * exponents[(exponents > -250) & (exponents < 250)]
    values = [decoupled.log_evidence(math.exp(x)) for x in steps]
    best = int(np.argmax(values))
    bounds = (steps[max(best - 1, 0)], steps[min(best + 1, len(steps) - 1)])
    found = scipy.optimize.minimize_scalar(
        lambda x: -decoupled.log_evidence(math.exp(x)), bounds=bounds, method="bounded", options={"xatol": 1e-4}
    )
    return math.exp(found.x)


def _largest_within(decoupled: DecoupledProblem, square: float, least: float) -> float:
    """Return the largest λ with ‖y - A c(λ)‖² ≤ ``square``; at most one at which the data have no influence."""
    bounds = (math.log(least), math.log(1e9 * max(decoupled.singular_values.max(initial=0.0) ** 2, least)))
    if decoupled.residual(math.exp(bounds[1])) <= square:
        return math.exp(bounds[1])
    return math.exp(scipy.optimize.brentq(lambda x: decoupled.residual(math.exp(x)) - square, *bounds, xtol=1e-6))
