"""The interface of solvers and their result: coefficients with their posterior distribution.

    argmin_c ‖z - R c‖² + λ ‖Γ c‖²          (paper eq. 12, on the reduced problem)

Solvers know nothing about atoms: from a `ReducedProblem` and the diagonal Γ they make a `Solution`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from acnn.arrays import BoolArray, FloatArray
from acnn.solvers.streaming_qr import ReducedProblem


@dataclass(frozen=True)
class Posterior:
    """N(mean, F Fᵀ): the distribution of the coefficients given the data, paper eq. (13).

    Attributes:
        mean: μ [p], eV.
        compute_factor: returns F [p, k], eV; called on first use.
    """

    mean: FloatArray
    compute_factor: Callable[[], FloatArray]

    @cached_property
    def covariance_factor(self) -> FloatArray:
        """F [p, k] with Σ = F Fᵀ in eV²; the variance of a prediction b·c is ‖Fᵀ b‖².

        Raises:
            ValueError: no rows are left to estimate the noise from.
        """
        return self.compute_factor()

    def draw(self, n: int, seed: int) -> FloatArray:
        """Draw n samples of the coefficients [n, p], eV: a committee."""
        factor = self.covariance_factor
        return self.mean + np.random.default_rng(seed).normal(size=(n, factor.shape[1])) @ factor.T


@dataclass(frozen=True)
class Solution:
    """Coefficients, their distribution, and what else the solver determined.

    Attributes:
        coefficients: c [p], eV (the posterior mean).
        regularization: λ; 0 for RRQR; for ARD the geometric mean of α_k/β of the kept functions.
        effective_parameters: number of parameters that the data determine, Σ s²/(s² + λ) over the singular values s of
            R Γ⁻¹; the numerical rank for RRQR, Σ (1 - α_k Σ_kk) for ARD.
        solver: name and parameters.
        posterior: N(c, F Fᵀ).
        kept: the functions that are in the model [p]; coefficients of functions that ARD drops are zero.
        noise_precision: β, the precision of a row of weight one: from the evidence for BLR and ARD, otherwise from the
            residual, β⁻¹ = ‖y - A c‖² / (N - effective parameters), and None if that leaves no rows.
        log_evidence: log p(y | β, Σ_0) of the weighted rows (BLR and ARD), eq. (16).
        warnings: what the user should know, one sentence each.
    """

    coefficients: FloatArray
    regularization: float
    effective_parameters: float
    solver: str
    posterior: Posterior
    kept: BoolArray
    noise_precision: float | None = None
    log_evidence: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def covariance_factor(self) -> FloatArray:
        """F [p, k], see `Posterior.covariance_factor`."""
        return self.posterior.covariance_factor

    def draw(self, n: int, seed: int) -> FloatArray:
        """Draw n samples of the coefficients [n, p], see `Posterior.draw`."""
        return self.posterior.draw(n, seed)

    def without_posterior(self) -> Solution:
        """Return the solution for other processes; the posterior exists only where the factor is."""
        return replace(self, posterior=Posterior(self.posterior.mean, _elsewhere))


def _elsewhere() -> FloatArray:
    raise ValueError("only rank 0 has the posterior of the coefficients")


class Solver(Protocol):
    """An object with its parameters in the constructor, and one method."""

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), gamma [p] > 0."""
        ...


def scaled_factor(problem: ReducedProblem, gamma: FloatArray) -> FloatArray:
    """Return R Γ⁻¹ [p, p], the factor of the problem in x = Γ c."""
    if gamma.shape != problem.target.shape or not (gamma > 0).all() or not np.isfinite(gamma).all():
        raise ValueError("the prior needs one positive number per basis function")
    return np.divide(problem.factor, gamma, order="F")  # so that LAPACK need not copy


def residual_precision(square: float, n_rows: int, effective_parameters: float) -> float | None:
    """Return β = (N - n_eff) / ‖y - A c‖², the noise estimated from the residual; None if no rows are left over."""
    spare = n_rows - effective_parameters
    if spare < 1e-6 * n_rows or spare <= 0:
        return None
    return spare / max(square, n_rows * np.finfo(float).tiny)


def require_precision(noise_precision: float | None) -> float:
    """Return β, or raise an error with the reason why there is none."""
    if noise_precision is None:
        raise ValueError(
            "the coefficients fit every row exactly, so the noise cannot be estimated: add data or use blr"
        )
    return noise_precision


def all_kept(problem: ReducedProblem) -> BoolArray:
    """Return the mask that keeps all functions."""
    return np.ones(len(problem.target), dtype=bool)
