"""Invariants of three real densities and products of two, with the real Gaunt coefficients.

    B_v   = Σ_t c_t A_{a1} A_{a2} A_{a3}              c_{a1 a2 a3} ∝ ∫ Y_{a1} Y_{a2} Y_{a3} dΩ , over the ordered
    P_v,a = Σ_t c_t A_{a1} A_{a2}                     components of (l1, l2, l3), or with a of degree l for the third

B is invariant because an integral over all directions is, and P_v,a rotates like Y_a. Component a = l² + c of degree l:
c = 0 is m = 0, c = 2m - 1 the cosine and c = 2m the sine of m φ.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.basis.angular import harmonic_index, spherical_harmonics


def real_harmonics(unit_vectors: Tensor, l_max: int) -> Tensor:
    """Return √(4π) times the real spherical harmonics of unit vectors [n, 3]: Y_0 = 1, Σ Y_a² = 2l + 1.

    Returns:
        [n, (l_max + 1)²].
    """
    real, imaginary = spherical_harmonics(unit_vectors, l_max)
    columns = []
    for l in range(l_max + 1):
        columns.append(math.sqrt(4 * math.pi) * real[:, harmonic_index(l, 0)])
        for m in range(1, l + 1):
            both = (real, imaginary)
            columns += [math.sqrt(8 * math.pi) * part[:, harmonic_index(l, m)] for part in both]
    return torch.stack(columns, dim=1)


def coupled_degrees(l_max: int) -> list[tuple[int, int, int]]:
    """List all 1 ≤ l1 ≤ l2 ≤ l3 ≤ l_max that couple to an invariant that is no product of smaller ones."""
    triples = combinations_with_replacement(range(1, l_max + 1), 3)
    return [(a, b, c) for a, b, c in triples if c <= a + b and (a + b + c) % 2 == 0]


def triple_products(l_max: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Return terms (v, a1, a2, a3) [n, 4] and their coefficients [n].

    The squares of the coefficients over ordered components add up to 1 for every invariant v.
    """
    return _merged_terms(coupled_degrees(l_max), l_max, lambda place: tuple(sorted(place)))


def product_degrees(l_max: int) -> list[tuple[int, int, int]]:
    """List all (l1, l2, l), 1 ≤ l1 ≤ l2 ≤ l_max, in which two densities couple to degree l ≤ l_max, by ascending l."""
    pairs = list(combinations_with_replacement(range(1, l_max + 1), 2))
    return [(a, b, l) for l in range(l_max + 1) for a, b in pairs if b - a <= l <= a + b and (a + b + l) % 2 == 0]


def density_products(l_max: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Return terms (v, a, a1, a2) [n, 4], sorted, and their coefficients [n], for the couplings v of `product_degrees`.

    The squares of the coefficients over ordered a1, a2 add up to 1 for every v and a.
    """
    degrees = product_degrees(l_max)
    terms, coefficients = _merged_terms(degrees, l_max, lambda place: (place[2], *sorted(place[:2])))
    size = np.sqrt([2 * l + 1 for _, _, l in degrees])
    return terms, coefficients * size[terms[:, 0]]


def _merged_terms(
    degrees: Sequence[tuple[int, int, int]], l_max: int, ordered: Callable[[tuple[int, ...]], tuple[int, ...]]
) -> tuple[NDArray[np.int32], FloatArray]:
    """Return sorted (v, *ordered(a1, a2, a3)) of all components that couple, and the sums of equal ones."""
    directions, weights = sphere_quadrature(3 * l_max)
    harmonics = real_harmonics(torch.as_tensor(directions), l_max).numpy()
    terms: list[tuple[int, ...]] = []
    coefficients: list[float] = []
    for v, of_v in enumerate(degrees):
        components = [range(l * l, (l + 1) ** 2) for l in of_v]
        gaunt = np.einsum("g,ga,gb,gc->abc", weights, *(harmonics[:, list(c)] for c in components))
        gaunt /= np.linalg.norm(gaunt)
        merged: Counter[tuple[int, ...]] = Counter()
        for place in product(*components):
            merged[ordered(place)] += gaunt[tuple(a - c.start for a, c in zip(place, components, strict=True))]
        kept = {abc: float(value) for abc, value in sorted(merged.items()) if abs(value) > 1e-10}
        terms += [(v, *abc) for abc in kept]
        coefficients += kept.values()
    return np.array(terms, dtype=np.int32).reshape(-1, 4), np.array(coefficients)


def sphere_quadrature(degree: int) -> tuple[FloatArray, FloatArray]:
    """Return directions [n, 3] and weights [n] (sum 1) that integrate polynomials up to this degree exactly."""
    z, along = np.polynomial.legendre.leggauss(degree // 2 + 1)
    angles = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    ring = np.sqrt(1 - z**2)
    x, y = np.outer(ring, np.cos(angles)), np.outer(ring, np.sin(angles))
    directions = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1).reshape(-1, 3)
    return directions, np.repeat(along / 2 / len(angles), len(angles))
