"""Direct solvers of the reduced ridge-regression problem, paper eq. (12) and Table I: QR, RRQR, BLR.

The iterative solver is in `acnn.fit.iterative`, automatic relevance determination in `acnn.fit.relevance`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
import scipy.optimize
from numpy.typing import NDArray

from acnn.fit.factorization import ReducedProblem
from acnn.fit.modes import Modes
from acnn.fit.solution import (
    FloatArray,
    Posterior,
    Solution,
    Solver,
    all_kept,
    require_precision,
    residual_precision,
    scaled_factor,
)

__all__ = ["BLR", "QR", "RRQR", "Solution", "Solver"]


@dataclass(frozen=True)
class QR:
    """Direct ridge regression with a given λ ("QR" in Table I); λ = 0 is the least-squares solution of least norm.

    Posterior: N(c, β⁻¹ (AᵀA + λ Γ²)⁻¹) with β from the residual (`Solution`).
    """

    regularization: float = 0.0

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        modes, λ = Modes.of(problem, gamma), self.regularization
        coefficients, n_effective = modes.coefficients(λ), modes.effective_parameters(λ)
        beta = residual_precision(modes.residual(λ), problem.n_rows, n_effective)
        return Solution(
            coefficients=coefficients,
            regularization=λ,
            effective_parameters=n_effective,
            solver=f"qr (λ = {λ:g})",
            posterior=Posterior(coefficients, partial(modes.covariance_factor, λ, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
        )


@dataclass(frozen=True)
class RRQR:
    """Rank-revealing QR ("RRQR" in Table I): regularization by leaving out what the data hardly determine.

    With column pivoting R Γ⁻¹ P = Q T, |T_11| ≥ |T_22| ≥ …; the first k rows, |T_kk| > rtol |T_11|, are kept, and among
    the solutions of T_k y = (Qᵀz)_k the one of least norm ‖Γ c‖ is taken. Unlike the randomized sketch of the paper's
    RRQR it gives the same result every time. Posterior: N(c, β⁻¹ Γ⁻¹ P T_k⁺ T_k⁺ᵀ Pᵀ Γ⁻¹) with β from the residual
    (`Solution`); directions that were left out have no variance in it.

    Args:
        rtol: what counts as undetermined, 0 … 1; rounding, p ε, always does. The default suits the smoothness prior,
            under which the paper's 1e-5 leaves about ten parameters.
    """

    rtol: float = 1e-8

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        projected, triangle, pivots = scipy.linalg.qr_multiply(
            scaled_factor(problem, gamma), problem.target, mode="right", pivoting=True, overwrite_a=True
        )
        rank = self._rank(np.abs(np.diag(triangle)))
        basis, lower = scipy.linalg.qr(triangle[:rank].T, mode="economic", check_finite=False)  # T_k = lowerᵀ basisᵀ
        coefficients = np.zeros(len(gamma))
        coefficients[pivots] = basis @ _solve_transposed(lower, projected[:rank])
        coefficients /= gamma
        square = problem.residual**2 + float((projected[rank:] ** 2).sum())
        beta = residual_precision(square, problem.n_rows, rank)
        return Solution(
            coefficients=coefficients,
            regularization=0.0,
            effective_parameters=float(rank),
            solver=f"rrqr (rtol = {self.rtol:g}, rank {rank} of {len(gamma)})",
            posterior=Posterior(coefficients, partial(_pivoted_factor, basis, lower, pivots, gamma, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
        )

    def _rank(self, diagonal: FloatArray) -> int:
        least = max(self.rtol, len(diagonal) * np.finfo(float).eps) * diagonal.max(initial=0.0)
        return int((diagonal > least).sum())


def _solve_transposed(triangle: FloatArray, right: FloatArray) -> FloatArray:
    """triangle⁻ᵀ right."""
    if not len(triangle):
        return right
    return scipy.linalg.solve_triangular(triangle, right, trans="T", check_finite=False)


def _pivoted_factor(
    basis: FloatArray, lower: FloatArray, pivots: NDArray[np.int32], gamma: FloatArray, beta: float | None
) -> FloatArray:
    """β^-½ Γ⁻¹ P T_k⁺ [p, k]."""
    factor = np.empty(basis.shape)
    factor[pivots] = basis @ _solve_transposed(lower, np.eye(len(lower)) / math.sqrt(require_precision(beta)))
    return factor / gamma[:, None]


@dataclass(frozen=True)
class BLR:
    """Bayesian linear regression: λ = ζ/β maximizes the evidence, eqs. (13)-(16).

    Likelihood y ~ N(A c, β⁻¹), prior c ~ N(0, (ζ Γ²)⁻¹), posterior N(c, (β AᵀA + ζ Γ²)⁻¹). With A Γ⁻¹ = U S Vᵀ and
    λ = ζ/β the best β is known in closed form, β = N / (residual² + Σ λ z²/(s² + λ)), which leaves one search in log λ:
    a grid, then Brent's method.

    Args:
        slack: above 1, the smoothest coefficients instead whose residual ‖y - A c‖ is so many times that of the most
            probable ones: the largest such λ, with the best β for it. The evidence speaks of the data alone, and lets
            coefficients grow until noise stops them; beyond the data smooth functions go wrong less.
    """

    slack: float = 1.0

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        modes = Modes.of(problem, gamma)
        regularization = _maximize_evidence(modes)
        if self.slack > 1:
            regularization = _largest_within(modes, self.slack**2 * modes.residual(regularization), regularization)
        coefficients, beta = modes.coefficients(regularization), modes.best_noise_precision(regularization)
        n_effective = modes.effective_parameters(regularization)
        empty = f"a slack of {self.slack:g} leaves nothing of the data: the functions explain too little of them"
        return Solution(
            coefficients=coefficients,
            regularization=regularization,
            effective_parameters=n_effective,
            solver="blr" if self.slack == 1 else f"blr (slack = {self.slack:g})",
            posterior=Posterior(coefficients, partial(modes.covariance_factor, regularization, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
            log_evidence=modes.log_evidence(regularization),
            warnings=(empty,) if self.slack > 1 and n_effective < 1 else (),
        )


def _maximize_evidence(modes: Modes) -> float:
    largest = modes.singular_values.max(initial=0.0)
    if largest == 0:
        return 1.0
    exponents = np.arange(-36.0, 9.0) + 2 * math.log10(largest)
    steps = np.log(10.0) * exponents[(exponents > -250) & (exponents < 250)]
    values = [modes.log_evidence(math.exp(x)) for x in steps]
    best = int(np.argmax(values))
    bounds = (steps[max(best - 1, 0)], steps[min(best + 1, len(steps) - 1)])
    found = scipy.optimize.minimize_scalar(
        lambda x: -modes.log_evidence(math.exp(x)), bounds=bounds, method="bounded", options={"xatol": 1e-4}
    )
    return math.exp(found.x)


def _largest_within(modes: Modes, square: float, least: float) -> float:
    """The largest λ whose residual ‖y - A c(λ)‖² is not above a square; at most where nothing of the data is left."""
    bounds = (math.log(least), math.log(1e9 * max(modes.singular_values.max(initial=0.0) ** 2, least)))
    if modes.residual(math.exp(bounds[1])) <= square:
        return math.exp(bounds[1])
    return math.exp(scipy.optimize.brentq(lambda x: modes.residual(math.exp(x)) - square, *bounds, xtol=1e-6))
