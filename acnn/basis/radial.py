"""Radial functions R_n(r; z_i, z_j), n = 1 …: what a basis of them must offer, and lengths of bonds.

`RadialBasis` is all that the rest of acnn knows of them: the basis, the compiled kernel, networks and exported files.
`acnn.basis.polynomials` is the one that models have.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers, covalent_radii, reference_states
from torch import Tensor, nn

from acnn.arrays import FloatArray

NEAREST_NEIGHBOR = {
    "fcc": math.sqrt(1 / 2),
    "bcc": math.sqrt(3) / 2,
    "diamond": math.sqrt(3) / 4,
    "sc": 1.0,
}
INNER_WIDTH = 0.1
"""Width of the range where distances fade into a constant, in inner cutoffs."""
SHORTEST_LENGTH = 0.35
"""Shortest r0 of distance transforms of new models, in cutoff radii; see benchmarks/bond_lengths.py."""


def bond_length(element: str) -> float:
    """Return the nearest-neighbor distance (Å) in ASE's reference state, or else twice the covalent radius."""
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
    """Return the mean of the bond lengths of two elements, Å."""
    return (bond_length(one) + bond_length(other)) / 2


def pair_bond_lengths(elements: Sequence[str]) -> FloatArray:
    """Return `pair_bond_length` of all pairs, Å [n_elements, n_elements]."""
    return np.array([[pair_bond_length(a, b) for b in elements] for a in elements])


def transform_lengths(elements: Iterable[str], cutoff: float) -> dict[str, float]:
    """Return r0 in Å of the elements whose bonds are short compared to the cutoff: SHORTEST_LENGTH · r_cut.

    With r0 at the bond of H2, 0.74 Å, y is small where hydrogen atoms of molecules and liquids meet, beyond 1.5 Å, and
    functions with the envelope (y - y_cut)³ nearly vanish there.
    """
    least = SHORTEST_LENGTH * cutoff
    return {element: least for element in elements if bond_length(element) < least}


def seen_distance(r: Tensor, inner: Tensor) -> Tensor:
    """Return r above an inner cutoff, a constant below 0.9 of it, and in between a curve whose slope is C².

    With w = 0.1 r_in and t = (r - r_in + w) / w in [0, 1] the slope is 10t³ - 15t⁴ + 6t⁵. 0 means no inner cutoff.
    """
    width = INNER_WIDTH * inner
    t = ((r - inner + width) / width.clamp(min=1e-12)).clamp(0, 1)
    return torch.where(r < inner, inner - width * (0.5 - t**4 * (2.5 - 3 * t + t * t)), r)


@dataclass(frozen=True)
class ClosedForm:
    """Radial functions as the compiled kernel evaluates them (`Transform` in acnn/kernels/src/program_views.h).

    Attributes:
        transforms: 1/r0, a, p, q, y_cut, x_scale, x_shift of every pair of elements [n_elements, n_elements, 7].
        recurrence: u, v, w of P_{n+1} = (u x - v) P_n - w P_{n-1} [3, n_max].
        envelope: which one multiplies the polynomials.
    """

    transforms: FloatArray
    recurrence: FloatArray
    envelope: str


class RadialBasis(nn.Module, ABC):
    """R_n(r; z_i, z_j) for n = 1 … n_max, each with two derivatives that vanish at the cutoff, and zero beyond.

    Attributes:
        cutoff: in Å.
        n_max: number of functions.
    """

    cutoff: float
    n_max: int

    @abstractmethod
    def forward(self, r: Tensor, element_i: Tensor, element_j: Tensor) -> Tensor:
        """Return R_n [n_pairs, n_max] at distances r (Å) [n_pairs] between elements given by their index."""

    def product(self, element_i: int, element_j: int, ns: tuple[int, ...]) -> FloatArray:
        """Return p_n, n = 1 …, of Π_t R_{n_t} = Σ_n p_n R_n, also beyond n_max: what purification needs."""
        raise ValueError(
            f"products of {type(self).__name__} are not sums of such functions again: set the formulation to "
            "self_interacting, which needs none"
        )

    def closed_form(self) -> ClosedForm | None:
        """Return what the compiled kernel evaluates; with None it takes splines through the functions."""
        return None
