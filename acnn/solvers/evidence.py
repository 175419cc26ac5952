"""The evidence of a linear model with one prior precision per coefficient, and the quantities to maximize it.

Everything comes from one triangular factor: with D = diag α, the QR factorization of

    [√β A D^-½ | √β y]
    [    I     |   0 ]   →   T, t, e

gives Σ = D^-½ T⁻¹ T⁻ᵀ D^-½, the mean D^-½ T⁻¹ t, the penalized misfit e² = β ‖y - A x‖² + Σ α x² and
log p(y) = ½ (N log(β/2π) - e²) - Σ log |T_kk|. Unlike the normal equations this stays accurate for tiny noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.solvers.base import scaled_factor
from acnn.solvers.streaming_qr import ReducedProblem

BLOCK = 64


@dataclass(frozen=True)
class SparseModel:
    """Some of the functions, each with its precision.

    Attributes:
        columns: those of the functions [k], ascending.
        factor: triangular factor of [A_k Γ_k⁻¹ | y], [k + 1, k + 1].
        precisions: α [k], of x = Γ c.
        beta: precision of the noise.
        n_rows: N.
        largest_beta: the precision at which the noise is rounding of y.
    """

    columns: NDArray[np.intp]
    factor: FloatArray
    precisions: FloatArray
    beta: float
    n_rows: int
    largest_beta: float

    @classmethod
    def of(cls, problem: ReducedProblem, gamma: FloatArray, precisions: FloatArray, beta: float) -> SparseModel:
        """Make the model of all functions."""
        p = len(gamma)
        factor = np.zeros((p + 1, p + 1), order="F")
        factor[:p, :p] = scaled_factor(problem, gamma)
        factor[:p, p] = problem.target
        factor[p, p] = problem.residual
        rounding = np.finfo(float).eps ** 2 * float((factor[:, p] ** 2).sum())
        largest = 1.0 / max(rounding, np.finfo(float).tiny)
        return cls(np.arange(p), factor, precisions, min(beta, largest), problem.n_rows, largest)

    def with_precisions(self, precisions: FloatArray, beta: float) -> SparseModel:
        """Return the model with other α and β."""
        return replace(self, precisions=precisions, beta=beta)

    def restricted_to(self, kept: NDArray[np.intp]) -> SparseModel:
        """Keep only the functions at these positions, ascending."""
        (triangle,) = scipy.linalg.qr(self.factor[:, np.append(kept, -1)], mode="r", check_finite=False)
        return replace(
            self,
            columns=self.columns[kept],
            factor=np.asfortranarray(np.triu(triangle[: len(kept) + 1])),
            precisions=self.precisions[kept],
        )


@dataclass(frozen=True)
class Evidence:
    """Mean, covariance and evidence of a model at given α and β.

    Attributes:
        triangle: T with t and e, [k + 1, k + 1].
        factor: F [k, k] with Σ = F Fᵀ, of x.
        mean: x [k].
        shares: 1 - α_k Σ_kk [k], the share of each parameter that the data determine, 0 … 1.
        penalized: e² = β ‖y - A x‖² + Σ α x².
        log_evidence: log p(y | α, β).
    """

    triangle: FloatArray
    factor: FloatArray
    mean: FloatArray
    shares: FloatArray
    penalized: float
    log_evidence: float

    @property
    def relevance(self) -> FloatArray:
        """|x_k| / √Σ_kk [k]: the distance of a coefficient from zero in standard deviations."""
        return np.abs(self.mean) / np.linalg.norm(self.factor, axis=1)

    def misfits(self, order: NDArray[np.intp]) -> FloatArray:
        """Return e² of the first 0 … k functions in this order [k + 1], at the same α and β."""
        (triangle,) = scipy.linalg.qr(self.triangle[:, np.append(order, -1)], mode="r", check_finite=False)
        return np.cumsum(triangle[::-1, -1] ** 2)[::-1]


def evaluate_evidence(model: SparseModel) -> Evidence:
    """Compute mean, covariance and evidence at the α and β of the model, in about k³ operations."""
    k = len(model.columns)
    scale = 1 / np.sqrt(model.precisions)
    triangle = _triangle(model.factor * (math.sqrt(model.beta) * np.append(scale, 1.0)))
    inverse = _inverse(triangle[:k, :k])
    whitened = inverse @ triangle[:k, k]
    penalized = float(triangle[k, k] ** 2)
    return Evidence(
        triangle=triangle,
        factor=scale[:, None] * inverse,
        mean=scale * whitened,
        shares=np.clip(1.0 - (inverse**2).sum(axis=1), 0.0, 1.0),
        penalized=penalized,
        log_evidence=0.5 * (model.n_rows * math.log(model.beta / (2 * math.pi)) - penalized)
        - float(np.log(np.abs(np.diag(triangle)[:k])).sum()),
    )


def _triangle(scaled: FloatArray) -> FloatArray:
    """Return the triangular factor of an upper triangle [k + 1, k + 1] over the identity of the first k columns."""
    below = np.eye(len(scaled), order="F")
    below[-1, -1] = 0.0
    found, _, _, info = scipy.linalg.lapack.dtpqrt(
        len(scaled), min(BLOCK, len(scaled)), np.asfortranarray(scaled), below, overwrite_a=True, overwrite_b=True
    )
    if info:
        raise AssertionError(f"dtpqrt: argument {-info}")
    return np.triu(found)


def _inverse(triangle: FloatArray) -> FloatArray:
    if not len(triangle):
        return triangle
    inverse, info = scipy.linalg.lapack.dtrtri(triangle)
    if info:
        raise AssertionError(f"dtrtri: {info}")
    return np.triu(inverse)
