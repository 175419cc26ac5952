"""Complex spherical harmonics of unit vectors, as polynomials in x, y, z: smooth at the poles.

    Y_lm(r̂) = P̄_lm(z) (x + iy)^m,   m ≥ 0,       Y_l,-m = (-1)^m conj(Y_lm)

with the Condon-Shortley phase and ∫|Y_lm|² dΩ = 1 (scipy.special.sph_harm_y). Only m ≥ 0 is kept; column
l(l+1)/2 + m holds (l, m).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def n_harmonics(l_max: int) -> int:
    """Return the number of columns for l = 0 … l_max, m = 0 … l."""
    return (l_max + 1) * (l_max + 2) // 2


def harmonic_index(l: int, m: int) -> int:
    """Return the column of (l, m), m ≥ 0."""
    return l * (l + 1) // 2 + m


def spherical_harmonics(unit_vectors: Tensor, l_max: int) -> tuple[Tensor, Tensor]:
    """Return the real and imaginary parts of Y_lm [n, n_harmonics(l_max)] for unit vectors [n, 3]."""
    x, y, z = unit_vectors.unbind(dim=1)
    legendre = _modified_legendre(z, l_max)
    cosines, sines = [torch.ones_like(x)], [torch.zeros_like(x)]
    for _ in range(l_max):
        c, s = cosines[-1], sines[-1]
        cosines.append(c * x - s * y)
        sines.append(s * x + c * y)
    columns = [(l, m) for l in range(l_max + 1) for m in range(l + 1)]
    real = torch.stack([legendre[l][m] * cosines[m] for l, m in columns], dim=1)
    imaginary = torch.stack([legendre[l][m] * sines[m] for l, m in columns], dim=1)
    return real, imaginary


def _modified_legendre(z: Tensor, l_max: int) -> list[list[Tensor]]:
    """Return P̄_lm(z) / (1 - z²)^(m/2), normalized, by the recursion in l that is stable for all l, m.

    NIST Digital Library of Mathematical Functions, 14.10.3, with the normalization of 14.30.1 absorbed.
    """
    rows: list[list[Tensor]] = []
    diagonal = math.sqrt(1 / (4 * math.pi))
    for l in range(l_max + 1):
        if l > 0:
            diagonal *= -math.sqrt((2 * l + 1) / (2 * l))
        row = [_next_degree(z, rows, l, m) for m in range(l)]
        rows.append([*row, torch.full_like(z, diagonal)])
    return rows


def _next_degree(z: Tensor, rows: list[list[Tensor]], l: int, m: int) -> Tensor:
    a = math.sqrt((4 * l * l - 1) / (l * l - m * m))
    upward = z * rows[l - 1][m]
    if l - 2 >= m:
        upward = upward - math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1)) * rows[l - 2][m]
    return a * upward
