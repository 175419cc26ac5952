"""Solvers of the reduced ridge-regression problem, paper eq. (12) and Table I.

    argmin_c ‖z - R c‖² + λ ‖Γ c‖²

They know nothing of atoms: in goes a `ReducedProblem` and the diagonal Γ, out comes a `Solution`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
from numpy.typing import NDArray

from acnn.fit.factorization import ReducedProblem

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Solution:
    """Coefficients and what was learned on the way.

    Attributes:
        coefficients: c [p] (the posterior mean of BLR).
        regularization: λ = ζ/β.
        noise_precision: β, the precision of a row of weight one (BLR only).
        log_evidence: log p(y | β, ζ) of the weighted rows (BLR only), eq. (16).
        effective_parameters: Σ s²/(s² + λ), how many parameters the data determine.
        solver: name and parameters.
    """

    coefficients: FloatArray
    regularization: float
    effective_parameters: float
    solver: str
    noise_precision: float | None = None
    log_evidence: float | None = None


@dataclass(frozen=True)
class QR:
    """Direct ridge regression with a given λ ("QR" in Table I); λ = 0 is the least-squares solution of least norm."""

    regularization: float = 0.0

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        modes = _Modes.of(problem, gamma)
        return Solution(
            coefficients=modes.coefficients(self.regularization),
            regularization=self.regularization,
            effective_parameters=modes.effective_parameters(self.regularization),
            solver=f"qr (λ = {self.regularization:g})",
        )


@dataclass(frozen=True)
class BLR:
    """Bayesian linear regression: λ = ζ/β maximizes the evidence, eqs. (13)-(16).

    Likelihood y ~ N(A c, β⁻¹), prior c ~ N(0, (ζ Γ²)⁻¹). With A Γ⁻¹ = U S Vᵀ and λ = ζ/β the best β is known in closed
    form, β = N / (residual² + Σ λ z²/(s² + λ)), which leaves one search in log λ: a grid, then Brent's method.
    """

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        modes = _Modes.of(problem, gamma)
        regularization = _maximize_evidence(modes)
        return Solution(
            coefficients=modes.coefficients(regularization),
            regularization=regularization,
            effective_parameters=modes.effective_parameters(regularization),
            solver="blr",
            noise_precision=modes.best_noise_precision(regularization),
            log_evidence=modes.log_evidence(regularization),
        )


Solver = QR | BLR


@dataclass(frozen=True)
class _Modes:
    """The problem in the singular vectors of R Γ⁻¹: independent scalar problems z = s x + noise."""

    singular_values: FloatArray
    right: FloatArray
    target: FloatArray
    gamma: FloatArray
    residual_square: float
    n_rows: int

    @classmethod
    def of(cls, problem: ReducedProblem, gamma: FloatArray) -> _Modes:
        if gamma.shape != problem.target.shape or not (gamma > 0).all():
            raise ValueError("the prior needs one positive number per basis function")
        u, s, vt = scipy.linalg.svd(problem.factor / gamma, lapack_driver="gesdd", check_finite=False)
        s[s <= s.max(initial=0.0) * len(s) * np.finfo(float).eps] = 0.0  # rounding, not information
        return cls(s, vt, u.T @ problem.target, gamma, problem.residual**2, problem.n_rows)

    def coefficients(self, regularization: float) -> FloatArray:
        s = self.singular_values
        kept = s > 0
        x = np.zeros_like(s)
        x[kept] = s[kept] * self.target[kept] / (s[kept] ** 2 + regularization)
        return (self.right.T @ x) / self.gamma

    def effective_parameters(self, regularization: float) -> float:
        squares = self.singular_values**2
        if regularization == 0:
            return float((squares > 0).sum())
        return float((squares / (squares + regularization)).sum())

    def misfit(self, regularization: float) -> float:
        """min_c ‖y - A c‖² + λ ‖Γ c‖²."""
        shrunk = regularization * self.target**2 / (self.singular_values**2 + regularization)
        return self.residual_square + float(shrunk.sum())

    def best_noise_precision(self, regularization: float) -> float:
        return self.n_rows / max(self.misfit(regularization), self.n_rows * np.finfo(float).tiny)

    def log_evidence(self, regularization: float) -> float:
        """Eq. (16) at the best β, of the weighted rows."""
        beta = self.best_noise_precision(regularization)
        occam = np.log1p(self.singular_values**2 / regularization).sum()
        return 0.5 * (self.n_rows * (math.log(beta / (2 * math.pi)) - 1) - float(occam))


def _maximize_evidence(modes: _Modes) -> float:
    largest = modes.singular_values.max(initial=0.0)
    if largest == 0:
        return 1.0
    exponents = np.arange(-36.0, 3.0) + 2 * math.log10(largest)
    steps = np.log(10.0) * exponents[exponents > -250]
    values = [modes.log_evidence(math.exp(x)) for x in steps]
    best = int(np.argmax(values))
    bounds = (steps[max(best - 1, 0)], steps[min(best + 1, len(steps) - 1)])
    found = scipy.optimize.minimize_scalar(
        lambda x: -modes.log_evidence(math.exp(x)), bounds=bounds, method="bounded", options={"xatol": 1e-4}
    )
    return math.exp(found.x)
