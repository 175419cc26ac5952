"""The number of basis functions, without listing them.

A multiset of channels (z, n, l) couples to N(Σm = 0) - N(Σm = 1) invariants (`acnn.basis.coupling`). The number of
functions of order ν is therefore that of multisets of ν one-particle functions (z, n, l, m) with Σm = 0, minus that of
those with Σm = 1. With powers of x and y for n and l, and the character of rotations by θ for the sum over m,

    p_k = n_z Σ_nl x^(kn) y^(kl) χ_l(kθ) ,   χ_l(θ) = sin((l + ½) θ) / sin(θ / 2) ,   ν h_ν = Σ_k p_k h_(ν-k)

(Newton's identities; h_ν generates the multisets), and both counts are means of h_ν over θ, with 1 and cos θ.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.fft

from acnn.arrays import FloatArray

MOST_FUNCTIONS = 10_000_000
"""Counting stops here: the equations of such a basis fit in no computer's memory."""
LARGEST_ARRAY = 4_000_000
"""Entries of the arrays made at once; it limits the number of angles in a chunk."""


class BasisSize(NamedTuple):
    """Numbers of functions, and of the products Π A of densities with Σm = 0 that they consist of."""

    functions: int
    products: int


def many_body_size(n_elements: int, degrees: Mapping[int, float], wl: float) -> BasisSize:
    """Count the functions of one center element, given the total degree of each order.

    Beyond `MOST_FUNCTIONS` the result is a lower bound.
    """
    size = BasisSize(0, 0)
    for order, degree in sorted(degrees.items()):
        if size.functions <= MOST_FUNCTIONS:
            more = _size_of_order(n_elements, order, degree, wl)
            size = BasisSize(size.functions + more.functions, size.products + more.products)
    return size


@functools.cache
def _size_of_order(n_elements: int, order: int, degree: float, wl: float) -> BasisSize:
    n_most, l_most = int(degree + 1e-9), int(max(0.0, degree - order) / wl + 1e-9)
    inside = np.arange(n_most + 1)[:, None] + wl * np.arange(l_most + 1) <= degree + 1e-9
    inside[:, 1::2] = False  # odd Σl: no invariant under reflection
    n_angles = l_most + 2
    angles = 2 * np.pi * np.arange(n_angles // 2 + 1) / n_angles
    share = np.where((angles == 0) | (2 * np.arange(len(angles)) == n_angles), 1.0, 2.0) / n_angles
    totals = np.empty(len(angles))
    at_once = max(1, LARGEST_ARRAY // inside.size)
    for start in range(0, len(angles), at_once):
        some = slice(start, start + at_once)
        totals[some] = (_multisets(n_elements, order, inside.shape, angles[some]) * inside).sum(axis=(1, 2))
    products, raised = float(share @ totals), float(share @ (np.cos(angles) * totals))
    return BasisSize(round(products - raised), round(products))


def _multisets(n_elements: int, order: int, shape: tuple[int, ...], angles: FloatArray) -> FloatArray:
    """Return h_ν as polynomials in x and y, truncated to the given shape [n_angles, n_x, n_y]."""
    powers = {k: n_elements * _one_particle(k, shape, angles) for k in range(1, order + 1)}
    found = {0: np.zeros((len(angles), *shape))}
    found[0][:, 0, 0] = 1.0
    for size in range(1, order + 1):
        terms = [_product(powers[k], found[size - k]) for k in range(1, size)] + [powers[size]]
        found[size] = sum(terms[1:], terms[0]) / size
    return found[order]


def _one_particle(k: int, shape: tuple[int, ...], angles: FloatArray) -> FloatArray:
    """Return Σ_nl x^(kn) y^(kl) χ_l(kθ), n = 1 …, l = 0 … [n_angles, n_x, n_y]."""
    values = np.zeros((len(angles), *shape))
    columns = np.arange(0, shape[1], k)
    values[:, k::k, ::k] = _characters(len(columns), k * angles)[:, None, :]
    return values


def _characters(n: int, angles: FloatArray) -> FloatArray:
    """Return χ_0 … χ_(n-1) [n_angles, n]: χ_l = 1 + 2 Σ_(m ≤ l) cos mθ."""
    cosines = 2 * np.cos(angles[:, None] * np.arange(n))
    cosines[:, 0] = 1.0
    return np.cumsum(cosines, axis=1)


def _product(one: FloatArray, other: FloatArray) -> FloatArray:
    """Multiply polynomials, dropping higher powers."""
    shape = one.shape[1:]
    size = [scipy.fft.next_fast_len(2 * n - 1, real=True) for n in shape]
    both = scipy.fft.rfft2(one, size) * scipy.fft.rfft2(other, size)
    return scipy.fft.irfft2(both, size)[:, : shape[0], : shape[1]]
