"""Products of one-particle functions of the same neighbor, as sums of one-particle functions.

    Π_t R_{n_t}(r) Y_{l_t m_t}(r̂) = Σ_n p_n R_n(r) · Σ_l g_l Y_{l, Σm}(r̂)

The radial basis gives p (`acnn.basis.radial.RadialBasis.product`). g has l ≤ Σ l_t, and Gauss
quadrature of sufficient degree gives it up to rounding.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import roots_legendre

from acnn.arrays import FloatArray, IntArray
from acnn.basis.angular import harmonic_index, spherical_harmonics
from acnn.basis.coupling import Channels, coupling_coefficients

Partition = tuple[tuple[int, ...], ...]
"""Positions of the factors of a product, grouped into blocks that share a neighbor."""

NEGLIGIBLE = 1e-12
"""Coupling coefficients are of order 1 or, where a selection rule forbids them, rounding errors."""


@dataclass(frozen=True)
class ContractedCoupling:
    """Invariants of a multiset in which the factors of each block belong to the same neighbor.

    Attributes:
        lm: (l, m) of every block, int64 [n_products, n_blocks, 2].
        coefficients: [n_products, n_invariants].
    """

    lm: IntArray
    coefficients: FloatArray

    @functools.cached_property
    def degrees(self) -> list[list[int]]:
        """The l of every block."""
        return [np.unique(self.lm[:, b, 0]).tolist() for b in range(self.lm.shape[1])]


@functools.cache
def contracted_coupling(channels: Channels, partition: Partition) -> ContractedCoupling:
    """Expand Σ_m C_m Π_b (Π_{t in b} Y_{l_t m_t}) as Σ C'_{lm} Π_b Y_{l_b m_b}.

    Args:
        channels: those of the multiset, as for `coupling_coefficients`.
        partition: a partition of the positions 0 … ν - 1 in the order of the multiset.
    """
    l = [degree for degree, copies in channels for _ in range(copies)]
    m, coupling = _ordered_coupling(channels) if len(partition) < len(l) else _coupling(channels)
    m_of_blocks = np.stack([m[:, block].sum(axis=1) for block in partition], axis=1)
    distinct, place = np.unique(m_of_blocks, axis=0, return_inverse=True)
    expansions = [_block_expansion(tuple(l[t] for t in block), m[:, block]) for block in partition]
    lm, coefficients = [], []
    for choice in itertools.product(*expansions):
        weight = np.prod([expansion[degree] for expansion, degree in zip(expansions, choice, strict=True)], axis=0)
        summed = np.zeros((len(distinct), len(coupling)))
        np.add.at(summed, place.reshape(-1), weight[:, None] * coupling.T)
        summed[np.abs(summed) < NEGLIGIBLE] = 0.0
        kept = summed.any(axis=1)
        degrees = np.broadcast_to(np.array(choice), distinct.shape)
        lm.append(np.stack([degrees, distinct], axis=2)[kept])
        coefficients.append(summed[kept])
    return ContractedCoupling(np.concatenate(lm), np.concatenate(coefficients))


def _coupling(channels: Channels) -> tuple[IntArray, FloatArray]:
    """Return m of every factor [n_products, order], and the coefficients [n_invariants, n_products]."""
    products, coupling = coupling_coefficients(channels)
    order = sum(copies for _, copies in channels)
    return np.array([sum(ms, ()) for ms in products], dtype=np.int64).reshape(-1, order), coupling


@functools.cache
def _ordered_coupling(channels: Channels) -> tuple[IntArray, FloatArray]:
    """Return the same with the m of equal channels in every order, sharing the coefficient: an invariant tensor.

    Only then are the contractions of a single partition invariant, and do they obey the selection rules.
    """
    products, coupling = coupling_coefficients(channels)
    m, source = [], []
    for position, ms in enumerate(products):
        orders = [sorted(set(itertools.permutations(channel))) for channel in ms]
        found = [sum(choice, ()) for choice in itertools.product(*orders)]
        m += found
        source += [(position, 1 / len(found))] * len(found)
    positions, shares = (np.array(column) for column in zip(*source, strict=True))
    return np.array(m, dtype=np.int64), coupling[:, positions] * shares


def _block_expansion(l: tuple[int, ...], m: IntArray) -> dict[int, FloatArray]:
    """Return g_l of Π_t Y_{l_t m_t} for every row of m [n, n_factors], by l: [n]."""
    if len(l) == 1:
        return {l[0]: np.ones(len(m))}
    highest = sum(l)
    weights, harmonics = _meridian(highest)
    product = math.prod(_signed(harmonics, degree, m[:, t]) for t, degree in enumerate(l))
    total = m.sum(axis=1)
    return {
        degree: 2 * math.pi * (product * _signed(harmonics, degree, total)) @ weights
        for degree in range(highest % 2, highest + 1, 2)
    }


@functools.cache
def _meridian(l_max: int) -> tuple[FloatArray, FloatArray]:
    """Return weights in cos θ, exact for harmonics of total degree 2 l_max, and Y_lm at φ = 0, which are real."""
    cosines, weights = roots_legendre(l_max + 1)
    points = np.stack([np.sqrt(1 - cosines**2), np.zeros_like(cosines), cosines], axis=1)
    real, _ = spherical_harmonics(torch.as_tensor(points), l_max)
    return weights, real.numpy().T


def _signed(harmonics: FloatArray, l: int, m: IntArray) -> FloatArray:
    """Return Y_lm at the nodes for every m [n, n_nodes], zero for |m| > l."""
    size = np.abs(m)
    sign = np.where(size > l, 0.0, np.where((m < 0) & (m % 2 == 1), -1.0, 1.0))
    return sign[:, None] * harmonics[harmonic_index(l, 0) + np.minimum(size, l)]
