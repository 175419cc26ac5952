"""Features of structures from the distances in them: alike for structures that differ by rotation or order of atoms.

For each pair of elements the sums of sin(kπ r/r_c)/r · f(r) over neighbors, and for each element the sums over its
atoms of the square root of a density, Σ_j exp(−r/λ) f(r), all per atom, besides the shares of the elements. f(r) goes
to zero at the cutoff r_c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from acnn.arrays import FloatArray, IntArray
from acnn.neighbors import neighbor_pairs, pair_vectors

CUTOFF = 5.0
"""Å"""
WAVES = 8
DECAYS = (0.4, 0.8, 1.6)
"""λ, Å."""


@dataclass(frozen=True)
class Environment:
    """What the distances in a structure say.

    Attributes:
        features: as above [n].
        closest: shortest distance over the sum of the covalent radii of the two atoms; infinite without neighbors.
        distance: that distance, Å.
        elements: chemical symbols of the two.
        spacing: median over the atoms of the distance to the nearest neighbor, over the sum of covalent radii.
        asymmetry: largest |Σ_j r_ij/r² f(r)| of an atom, 1/Å: 0 where symmetry forbids a force.
    """

    features: FloatArray
    closest: float
    distance: float
    elements: tuple[int, int]
    spacing: float
    asymmetry: float


def environment(atoms: Atoms, elements: Sequence[str], by_pair: bool = True) -> Environment:
    """Describe a structure.

    Args:
        elements: those of the data.
        by_pair: whether pairs of elements are told apart.
    """
    i, j, shifts = neighbor_pairs(atoms, CUTOFF)
    vectors = pair_vectors(atoms, i, j, shifts)
    lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-6)
    kinds = np.searchsorted([atomic_numbers[element] for element in elements], atoms.numbers)
    smooth = 0.5 * (1 + np.cos(np.pi * lengths / CUTOFF))
    features = _features(kinds, i, j, lengths, smooth, len(elements), by_pair)
    if not len(lengths):
        return Environment(features, np.inf, np.inf, (0, 0), np.inf, 0.0)
    relative = lengths / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
    closest = int(np.argmin(relative))
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, i, relative)
    pulls = np.zeros((len(atoms), 3))
    np.add.at(pulls, i, vectors * (smooth / lengths**2)[:, None])
    return Environment(
        features,
        float(relative[closest]),
        float(lengths[closest]),
        (int(atoms.numbers[i[closest]]), int(atoms.numbers[j[closest]])),
        float(np.median(nearest)),
        float(np.linalg.norm(pulls, axis=1).max()),
    )


def _features(
    kinds: IntArray, i: IntArray, j: IntArray, r: FloatArray, smooth: FloatArray, n_elements: int, by_pair: bool
) -> FloatArray:
    n_kinds = n_elements if by_pair else 1
    own = kinds if by_pair else np.zeros_like(kinds)
    low, high = np.minimum(own[i], own[j]), np.maximum(own[i], own[j])
    pair = low * n_kinds + high
    waves = [
        np.bincount(pair, smooth * np.sin(k * np.pi * r / CUTOFF) / r, n_kinds**2)[_upper(n_kinds)]
        for k in range(1, WAVES + 1)
    ]
    densities = [np.bincount(i, smooth * np.exp(-r / decay), len(kinds)) for decay in DECAYS]
    roots = [np.bincount(own, np.sqrt(density), n_kinds) for density in densities]
    counts = np.bincount(kinds, minlength=n_elements)
    return np.concatenate([counts, *waves, *roots]) / len(kinds)


def _upper(n: int) -> IntArray:
    """Return the places of pairs with the first not after the second, in the flat matrix of all pairs."""
    return np.flatnonzero(np.triu(np.ones((n, n), dtype=bool)))


def n_features(n_elements: int, by_pair: bool = True) -> int:
    """Return the number of features."""
    n_kinds = n_elements if by_pair else 1
    return n_elements + WAVES * n_kinds * (n_kinds + 1) // 2 + len(DECAYS) * n_kinds
