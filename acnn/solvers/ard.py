"""Automatic relevance determination (ARD): one prior precision per coefficient, and pruning of functions.

Likelihood y ~ N(A c, β⁻¹), prior x_k ~ N(0, α_k⁻¹) of x = Γ c; α and β maximize the evidence, paper eq. (16) with a
diagonal Σ_0 (MacKay, Neural Comput. 4, 415 (1992); Tipping, J. Mach. Learn. Res. 1, 211 (2001)). The evidence does not
depend on Γ, but has many maxima, and Γ determines where the search starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.solvers.base import Posterior, Solution, scaled_factor
from acnn.solvers.evidence import Evidence, SparseModel, evaluate_evidence
from acnn.solvers.streaming_qr import ReducedProblem

RELEVANCE = 2.0
NEGLIGIBLE = 1e-4  # share of a parameter that the data determine, below which a function may be dropped
SMALLEST_SHARE = 1e-12  # where 1 - α Σ is rounding
FIRST_NOISE = 0.1  # of the variance of the data


@dataclass(frozen=True)
class ARD:
    """Evidence maximization over one precision α_k per coefficient, then pruning.

    Iterates α_k ← (1 - α_k Σ_kk) / x_k² and β ← N / (‖y - A c‖² + Σ α_k x_k²/β) until the log evidence changes by less
    than ``tolerance``. α_k of a function that the data do not support grows without bound, and the function is dropped.
    Of the remaining ones, functions of low relevance |c_k|/√Σ_kk are dropped too, and α and β are found again for the
    rest. An iteration costs about k³ operations, where k functions remain. The search starts with a tenth of the data's
    variance as noise, and with one common α for which the prior's predictions have the variance of the data: with less
    noise it could get stuck interpolating the data if there are fewer rows than functions.

    Posterior: N(c, Γ⁻¹ (β Γ⁻¹AᵀA Γ⁻¹ + diag α)⁻¹ Γ⁻¹) of the kept coefficients; the others are zero.

    Args:
        threshold: minimum distance of a kept coefficient from zero in standard deviations; or "bic": the threshold
            that minimizes the Bayesian information criterion, k ln N + N ln(misfit/N), where the misfit of the k most
            relevant functions is min ‖y - A c‖² + Σ α_j x_j²/β.
        tolerance: stop when the log evidence changes by less than this in one iteration.
        max_iterations: stop after this many, with a warning.
    """

    threshold: float | Literal["bic"] = "bic"
    tolerance: float = 1e-3
    max_iterations: int = 500

    def solve(self, problem: ReducedProblem, gamma: FloatArray) -> Solution:
        """Solve the reduced problem under the prior Γ = diag(gamma), see `Solver`."""
        model = _start(problem, gamma)
        model, evidence, converged = self._maximize(model)
        while (kept := self._selected(model, evidence)) is not None:
            model, evidence, converged = self._maximize(model.restricted_to(kept))
            if self.threshold == "bic":
                break
        return self._solution(model, evidence, gamma, converged)

    def _maximize(self, model: SparseModel) -> tuple[SparseModel, Evidence, bool]:
        evidence = evaluate_evidence(model)
        for _ in range(self.max_iterations):
            updated = _updated(model, evidence)
            found = evaluate_evidence(updated)
            settled = len(updated.columns) == len(model.columns)
            change = abs(found.log_evidence - evidence.log_evidence)
            model, evidence = updated, found
            if settled and change < self.tolerance:
                return model, evidence, True
        return model, evidence, False

    def _selected(self, model: SparseModel, evidence: Evidence) -> NDArray[np.intp] | None:
        """Return the positions of the functions that stay; None if all do."""
        relevance = evidence.relevance
        if self.threshold == "bic":
            order = np.argsort(-relevance, kind="stable")
            kept = np.sort(order[: _best_size(evidence.misfits(order), model.n_rows)])
        else:
            kept = np.flatnonzero(relevance >= self.threshold)
        return kept if len(kept) < len(relevance) else None

    def _solution(self, model: SparseModel, evidence: Evidence, gamma: FloatArray, converged: bool) -> Solution:
        p, k = len(gamma), len(model.columns)
        coefficients, kept = np.zeros(p), np.zeros(p, dtype=bool)
        coefficients[model.columns] = evidence.mean / gamma[model.columns]
        kept[model.columns] = True
        rule = "bic" if self.threshold == "bic" else f"relevance {self.threshold:g}"
        return Solution(
            coefficients=coefficients,
            regularization=float(np.exp(np.log(model.precisions / model.beta).mean())) if k else 0.0,
            effective_parameters=float(evidence.shares.sum()),
            solver=f"ard ({rule}, {k} of {p} functions kept)",
            posterior=Posterior(coefficients, partial(_embedded, evidence.factor, model.columns, gamma)),
            kept=kept,
            noise_precision=model.beta,
            log_evidence=evidence.log_evidence,
            warnings=() if converged else (self._not_converged(),),
        )

    def _not_converged(self) -> str:
        return (
            f"ard stopped after {self.max_iterations} iterations before the log evidence converged to "
            f"{self.tolerance:g}: it may have kept more functions than the data support"
        )


def parse_threshold(value: str | float) -> float | Literal["bic"]:
    """Parse the threshold of `ARD` from "bic", "relevance" or a number ≥ 0."""
    if value == "bic":
        return "bic"
    try:
        number = RELEVANCE if value == "relevance" else float(value)
    except ValueError:
        number = -1.0
    if 0 <= number < np.inf:
        return number
    raise ValueError(
        f"the threshold of ard must be bic, relevance (= {RELEVANCE:g}), or the number of standard deviations a "
        f"coefficient must be away from zero, such as 3, not {str(value)[:60]!r}"
    )


def _start(problem: ReducedProblem, gamma: FloatArray) -> SparseModel:
    signal = float((problem.target**2).sum())
    square = max(signal + problem.residual**2, np.finfo(float).tiny)
    strength = float((scaled_factor(problem, gamma) ** 2).sum()) / max(signal, np.finfo(float).tiny)
    precisions = np.full(len(gamma), strength if strength > 0 else 1.0)
    return SparseModel.of(problem, gamma, precisions, problem.n_rows / (FIRST_NOISE * square))


def _updated(model: SparseModel, evidence: Evidence) -> SparseModel:
    """Take one fixed-point step in α and β; functions without support are dropped."""
    squares = np.maximum(evidence.mean**2, np.finfo(float).tiny)
    precisions = np.maximum(evidence.shares, SMALLEST_SHARE) / squares
    leaving = (evidence.shares < NEGLIGIBLE) & (precisions > model.precisions)
    beta = min(model.n_rows * model.beta / max(evidence.penalized, np.finfo(float).tiny), model.largest_beta)
    updated = model.with_precisions(precisions, beta)
    return updated.restricted_to(np.flatnonzero(~leaving)) if leaving.any() else updated


def _best_size(misfits: FloatArray, n_rows: int) -> int:
    """Return the k that minimizes k ln N + N ln(misfit_k / N), with misfits [p + 1] of the k = 0 … p best functions."""
    least = np.finfo(float).eps ** 2 * max(misfits[0], np.finfo(float).tiny)
    criterion = np.arange(len(misfits)) * np.log(n_rows) + n_rows * np.log(np.maximum(misfits, least) / n_rows)
    return int(np.argmin(criterion))


def _embedded(factor: FloatArray, columns: NDArray[np.intp], gamma: FloatArray) -> FloatArray:
    """Return F [p, k] of all coefficients from that of the kept x."""
    embedded = np.zeros((len(gamma), len(columns)))
    embedded[columns] = factor / gamma[columns, None]
    return embedded
