"""Radial functions R_n(r) = f_env(r) P_n(y(r)), Witt et al., J. Chem. Phys. 159, 164101 (2023), eq. (7).

Distance transform (Agnesi): y(r) = [1 + a s^q / (1 + s^(q-p))]^-1 with s = r/r0 and ``a`` such that |dy/dr| is
largest at r0. P_n, n = 1 …, are Jacobi polynomials (Legendre for α = β = 0) orthonormal in x ∈ [-1, 1], which y
covers from y(r_cut) to y(0) = 1, for the weight (1-x)^α (1+x)^β scaled to unit integral.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import roots_jacobi
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.basis.radial import ClosedForm, RadialBasis

ENVELOPE_DEGREE = 3


def agnesi_amplitude(p: float, q: float) -> float:
    """Return a of the Agnesi transform: d²y/ds² = 0 at s = 1, with g = s^q/(1 + s^(q-p)) and h = log g."""
    d = q - p
    h1 = q - d / 2
    h2 = -q - d * (d - 2) / 4
    g, g1, g2 = 0.5, 0.5 * h1, 0.5 * (h2 + h1 * h1)
    return g2 / (2 * g1 * g1 - g * g2)


def agnesi(r: Tensor, r0: Tensor | float, p: float, q: float) -> Tensor:
    """Return y(r), which falls from 1 at r = 0 to 0."""
    s = r / r0
    return 1 / (1 + agnesi_amplitude(p, q) * s**q / (1 + s ** (q - p)))


def jacobi_polynomials(x: Tensor, n_max: int, alpha: float = 0.0, beta: float = 0.0) -> Tensor:
    """Return P_1 … P_{n_max} at x [x.shape, n_max], orthonormal on [-1, 1] for the normalized Jacobi weight."""
    diagonal, off_diagonal = jacobi_recurrence(n_max, alpha, beta)
    values = [torch.ones_like(x)]
    previous = torch.zeros_like(x)
    for n in range(n_max - 1):
        below = off_diagonal[n - 1] if n > 0 else 0.0
        following = ((x - diagonal[n]) * values[-1] - below * previous) / off_diagonal[n]
        previous = values[-1]
        values.append(following)
    return torch.stack(values, dim=-1)


def jacobi_recurrence(n_max: int, alpha: float, beta: float) -> tuple[list[float], list[float]]:
    """Return a, b of x P_n = b_{n-1} P_{n-1} + a_n P_n + b_n P_{n+1} (Gautschi, Orthogonal Polynomials, 2004)."""
    diagonal, off_diagonal = [], []
    for n in range(n_max):
        total = 2 * n + alpha + beta
        diagonal.append(
            (beta - alpha) / (alpha + beta + 2) if n == 0 else (beta * beta - alpha * alpha) / (total * (total + 2))
        )
        k = n + 1
        total = 2 * k + alpha + beta
        if k == 1:
            square = 4 * (1 + alpha) * (1 + beta) / (total * total * (total + 1))
        else:
            square = (
                4 * k * (k + alpha) * (k + beta) * (k + alpha + beta)
                / (total * total * (total * total - 1))
            )  # fmt: skip
        off_diagonal.append(math.sqrt(square))
    return diagonal, off_diagonal


class AgnesiPolynomials(RadialBasis):
    """R_n with one transform per pair of elements.

    Args:
        r0: bond lengths in Å [n_elements, n_elements], symmetric.
        cutoff: r_cut in Å.
        n_max: number of functions.
        p, q: exponents of the transform.
        envelope: "polynomial", (y - y_cut)³, for the many-body basis; "coulomb", r0/r (1 - r/r_cut)³, for the pair
            basis: r0/r less the first three terms of its Taylor series at r_cut; "even", (1 - r²/r_cut²)³, for
            networks.
        jacobi: (α, β) of the polynomials.
    """

    r0: Tensor

    def __init__(
        self,
        r0: Sequence[Sequence[float]],
        cutoff: float,
        n_max: int,
        p: float,
        q: float,
        envelope: str,
        jacobi: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        super().__init__()
        if envelope not in ("polynomial", "coulomb", "even"):
            raise ValueError(f"envelope must be polynomial, coulomb or even, not {envelope!r}")
        self.cutoff, self.n_max, self.p, self.q = cutoff, n_max, p, q
        self.envelope, self.jacobi = envelope, jacobi
        self._lengths = [[float(length) for length in row] for row in r0]
        self.register_buffer("r0", torch.tensor(self._lengths, dtype=torch.float64), persistent=False)
        self._products: dict[tuple[float, tuple[int, ...]], FloatArray] = {}

    def forward(self, r: Tensor, element_i: Tensor, element_j: Tensor) -> Tensor:
        """Return R_n [n_pairs, n_max] at distances r (Å) [n_pairs] between elements given by index."""
        r0 = self.r0[element_i, element_j].to(r.dtype)
        y = agnesi(r, r0, self.p, self.q)
        y_cut = agnesi(torch.full_like(r0, self.cutoff), r0, self.p, self.q)
        polynomials = jacobi_polynomials((2 * y - 1 - y_cut) / (1 - y_cut), self.n_max, *self.jacobi)
        return self._envelope(r, r0, y, y_cut).unsqueeze(-1) * polynomials

    def _envelope(self, r: Tensor, r0: Tensor, y: Tensor, y_cut: Tensor) -> Tensor:
        if self.envelope == "polynomial":
            return (y - y_cut).clamp(min=0.0) ** 3
        if self.envelope == "coulomb":
            return r0 / r * (1 - r / self.cutoff).clamp(min=0.0) ** 3
        return (1 - (r / self.cutoff) ** 2).clamp(min=0) ** 3

    def product(self, element_i: int, element_j: int, ns: tuple[int, ...]) -> FloatArray:
        """Return p_n for n ≤ Σ(n_t - 1) + 3(k - 1) + 1 and k factors: the envelope is a polynomial in y.

        Gauss quadrature of sufficient degree gives p up to rounding.
        """
        if self.envelope != "polynomial":
            return super().product(element_i, element_j, ns)
        r0 = self._lengths[element_i][element_j]
        key = (r0, tuple(sorted(ns)))
        if key not in self._products:
            self._products[key] = self._product(r0, key[1])
        return self._products[key]

    def _product(self, r0: float, ns: tuple[int, ...]) -> FloatArray:
        degree = sum(n - 1 for n in ns) + ENVELOPE_DEGREE * (len(ns) - 1) + 1
        nodes, polynomials, projector = _jacobi_quadrature(degree, *self.jacobi)
        y_cut = float(agnesi(torch.tensor(self.cutoff, dtype=torch.float64), r0, self.p, self.q))
        y = y_cut + (nodes + 1) * (1 - y_cut) / 2
        envelopes = (y - y_cut) ** (ENVELOPE_DEGREE * (len(ns) - 1))
        return projector @ (envelopes * math.prod(polynomials[n - 1] for n in ns))

    def closed_form(self) -> ClosedForm:
        """Return the numbers from which the kernel computes these functions."""
        transforms = [[_transform_row(r0, self.cutoff, self.p, self.q) for r0 in row] for row in self._lengths]
        return ClosedForm(np.array(transforms), polynomial_recurrence(self.n_max, self.jacobi), self.envelope)


@functools.cache
def _jacobi_quadrature(degree: int, alpha: float, beta: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return nodes, P_n at the nodes [degree, n_nodes], and the projector onto P_n, exact up to P_degree."""
    nodes, weights = roots_jacobi(degree + 1, alpha, beta)
    polynomials = jacobi_polynomials(torch.as_tensor(nodes), degree, alpha, beta).numpy().T
    return nodes, polynomials, polynomials * (weights / weights.sum())


def _transform_row(r0: float, cutoff: float, p: float, q: float) -> tuple[float, ...]:
    """Return 1/r0, a, p, q, y_cut, x_scale, x_shift."""
    amplitude, s = agnesi_amplitude(p, q), cutoff / r0
    y_cut = 1 / (1 + amplitude * s**q / (1 + s ** (q - p)))
    return 1 / r0, amplitude, p, q, y_cut, 2 / (1 - y_cut), -(1 + y_cut) / (1 - y_cut)


def polynomial_recurrence(n_max: int, jacobi: tuple[float, float]) -> FloatArray:
    """Return u, v, w [3, n_max] of P_{n+1} = (u x - v) P_n - w P_{n-1}."""
    diagonal, off = (np.array(values) for values in jacobi_recurrence(max(1, n_max), *jacobi))
    below = np.concatenate([[0.0], off[:-1]])
    return np.stack([1 / off, diagonal / off, below / off])
