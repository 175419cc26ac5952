"""The basis where the user gives none: cutoff, w_L, orders and degrees that suit the training data.

First the cutoffs and w_L are compared by bases of some hundred functions, then shapes and sizes at the best of them.
A sample of the data suffices for that. The number of functions is bounded by that of the equations; a choice is never
made of pairs alone, which a few structures cannot tell from angles.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np

from acnn.arrays import BoolArray
from acnn.basis.radial import pair_bond_length
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.isolated_atoms import defines_e0
from acnn.data.splits import holdout
from acnn.fit.candidates import FALLING, Candidate
from acnn.fit.linear import LinearProblem, chosen
from acnn.fit.selection import compared, marked
from acnn.pairs import element_pairs
from acnn.parallel import ALONE, Ranks
from acnn.settings.fit import Budget

CUTOFF, BOND_LENGTHS = 5.5, 2.5
"""Cutoffs: Å, and in lengths of the longest bond where that is more."""
MOST_NEIGHBORS = 150
"""Of an atom, on average; longer cutoffs are not tried."""
ANGULAR_WEIGHTS = (1.0, 1.5)
SHAPES = (FALLING[:4], FALLING[:3])
"""Degrees of the orders, in parts of that of pairs."""
LOWEST, HIGHEST = 5, 30
"""Degrees of pairs."""
FIRST_FUNCTIONS = 300
MOST_FUNCTIONS, FEWEST_FUNCTIONS, EQUATIONS_PER_FUNCTION = 1100, 100, 2
SIZES = (1.0, 0.5, 0.25, 0.125)
"""Parts of the largest number of functions."""
FEWEST_OF_MANY_ELEMENTS = 3000
"""Functions that order 2 may have, if order 3 has too many, to reach degree 3."""
MOST_ATOMS = 4000


class Basis(Protocol):
    """What makes a specification of order, degree, w_L and cutoff."""

    def __call__(self, *, order: int, degree: tuple[float, ...], wl: float, cutoff: float) -> BasisSpecification:
        """Return the specification."""
        ...


def default_cutoffs(elements: Sequence[str], structures: Sequence[LabeledStructure] = ()) -> tuple[float, ...]:
    """Return the cutoffs to try, Å: the usual one, and a longer one for long bonds unless it holds too many atoms."""
    longest = max(pair_bond_length(*pair) for pair in element_pairs(tuple(elements)))
    longer = round(BOND_LENGTHS * longest, 1)
    densities = [len(s) / s.atoms.cell.volume for s in structures if s.atoms.pbc.all()]
    neighbors = 4 / 3 * math.pi * longer**3 * float(np.median(densities)) if densities else 0.0
    return (CUTOFF, longer) if longer > CUTOFF and neighbors <= MOST_NEIGHBORS else (CUTOFF,)


def default_basis(
    basis: Basis,
    problem: LinearProblem,
    cutoffs: Sequence[float],
    structures: Sequence[LabeledStructure],
    criterion: str = "evidence",
    *,
    budget: Budget | None = None,
    seed: int = 0,
    costs: bool = True,
    ranks: Ranks = ALONE,
    stage: Callable[[str, int], Callable[[], None]] = lambda title, total: lambda: None,
) -> list[Candidate]:
    """Evaluate candidates and mark the best.

    Args:
        basis: makes the specifications.
        problem: all else about the fit.
        criterion, costs: see `acnn.fit.selection`.
        stage: shows the progress.
    """
    budget = budget or Budget()
    sample = chosen(structures, sampled(structures, seed))
    most = min(budget.functions, most_functions(structures))
    advance = stage("choice of the basis", (len(cutoffs) * len(ANGULAR_WEIGHTS) + 1) * len(sample))

    def search(bases: Iterable[BasisSpecification]) -> list[Candidate]:
        options = {"budget": budget, "seed": seed, "costs": costs, "ranks": ranks, "advance": advance}
        return compared(problem, list(bases), sample, criterion, **options)  # type: ignore[arg-type]

    found: list[Candidate] = []
    for cutoff, wl in itertools.product(cutoffs, ANGULAR_WEIGHTS):
        found += search(of_sizes(basis, cutoff, wl, (min(most, FIRST_FUNCTIONS), SIZES[-1] * most)))
    best = min(found, key=lambda candidate: candidate.score(criterion)).specification
    bases = of_sizes(basis, best.cutoff, best.wl, [part * most for part in SIZES])
    rest = [candidate for candidate in found if candidate.specification != best]
    tried = [candidate.specification for candidate in found]
    return marked(rest + search([best, *(one for one in bases if one not in tried)]), criterion)


def of_sizes(basis: Basis, cutoff: float, wl: float, sizes: Sequence[float]) -> list[BasisSpecification]:
    """Return the bases of all shapes that are the largest within each size, every one once."""
    found: list[BasisSpecification] = []
    for size in sizes:
        found += [spec for spec in shapes_within(basis, cutoff, wl, size) if spec not in found]
    return found


def shapes_within(basis: Basis, cutoff: float, wl: float, most: float) -> list[BasisSpecification]:
    """Return the largest basis of every shape with at most so many functions; if all are larger, one of order 2."""
    found = []
    for shape in SHAPES:
        within = None
        for degree in range(LOWEST, HIGHEST + 1):
            larger = basis(order=len(shape), degree=_degrees(shape, degree), wl=wl, cutoff=cutoff)
            if larger.n_functions > most:
                break
            within = larger
        found += [within] if within else []
    return found or [_of_pairs_of_neighbors(basis, cutoff, wl, most)]


def _degrees(shape: Sequence[float], degree: int) -> tuple[float, ...]:
    """Return whole degrees; an order has at least one function."""
    return tuple(float(max(order, math.floor(part * degree + 1e-9))) for order, part in enumerate(shape, 1))


def _of_pairs_of_neighbors(basis: Basis, cutoff: float, wl: float, most: float) -> BasisSpecification:
    """Return the largest basis of order 2 within the bound, at least of degree 3 if that is affordable, or of 2."""
    least = basis(order=2, degree=(2.0, 2.0), wl=wl, cutoff=cutoff)
    for degree in range(3, HIGHEST + 1):
        larger = basis(order=2, degree=(float(degree),) * 2, wl=wl, cutoff=cutoff)
        if larger.n_functions > (max(most, FEWEST_OF_MANY_ELEMENTS) if degree == 3 else most):
            break
        least = larger
    return least


def most_functions(structures: Sequence[LabeledStructure]) -> float:
    """Return the largest number of functions to try: half the number of equations, within bounds."""
    n = sum(_n_equations(structure) for structure in structures)
    return min(MOST_FUNCTIONS, max(FEWEST_FUNCTIONS, n / EQUATIONS_PER_FUNCTION))


def _n_equations(structure: LabeledStructure) -> int:
    weights = structure.weights
    return (
        (structure.energy is not None and weights.energy > 0)
        + 3 * len(structure) * (structure.forces is not None and weights.forces > 0)
        + 6 * (structure.virial is not None and weights.virial > 0)
    )


def sampled(structures: Sequence[LabeledStructure], seed: int) -> BoolArray:
    """Mark structures of every config type in its share, together with about `MOST_ATOMS` atoms."""
    atoms = sum(len(structure) for structure in structures)
    n = sum(not defines_e0(structure) for structure in structures)
    if atoms <= MOST_ATOMS or n < 2:
        return np.ones(len(structures), dtype=bool)
    share = min(max(MOST_ATOMS / atoms, 1 / n), 1 - 0.5 / n - 1e-9)
    return holdout(structures, share, seed)
