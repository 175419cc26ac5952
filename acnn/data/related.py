"""Pairs of structures that lie close together, and the work of forces and virial between them.

For structures 1 and 2 with the same atoms, cells C (rows) with C₂ = C₁ D and fractional coordinates s, to third order
in the difference,

    ε = 2 (D − 1)(D + 1)⁻¹,    Δr = (s₂ − s₁) (C₁ + C₂) / 2
    E₂ − E₁ = −½ (F₁ + F₂) · Δr − ½ (W₁ + W₂) : ε

so labels tell whether forces and virials are derivatives of the energies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acnn.arrays import FloatArray
from acnn.data.labeled_structure import LabeledStructure

LARGEST_STRAIN = 0.08
LARGEST_DISPLACEMENT = 0.3
"""Å; beyond, the formula is too far from exact."""
LEAST_MOVED, MOST_MOVED, MOST_STRAINED = 1e-4, 0.03, 0.04
"""Å: displacements of pairs that forces are judged by, and that virials are; the strain of the latter."""
FEWEST = 10
"""Pairs from which a slope is found."""
NEXT = 4
"""Structures after each, in the order of the file and in that of their volumes, that are looked at."""


@dataclass(frozen=True)
class Pair:
    """Two structures and what happens between them.

    Attributes:
        first: index of a structure.
        second: index of the other.
        change: E₂ − E₁, eV.
        work: −½ (F₁ + F₂) · Δr, eV; NaN without forces.
        strain: ε [3, 3]; zeros where not periodic.
        virial_work: −½ (W₁ + W₂) : ε, eV; NaN without virials, 0 without strain.
        displacement: largest |Δr| of an atom, Å.
    """

    first: int
    second: int
    change: float
    work: float
    strain: FloatArray
    virial_work: float
    displacement: float


def related_pairs(structures: Sequence[LabeledStructure]) -> list[Pair]:
    """Find pairs of structures with energies that are close together."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for index, structure in enumerate(structures):
        if (structure.energy is not None and len(structure) > 1) or structure.atoms.pbc.all():
            groups.setdefault((structure.atoms.numbers.tobytes(), structure.atoms.pbc.tobytes()), []).append(index)
    return [
        pair
        for group in groups.values()
        for i, j in sorted(set(_candidates(structures, group)))
        if (pair := _pair(structures, i, j)) is not None
    ]


def _candidates(structures: Sequence[LabeledStructure], group: Sequence[int]) -> Iterator[tuple[int, int]]:
    volumes = [structures[i].atoms.get_volume() if structures[i].atoms.pbc.all() else 0.0 for i in group]
    by_volume = [group[k] for k in np.argsort(volumes, kind="stable")]
    for order in (list(group), by_volume):
        for step in range(1, NEXT + 1):
            yield from (tuple(sorted(pair)) for pair in zip(order, order[step:], strict=False))


def _pair(structures: Sequence[LabeledStructure], i: int, j: int) -> Pair | None:
    one, other = structures[i], structures[j]
    if one.energy is None or other.energy is None:
        return None
    moved = _moved(one, other)
    if moved is None:
        return None
    strain, shift = moved
    largest = float(np.linalg.norm(shift, axis=1).max())
    if not (largest <= LARGEST_DISPLACEMENT and np.abs(strain).max() <= LARGEST_STRAIN):
        return None
    forces = None if one.forces is None or other.forces is None else one.forces + other.forces
    work = np.nan if forces is None else -0.5 * float(np.sum(forces * shift))
    return Pair(i, j, other.energy - one.energy, work, strain, _virial_work(one, other, strain), largest)


def _moved(one: LabeledStructure, other: LabeledStructure) -> tuple[FloatArray, FloatArray] | None:
    """Return the strain and the displacements beyond it, without the motion as a whole; None of unlike cells."""
    if not one.atoms.pbc.any():
        shift = other.atoms.positions - one.atoms.positions
        return np.zeros((3, 3)), shift - shift.mean(axis=0)
    if not one.atoms.pbc.all():
        return None
    first, second = one.atoms.cell.array, other.atoms.cell.array
    deformation = np.linalg.solve(first, second)
    if np.abs(deformation - np.eye(3)).max() > 2 * LARGEST_STRAIN:
        return None
    strain = 2 * np.linalg.solve((deformation + np.eye(3)).T, (deformation - np.eye(3)).T).T
    fractions = np.linalg.solve(second.T, other.atoms.positions.T).T - np.linalg.solve(first.T, one.atoms.positions.T).T
    fractions -= fractions[0]
    fractions -= np.round(fractions)
    return strain, (fractions - fractions.mean(axis=0)) @ (0.5 * (first + second))


def _virial_work(one: LabeledStructure, other: LabeledStructure, strain: FloatArray) -> float:
    if not strain.any():
        return 0.0
    if one.virial is None or other.virial is None:
        return np.nan
    return -0.5 * float(np.sum((one.virial + other.virial) * strain))


@dataclass(frozen=True)
class Slope:
    """How labels follow from others: change of the energy = ratio · work + offset · (N tr ε).

    Attributes:
        ratio: 1 where labels are derivatives of the energies.
        offset: what virials have too much, eV/atom; 0 for forces.
        n: number of pairs.
        explained: share of the sum of squares of the changes that a ratio of 1 without offset explains.
    """

    ratio: float
    offset: float
    n: int
    explained: float


def slopes_of(pairs: Sequence[Pair], sizes: Sequence[int]) -> tuple[Slope | None, Slope | None]:
    """Compare the changes of the energies with the work of forces, and with that of virials where atoms hardly move.

    Both are determined together from all pairs, then the virials anew from pairs that differ by a small strain.

    Args:
        sizes: numbers of atoms of all structures.

    Returns:
        slopes of forces and of virials; None with too few pairs.
    """
    moved = [p for p in pairs if p.displacement > LEAST_MOVED and np.isfinite(p.work) and np.isfinite(p.virial_work)]
    forces, ratio = None, 1.0
    if len(moved) >= FEWEST:
        x = np.array([[p.work, p.virial_work, sizes[p.first] * np.trace(p.strain)] for p in moved])
        y = np.array([p.change for p in moved])
        solution = _robust(x, y)
        ratio = float(solution[0])
        forces = Slope(ratio, 0.0, len(moved), _explained(x[:, 0], y - x[:, 1:] @ solution[1:]))
    strained = [p for p in pairs if np.isfinite(p.virial_work) and 1e-4 < np.abs(p.strain).max() < MOST_STRAINED]
    still = [p for p in strained if p.displacement < (MOST_MOVED if np.isfinite(p.work) else LEAST_MOVED)]
    if len(still) < FEWEST:
        return forces, None
    x = np.array([[p.virial_work, sizes[p.first] * np.trace(p.strain)] for p in still])
    y = np.array([p.change - ratio * np.nan_to_num(p.work) for p in still])
    solution = _robust(x, y)
    return forces, Slope(float(solution[0]), float(solution[1]), len(still), _explained(x[:, 0], y))


def _robust(columns: FloatArray, y: FloatArray) -> FloatArray:
    """Solve in the least-squares sense without the pairs that do not follow the others."""
    scales = np.linalg.norm(columns, axis=0)
    scaled, used = columns / np.where(scales > 0, scales, 1.0), np.ones(len(y), dtype=bool)
    for _ in range(3):
        solution = np.linalg.lstsq(scaled[used], y[used], rcond=None)[0]
        residuals = np.abs(y - scaled @ solution)
        used = residuals <= 4 * np.median(residuals) + 1e-9
    return np.asarray(solution / np.where(scales > 0, scales, 1.0))


def _explained(work: FloatArray, change: FloatArray) -> float:
    """Return the share of the squares of the changes that the work explains, without the largest tenth of the rest."""
    rest = np.abs(change - work)
    used = rest <= np.quantile(rest, 0.9)
    total = float(np.sum(change[used] ** 2))
    return 1 - float(np.sum(rest[used] ** 2)) / total if total > 0 else 1.0
