"""Ridge regression in the basis of the singular vectors of R Γ⁻¹ = U S Vᵀ: scalar problems z_k = s_k x_k + noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray
from acnn.solvers.base import require_precision, scaled_factor
from acnn.solvers.streaming_qr import ReducedProblem


@dataclass(frozen=True)
class DecoupledProblem:
    """The problem in the basis of its singular vectors, for any λ.

    Attributes:
        singular_values: s [p]; those that are only rounding are set to zero.
        right: Vᵀ [p, p].
        target: Uᵀz [p].
        gamma: the prior [p].
        residual_square: the part that no coefficients can fit, ‖y‖² - ‖z‖².
        n_rows: N.
    """

    singular_values: FloatArray
    right: FloatArray
    target: FloatArray
    gamma: FloatArray
    residual_square: float
    n_rows: int

    @classmethod
    def of(cls, problem: ReducedProblem, gamma: FloatArray) -> DecoupledProblem:
        """Decompose a reduced problem under the prior Γ = diag(gamma)."""
        scaled = scaled_factor(problem, gamma)
        u, s, vt = scipy.linalg.svd(scaled, lapack_driver="gesdd", overwrite_a=True, check_finite=False)
        return cls(without_rounding(s), vt, u.T @ problem.target, gamma, problem.residual**2, problem.n_rows)

    def coefficients(self, regularization: float) -> FloatArray:
        """Return c(λ) = Γ⁻¹ V S (S² + λ)⁻¹ Uᵀz; for λ = 0 the solution of least norm ‖Γ c‖."""
        s = self.singular_values
        kept = s > 0
        x = np.zeros_like(s)
        x[kept] = s[kept] * self.target[kept] / (s[kept] ** 2 + regularization)
        return (self.right.T @ x) / self.gamma

    def covariance_factor(self, regularization: float, noise_precision: float | None) -> FloatArray:
        """Return F = β^-½ Γ⁻¹ V (S² + λ)^-½, so that F Fᵀ = (β AᵀA + ζ Γ²)⁻¹ with ζ = λ β.

        Without regularization, directions that the data do not determine have infinite variance; they are left out.
        """
        scale = np.sqrt(self.singular_values**2 + regularization) * math.sqrt(require_precision(noise_precision))
        finite = scale > 0
        return (self.right[finite].T / scale[finite]) / self.gamma[:, None]

    def effective_parameters(self, regularization: float) -> float:
        """Return Σ s²/(s² + λ)."""
        return effective_parameters(self.singular_values, regularization)

    def residual(self, regularization: float) -> float:
        """Return ‖y - A c(λ)‖²."""
        s = self.singular_values
        left = np.ones_like(s)
        left[s > 0] = regularization / (s[s > 0] ** 2 + regularization)
        return self.residual_square + float(((left * self.target) ** 2).sum())

    def misfit(self, regularization: float) -> float:
        """Return min_c ‖y - A c‖² + λ ‖Γ c‖²."""
        shrunk = regularization * self.target**2 / (self.singular_values**2 + regularization)
        return self.residual_square + float(shrunk.sum())

    def best_noise_precision(self, regularization: float) -> float:
        """Return the β of largest evidence at this λ."""
        return self.n_rows / max(self.misfit(regularization), self.n_rows * np.finfo(float).tiny)

    def log_evidence(self, regularization: float) -> float:
        """Return the log evidence of the weighted rows, eq. (16), at the best β."""
        beta = self.best_noise_precision(regularization)
        occam = np.log1p(self.singular_values**2 / regularization).sum()
        return 0.5 * (self.n_rows * (math.log(beta / (2 * math.pi)) - 1) - float(occam))


def without_rounding(singular_values: FloatArray) -> FloatArray:
    """Set singular values [p] below p ε s_max to zero: they are rounding, not information."""
    least = singular_values.max(initial=0.0) * len(singular_values) * np.finfo(float).eps
    return np.where(singular_values <= least, 0.0, singular_values)


def effective_parameters(singular_values: FloatArray, regularization: float) -> float:
    """Return Σ s²/(s² + λ); the rank for λ = 0."""
    squares = singular_values**2
    if regularization == 0:
        return float((squares > 0).sum())
    return float((squares / (squares + regularization)).sum())
