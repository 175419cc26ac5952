"""Direct ridge regression by QR, and rank-revealing QR; paper eq. (12) and Table I."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.solvers.base import Posterior, Solution, all_kept, require_precision, residual_precision, scaled_factor
from acnn.solvers.streaming_qr import ReducedProblem
from acnn.solvers.svd import DecoupledProblem


@dataclass(frozen=True)
class QR:
    """Direct ridge regression with a given λ ("QR" in Table I); λ = 0 is the least-squares solution of least norm.

    Posterior: N(c, β⁻¹ (AᵀA + λ Γ²)⁻¹) with β from the residual (`Solution`).
    """

    regularization: float = 0.0

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), see `Solver`."""
        decoupled, λ = DecoupledProblem.of(problem, gamma), self.regularization
        coefficients, n_effective = decoupled.coefficients(λ), decoupled.effective_parameters(λ)
        beta = residual_precision(decoupled.residual(λ), problem.n_rows, n_effective)
        return Solution(
            coefficients=coefficients,
            regularization=λ,
            effective_parameters=n_effective,
            solver=f"qr (λ = {λ:g})",
            posterior=Posterior(coefficients, partial(decoupled.covariance_factor, λ, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
        )


@dataclass(frozen=True)
class RRQR:
    """Rank-revealing QR ("RRQR" in Table I): regularization by dropping directions that the data hardly determine.

    With column pivoting R Γ⁻¹ P = Q T, |T_11| ≥ |T_22| ≥ …; the first k rows, |T_kk| > rtol |T_11|, are kept, and among
    the solutions of T_k y = (Qᵀz)_k the one of least norm ‖Γ c‖ is taken. Unlike the randomized sketch of the paper's
    RRQR it gives the same result every time. Posterior: N(c, β⁻¹ Γ⁻¹ P T_k⁺ T_k⁺ᵀ Pᵀ Γ⁻¹) with β from the residual
    (`Solution`); dropped directions have no variance in it.

    Args:
        rtol: relative size below which a direction counts as undetermined, 0 … 1, and at least p ε (rounding). The
            default suits the smoothness prior, with which the paper's 1e-5 leaves about ten parameters.
    """

    rtol: float = 1e-8

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), see `Solver`."""
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
    """Return triangle⁻ᵀ right."""
    if not len(triangle):
        return right
    return scipy.linalg.solve_triangular(triangle, right, trans="T", check_finite=False)


def _pivoted_factor(
    basis: FloatArray, lower: FloatArray, pivots: NDArray[np.int32], gamma: FloatArray, beta: float | None
) -> FloatArray:
    """Return β^-½ Γ⁻¹ P T_k⁺ [p, k]."""
    factor = np.empty(basis.shape)
    factor[pivots] = basis @ _solve_transposed(lower, np.eye(len(lower)) / math.sqrt(require_precision(beta)))
    return factor / gamma[:, None]
