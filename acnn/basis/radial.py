"""Radial functions R_n(r) = f_env(r) P_n(y(r)), Witt et al., J. Chem. Phys. 159, 164101 (2023), eq. (7).

Distance transform (Agnesi): y(r) = [1 + a s^q / (1 + s^(q-p))]^-1 with s = r/r0 and ``a`` such that |dy/dr| is
largest at r0. P_n, n = 1 …, are Jacobi polynomials (Legendre for α = β = 0) orthonormal in x ∈ [-1, 1], which y
covers from y(r_cut) to y(0) = 1, for the weight (1-x)^α (1+x)^β scaled to unit integral.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii, reference_states
from torch import Tensor, nn

NEAREST_NEIGHBOR = {
    "fcc": math.sqrt(1 / 2),
    "bcc": math.sqrt(3) / 2,
    "diamond": math.sqrt(3) / 4,
    "sc": 1.0,
}
INNER_WIDTH = 0.1
"""In inner cutoffs: where distances fade into a constant."""
SHORTEST_LENGTH = 0.35
"""Of distance transforms of new models, in cutoff radii; see benchmarks/bond_lengths.py."""


def bond_length(element: str) -> float:
    """Nearest-neighbor distance (Å) of the element's reference state in ASE, else twice its covalent radius."""
    number = atomic_numbers[element]
    state: dict[str, Any] = reference_states[number] or {}
    if state.get("symmetry") == "diatom":
        return float(state["d"])
    if state.get("symmetry") == "hcp":
        return float(state["a"]) * min(1.0, math.sqrt(1 / 3 + float(state["c/a"]) ** 2 / 4))
    if state.get("symmetry") in NEAREST_NEIGHBOR:
        return NEAREST_NEIGHBOR[state["symmetry"]] * float(state["a"])
    return 2 * float(covalent_radii[number])


def pair_bond_length(one: str, other: str) -> float:
    """Mean of the bond lengths of two elements, Å."""
    return (bond_length(one) + bond_length(other)) / 2


def transform_lengths(elements: Iterable[str], cutoff: float) -> dict[str, float]:
    """r0 in Å of the elements whose bonds are short against the cutoff: SHORTEST_LENGTH · r_cut.

    With r0 at the bond of H2, 0.74 Å, y is small where hydrogen atoms of molecules and liquids meet, beyond 1.5 Å, and
    functions with the envelope (y - y_cut)³ nearly vanish there.
    """
    least = SHORTEST_LENGTH * cutoff
    return {element: least for element in elements if bond_length(element) < least}


def agnesi_amplitude(p: float, q: float) -> float:
    """a of the Agnesi transform: d²y/ds² = 0 at s = 1, with g = s^q/(1 + s^(q-p)) and h = log g."""
    d = q - p
    h1 = q - d / 2
    h2 = -q - d * (d - 2) / 4
    g, g1, g2 = 0.5, 0.5 * h1, 0.5 * (h2 + h1 * h1)
    return g2 / (2 * g1 * g1 - g * g2)


def agnesi(r: Tensor, r0: Tensor | float, p: float, q: float) -> Tensor:
    """y(r), 1 at r = 0 and falling to 0."""
    s = r / r0
    return 1 / (1 + agnesi_amplitude(p, q) * s**q / (1 + s ** (q - p)))


def seen_distance(r: Tensor, inner: Tensor) -> Tensor:
    """r where it is above an inner cutoff, constant below 0.9 of it, and between them with a slope that is C².

    With w = 0.1 r_in and t = (r - r_in + w) / w in [0, 1] the slope is 10t³ - 15t⁴ + 6t⁵. An inner cutoff of 0 is none.
    """
    width = INNER_WIDTH * inner
    t = ((r - inner + width) / width.clamp(min=1e-12)).clamp(0, 1)
    return torch.where(r < inner, inner - width * (0.5 - t**4 * (2.5 - 3 * t + t * t)), r)


def jacobi_polynomials(x: Tensor, n_max: int, alpha: float = 0.0, beta: float = 0.0) -> Tensor:
    """P_1 … P_{n_max} at x, orthonormal on [-1, 1] for the normalized Jacobi weight: shape x.shape + (n_max,)."""
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
    """Coefficients of x P_n = b_{n-1} P_{n-1} + a_n P_n + b_n P_{n+1} (Gautschi, Orthogonal Polynomials, 2004)."""
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


class RadialBasis(nn.Module):
    """R_n(r; z_i, z_j) for n = 1 … n_max, with one transform per pair of elements.

    Args:
        r0: bond lengths in Å [n_elements, n_elements], symmetric.
        cutoff: r_cut in Å; every function and its first two derivatives vanish there.
        n_max: number of functions.
        p, q: exponents of the transform.
        envelope: "polynomial", (y - y_cut)³, for the many-body basis; "coulomb", r0/r (1 - r/r_cut)³, for the pair
            basis: r0/r less the first three terms of its Taylor series at r_cut.
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
        if envelope not in ("polynomial", "coulomb"):
            raise ValueError(f"unknown envelope {envelope!r}: it is polynomial or coulomb")
        self.cutoff, self.n_max, self.p, self.q = cutoff, n_max, p, q
        self.envelope, self.jacobi = envelope, jacobi
        self.register_buffer("r0", torch.as_tensor(np.asarray(r0, dtype=float)), persistent=False)

    def forward(self, r: Tensor, element_i: Tensor, element_j: Tensor) -> Tensor:
        """R_n [n_pairs, n_max] at distances r (Å) [n_pairs] between elements given by their index."""
        r0 = self.r0[element_i, element_j].to(r.dtype)
        y = agnesi(r, r0, self.p, self.q)
        y_cut = agnesi(torch.full_like(r0, self.cutoff), r0, self.p, self.q)
        return self._envelope(r, r0, y, y_cut).unsqueeze(-1) * self.polynomials(y, y_cut)

    def polynomials(self, y: Tensor, y_cut: Tensor) -> Tensor:
        """P_n(y) [..., n_max]."""
        return jacobi_polynomials((2 * y - 1 - y_cut) / (1 - y_cut), self.n_max, *self.jacobi)

    def _envelope(self, r: Tensor, r0: Tensor, y: Tensor, y_cut: Tensor) -> Tensor:
        if self.envelope == "polynomial":
            return (y - y_cut).clamp(min=0.0) ** 3
        return r0 / r * (1 - r / self.cutoff).clamp(min=0.0) ** 3
