"""The radial functions g_k of the ``.yace`` format, and least squares with them.

    g_k(r) = ½ (1 + cos πr/r_cut) · {1, ½ (1 - T_1(x)), ½ (1 - T_2(x)), …}                  ("ChebExpCos")
    x(r) = 1 - 2 (e^(-λ r/r_cut) - e^-λ) / (1 - e^-λ)

without the first, whose second derivative has a jump at the cutoff; those of the others have none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray

WEIGHTS_INSIDE = (1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Candidate weights of errors below the shortest distance: the smallest that meets a tolerance is used."""


@dataclass(frozen=True)
class GBase:
    """The functions g_k for k > 0, by way of envelope · (T_k - 1) with ½ (1 + cos πr/r_cut) as envelope.

    Attributes:
        n: number of g_k, with the first.
    """

    cutoff: float
    stretch: float
    n: int

    def values_and_slopes(self, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return envelope · (T_k(x(r)) - 1) for 0 < k < n, and its derivative in 1/Å [n_points, n - 1]."""
        x, slope = self._coordinate(r)
        values, slopes = [np.ones_like(x), x], [np.zeros_like(x), np.ones_like(x)]
        for _ in range(self.n - 2):
            slopes.append(2 * values[-1] + 2 * x * slopes[-1] - slopes[-2])
            values.append(2 * x * values[-1] - values[-2])
        t, t_slope = np.stack(values[1:], axis=1) - 1, np.stack(slopes[1:], axis=1) * slope[:, None]
        envelope = 0.5 * (1 + np.cos(math.pi * r / self.cutoff))[:, None]
        envelope_slope = -0.5 * math.pi / self.cutoff * np.sin(math.pi * r / self.cutoff)[:, None]
        return envelope * t, envelope * t_slope + envelope_slope * t

    def in_format(self, b: FloatArray) -> FloatArray:
        """Return coefficients of g_k [n, …] given those of envelope · (T_k - 1) = -2 · envelope · ½ (1 - T_k)."""
        return np.vstack([np.zeros_like(b[:1]), -2 * b])

    def nodes(self, start: float, end: float, count: int) -> FloatArray:
        """Return distances between start and end whose x are Chebyshev nodes [count]."""
        a, b = self._coordinate(np.array([start, end]))[0]
        x = (a + b) / 2 + (b - a) / 2 * np.cos((np.arange(count) + 0.5) * math.pi / count)
        far = math.exp(-self.stretch)
        return -self.cutoff / self.stretch * np.log((1 - x) / 2 * (1 - far) + far)

    def _coordinate(self, r: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return x(r), from -1 at r = 0 to 1 at the cutoff, and dx/dr."""
        decay, far = np.exp(-self.stretch * r / self.cutoff), math.exp(-self.stretch)
        return 1 - 2 * (decay - far) / (1 - far), 2 * self.stretch / self.cutoff * decay / (1 - far)


def weighted_least_squares(g: list[FloatArray], f: list[FloatArray], tolerance_inside: float) -> FloatArray:
    """Return b with g·b ≈ f outside and, as far as the tolerance requires, inside: g and f are (outside, inside)."""
    allowed = tolerance_inside * np.abs(np.vstack(f)).max(axis=0)
    b = np.zeros((g[0].shape[1], f[0].shape[1]))
    for weight in WEIGHTS_INSIDE:
        wanted = np.vstack([f[0], weight * f[1]])
        b = scipy.linalg.lstsq(np.vstack([g[0], weight * g[1]]), wanted, cond=1e-16, lapack_driver="gelsy")[0]
        if np.all(np.abs(g[1] @ b - f[1]).max(axis=0) <= allowed):
            break
    return b
