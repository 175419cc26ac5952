"""Priors whose coefficients are correlated: c = T x with independent x ~ N(0, ζ⁻¹), T block-diagonal.

The covariance of c is ζ⁻¹ T Tᵀ, so Γ⁻¹ of the diagonal priors becomes T. R T is the factor of the problem in x, with
Γ = 1, and every solver applies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from acnn.arrays import FloatArray, IntArray
from acnn.solvers.base import Posterior, Solution, Solver
from acnn.solvers.streaming_qr import ReducedProblem


@dataclass(frozen=True)
class Rotation:
    """T.

    Attributes:
        blocks: columns, each in one block, and the square block of T [n_columns, n_columns].
    """

    blocks: Sequence[tuple[IntArray, FloatArray]]

    def times(self, x: FloatArray) -> FloatArray:
        """Return T x [p, …]."""
        result = np.empty_like(x)
        for columns, block in self.blocks:
            result[columns] = block @ x[columns]
        return result

    def factor(self, factor: FloatArray) -> FloatArray:
        """Return R T [p, p]."""
        result = np.empty_like(factor, order="F")
        for columns, block in self.blocks:
            result[:, columns] = factor[:, columns] @ block
        return result

    def solve(self, solver: Solver, problem: ReducedProblem) -> Solution:
        """Solve a problem under this prior.

        ARD gives a precision to every x_k: functions are left out where all x_k that contribute to them are.
        """
        rotated = replace(problem, factor=self.factor(problem.factor))
        found = solver.solve(rotated, np.ones(len(problem.target)))
        coefficients = self.times(found.coefficients)
        posterior = Posterior(coefficients, partial(self._covariance_factor, found))
        kept = found.kept if found.kept.all() else coefficients != 0
        return replace(found, coefficients=coefficients, posterior=posterior, kept=kept)

    def _covariance_factor(self, found: Solution) -> FloatArray:
        return self.times(found.covariance_factor)
