"""pure2b: products without their self-interaction pair term.

On an environment with a single neighbor an invariant of order ν is const · Π_t R_{n_t}(r). The envelope is a
polynomial in y, so Π_t R_{n_t} = f_env Σ_m p_m P_m exactly, with m ≤ Σ(n_t - 1) + 4(ν - 1) + 1. Subtracting
const · Σ_j Σ_m p_m R_m(r_ij) makes the invariant vanish for a single neighbor (Witt et al. 2023, appendix 1), and is a
combination of the densities A_{zm00} = Σ_j R_m / sqrt(4π).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import roots_jacobi

from acnn.basis.radial import RadialBasis, agnesi, jacobi_polynomials
from acnn.basis.specification import Multiset

ENVELOPE_DEGREE = 4


def purified_degree(multiset: Multiset) -> int:
    """The largest radial index m of the single-neighbor polynomial."""
    return sum(c.n - 1 for c in multiset) + ENVELOPE_DEGREE * (len(multiset) - 1) + 1


def single_neighbor_polynomials(multisets: list[Multiset], radial: RadialBasis, r0: float) -> list[NDArray[np.float64]]:
    """p_m, m = 1 …, of every multiset for a pair with bond length r0 (Å), by exact Gauss-Jacobi quadrature."""
    degree = max(map(purified_degree, multisets), default=1)
    alpha, beta = radial.jacobi
    nodes, weights = roots_jacobi(degree + 1, alpha, beta)
    polynomials = jacobi_polynomials(torch.as_tensor(nodes), degree, alpha, beta).numpy().T
    y_cut = float(agnesi(torch.tensor(radial.cutoff, dtype=torch.float64), r0, radial.p, radial.q))
    y = y_cut + (nodes + 1) * (1 - y_cut) / 2
    envelope = y**2 * (y - y_cut) ** 2
    projector = polynomials * (weights / weights.sum())
    coefficients = []
    for multiset in multisets:
        product = envelope ** (len(multiset) - 1) * math.prod(polynomials[c.n - 1] for c in multiset)
        coefficients.append((projector @ product)[: purified_degree(multiset)])
    return coefficients
