"""LSQR: ridge regression by a Krylov method, paper Table I."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import scipy.linalg
import scipy.sparse.linalg

from acnn.arrays import FloatArray
from acnn.solvers.base import Posterior, Solution, all_kept, require_precision, residual_precision, scaled_factor
from acnn.solvers.streaming_qr import ReducedProblem
from acnn.solvers.svd import DecoupledProblem, effective_parameters, without_rounding

CONDITION_STOPS, LIMIT_STOP = (3, 6), 7


@dataclass(frozen=True)
class LSQR:
    """Damped least squares by Golub-Kahan iterations (Paige & Saunders, ACM TOMS 8, 43 (1982)).

        argmin_x ‖z - R Γ⁻¹ x‖² + damp² ‖x‖²,   c = Γ⁻¹ x

    so λ = damp², with the prior as right preconditioner. Stopping early, by a large ``atol``, regularizes further.
    Effective parameters and posterior are those of the ridge regression with this λ, N(c, β⁻¹ (AᵀA + λ Γ²)⁻¹) with β
    from the residual (`Solution`); they need the singular values, which cost more than most iterations.

    Args:
        damp: square root of λ. The defaults of damp and atol suit the smoothness prior; with it, the paper's 1e-4 and
            1e-6 fit much worse.
        atol: stop when residual or gradient are this small, relative to the problem.
        conlim: stop when the estimated condition number is larger.
        max_iterations: stop after this many, with a warning.
    """

    damp: float = 1e-5
    atol: float = 1e-8
    conlim: float = 1e12
    max_iterations: int = 10_000

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), see `Solver`."""
        scaled = scaled_factor(problem, gamma)
        x, stop, iterations = scipy.sparse.linalg.lsqr(
            scaled,
            problem.target,
            damp=self.damp,
            atol=self.atol,
            btol=self.atol,
            conlim=self.conlim,
            iter_lim=self.max_iterations,
        )[:3]
        square = problem.residual**2 + float(((problem.target - scaled @ x) ** 2).sum())
        singular_values = scipy.linalg.svdvals(scaled, overwrite_a=True, check_finite=False)
        n_effective = effective_parameters(without_rounding(singular_values), self.damp**2)
        beta = residual_precision(square, problem.n_rows, n_effective)
        return Solution(
            coefficients=x / gamma,
            regularization=self.damp**2,
            effective_parameters=n_effective,
            solver=f"lsqr (damp = {self.damp:g}, atol = {self.atol:g}, {iterations} iterations)",
            posterior=Posterior(x / gamma, partial(_factor, problem, gamma, self.damp**2, beta)),
            kept=all_kept(problem),
            noise_precision=beta,
            warnings=self._warnings(stop),
        )

    def _warnings(self, stop: int) -> tuple[str, ...]:
        if stop == LIMIT_STOP:
            return (
                f"lsqr stopped after {self.max_iterations} iterations before it reached atol = {self.atol:g}: "
                "raise damp or atol, or use a stronger prior",
            )
        if stop in CONDITION_STOPS:
            return (
                f"lsqr stopped before it reached atol = {self.atol:g}, because the condition number exceeds "
                f"{self.conlim:g}: raise damp",
            )
        return ()


def _factor(
    problem: ReducedProblem, gamma: FloatArray, regularization: float, noise_precision: float | None
) -> FloatArray:
    require_precision(noise_precision)  # before the expensive part
    return DecoupledProblem.of(problem, gamma).covariance_factor(regularization, noise_precision)
