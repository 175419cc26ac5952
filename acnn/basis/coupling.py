"""Rotation- and permutation-invariant coupling coefficients (generalized Clebsch-Gordan, J = 0).

The products of one multiset of (z, n, l), k_g copies of each distinct channel g, span ⊗_g Sym^{k_g}(V_{l_g}).
In its basis of occupation numbers |…, N_gm, …⟩ (N_gm copies of channel g have the index m) the raising operator is
that of bosons,

    J₊ = Σ_gm sqrt(l(l+1) - m(m+1)) a†_{g,m+1} a_{g,m} ,

and the invariants are its kernel in the space with Σm = 0. J₊ maps onto the space with Σm = 1, so there are exactly
N(Σm = 0) - N(Σm = 1) of them: the count is known before any rounding, and no dependent function ever appears.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from itertools import combinations_with_replacement, product

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray, IntArray

Channels = tuple[tuple[int, int], ...]
"""(l, number of copies) of every distinct channel of a multiset, in a fixed order."""

MList = tuple[tuple[int, ...], ...]
"""The m of the copies of every channel, ascending."""


def m_multisets(channels: Channels, total_m: int) -> list[MList]:
    """List all distinct assignments of m to the copies with Σm = total_m, in lexicographic order."""
    per_channel = [
        list(combinations_with_replacement(range(-l, l + 1), copies)) for l, copies in channels
    ]  # fmt: skip
    return [ms for ms in product(*per_channel) if sum(map(sum, ms)) == total_m]


@functools.cache
def n_invariants(channels: Channels) -> int:
    """Return the number of independent invariants, N(Σm = 0) - N(Σm = 1)."""
    largest = sum(l * copies for l, copies in channels)
    if largest % 2 or largest == 0:
        return int(largest == 0)
    ways = functools.reduce(np.convolve, (m_counts(l, copies) for l, copies in channels))
    return int(ways[largest] - ways[largest + 1])


@functools.cache
def m_counts(l: int, copies: int) -> IntArray:
    """Count the multisets of ``copies`` values of m of degree l by Σm = -copies·l … copies·l [2 copies l + 1]."""
    ways = np.zeros((copies + 1, 2 * l * copies + 1), np.int64)
    ways[0, 0] = 1
    for m in range(2 * l + 1):
        for taken in range(1, copies + 1):
            ways[taken, m:] += ways[taken - 1, : ways.shape[1] - m]
    return ways[copies]


@functools.cache
def coupling_coefficients(channels: Channels) -> tuple[list[MList], FloatArray]:
    """Return products and coefficients C [n_invariants, n_products] with B = Σ C · Π A_{lm}.

    As tensors over ordered copies, the invariants are orthonormal. The basis results from Gram-Schmidt on the rows of
    the projector onto the kernel, in lexicographic order, so it does not depend on the linear algebra library.
    An odd Σl has no invariant under reflection: none is returned.
    """
    products = m_multisets(channels, 0)
    count = n_invariants(channels)
    if count <= 0:
        return products, np.zeros((0, len(products)))
    kernel = _kernel(_raising_operator(channels, products), count)
    vectors = _lexicographic_basis(kernel @ kernel.T, count)
    multiplicity = np.sqrt([_orderings(ms) for ms in products])
    return products, vectors * multiplicity


def _raising_operator(channels: Channels, products: list[MList]) -> FloatArray:
    targets = {ms: row for row, ms in enumerate(m_multisets(channels, 1))}
    operator = np.zeros((len(targets), len(products)))
    for column, ms in enumerate(products):
        for g, (l, _) in enumerate(channels):
            occupation = Counter(ms[g])
            for m, copies in occupation.items():
                if m == l:
                    continue
                raised = list(ms[g])
                raised[raised.index(m)] = m + 1
                target = (*ms[:g], tuple(sorted(raised)), *ms[g + 1 :])
                bosonic = math.sqrt(copies * (occupation[m + 1] + 1))
                operator[targets[target], column] += math.sqrt(l * (l + 1) - m * (m + 1)) * bosonic
    return operator


def _kernel(operator: FloatArray, count: int) -> FloatArray:
    """Return an orthonormal basis [n_products, count] of the kernel, whose dimension is known."""
    if operator.shape[0] == 0:
        return np.eye(operator.shape[1])
    q, _ = scipy.linalg.qr(operator.T)
    kernel = q[:, operator.shape[1] - count :]
    if not np.abs(operator @ kernel).max() < 1e-10:
        raise ArithmeticError(f"the kernel of the raising operator is not {count}-dimensional")
    return kernel


def _lexicographic_basis(projector: FloatArray, count: int) -> FloatArray:
    basis: list[FloatArray] = []
    for row in projector:
        residual = row.copy()
        for _ in range(2):
            for vector in basis:
                residual -= (vector @ residual) * vector
        norm = np.linalg.norm(residual)
        if norm > 1e-6:
            basis.append(residual / norm)
        if len(basis) == count:
            return np.array(basis)
    raise ArithmeticError(f"found {len(basis)} of {count} independent invariants")


def _orderings(ms: MList) -> int:
    """Count the ways to order the m of each channel's copies."""
    ways = 1
    for channel in ms:
        ways *= math.factorial(len(channel))
        for copies in Counter(channel).values():
            ways //= math.factorial(copies)
    return ways
