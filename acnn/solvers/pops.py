"""Pointwise optimal parameter sets (POPS): the uncertainty of a model that cannot reproduce its data.

A posterior narrows with every equation, however large the misfit is that remains. POPS asks instead which coefficients
reproduce one equation exactly and are otherwise as probable as possible (Swinburne and Perez, Mach. Learn.: Sci.
Technol. (2025), doi:10.1088/2632-2153/ad9fce):

    θ_r = μ + H⁻¹ a_r e_r / h_r,        H = AᵀA + λ Γ²,        h_r = a_rᵀ H⁻¹ a_r

a_r is a row, e_r = y_r - a_r·μ its residual, h_r its leverage. Rows of little leverage would demand absurd
coefficients, so those below the median are left out. The rest is enclosed in a box along their principal axes, and
members are drawn evenly from it. Here the axes are those of x = F⁻¹ (θ - μ), with F Fᵀ = H⁻¹/β as in
`acnn.solvers.base.Posterior`, which do not depend on the scale of the functions; and F comes from the triangular
factor, so that H, whose condition number is the square, is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import FloatArray

LEVERAGE_QUANTILE = 0.5
"""Rows of less leverage than this quantile are left out."""
SMALLEST_AXIS = 1e-8
"""Relative to the largest: axes with a smaller sum of squares are rounding."""
MOST_NUMBERS = 100_000_000
"""Numbers that are kept (400 MB); of more rows, those of highest leverage."""


class PointwiseSets:
    """The sets of rows of high leverage, collected from blocks of rows.

    Args:
        factor: F [p, k], the posterior covariance is F Fᵀ.
        noise_precision: β.
        most_rows: number of rows to keep, those of highest leverage.
    """

    def __init__(self, factor: FloatArray, noise_precision: float, most_rows: int | None = None) -> None:
        self.factor, self.noise_precision = factor, noise_precision
        self._most = most_rows or max(2 * factor.shape[1], MOST_NUMBERS // max(factor.shape[1], 1))
        self._every: list[FloatArray] = []
        self._leverages: list[FloatArray] = []
        self._sets: list[NDArray[np.float32]] = []

    def add(self, rows: FloatArray, residuals: FloatArray) -> None:
        """Add weighted rows [n, p] and their residuals y - A μ [n]."""
        projected = rows @ self.factor
        leverages = self.noise_precision * (projected**2).sum(axis=1)
        counts = leverages > 0
        leverages, projected, residuals = leverages[counts], projected[counts], residuals[counts]
        sets = self.noise_precision * projected * (residuals / leverages)[:, None]
        self._every.append(leverages)
        self._take([leverages], [sets.astype(np.float32)])

    def combine(self, other: PointwiseSets) -> None:
        """Take over what another collection has."""
        self._every += other._every
        self._take(other._leverages, other._sets)

    def _take(self, leverages: Sequence[FloatArray], sets: Sequence[NDArray[np.float32]]) -> None:
        self._leverages += leverages
        self._sets += sets
        if sum(map(len, self._leverages)) > 1.25 * self._most:
            self._keep_highest()

    def _keep_highest(self) -> None:
        leverages = np.concatenate(self._leverages)
        highest = np.sort(np.argpartition(-leverages, self._most)[: self._most])
        self._leverages, self._sets = [leverages[highest]], [np.concatenate(self._sets)[highest]]

    @property
    def sets(self) -> FloatArray:
        """The x_r = F⁻¹ (θ_r - μ) of high leverage [n, k].

        Raises:
            ValueError: no row depends on the coefficients.
        """
        if not any(map(len, self._leverages)):
            raise ValueError("no equation depends on the coefficients: there is nothing to estimate uncertainty from")
        least = np.quantile(np.concatenate(self._every), LEVERAGE_QUANTILE)
        return np.concatenate(self._sets)[np.concatenate(self._leverages) >= least].astype(float)

    def draw(self, n: int, seed: int) -> FloatArray:
        """Draw n deviations θ - μ from the box around the sets [n, p]."""
        sets = self.sets
        squares, axes = np.linalg.eigh(sets.T @ sets)
        axes = axes[:, squares > SMALLEST_AXIS * squares[-1]]
        largest = np.abs(axes).argmax(axis=0)
        axes = axes * np.sign(axes[largest, np.arange(len(largest))])  # else rounding decides about their directions
        along = sets @ axes
        low, high = along.min(axis=0), along.max(axis=0)
        drawn = low + (high - low) * np.random.default_rng(seed).uniform(size=(n, len(low)))
        deviations: FloatArray = (drawn @ axes.T) @ self.factor.T
        return deviations
