"""Candidate bases: the smaller bases contained in a large one, and the figures by which one is chosen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acnn.arrays import IntArray
from acnn.basis.specification import BasisSpecification, ElementOverride

DEGREE_STEP, LOWEST_DEGREE = 2.0, 4.0
CUTOFF_FACTORS = (0.85, 1.0, 1.15)
FALLING = (1.0, 1.0, 0.7, 0.5, 0.4)
"""Degree of every order, in parts of that of the first."""


@dataclass(frozen=True)
class Candidate:
    """A basis and its figures.

    Attributes:
        n_functions: number of coefficients p.
        residual: RMS of the weighted training residuals, in eV/Å where forces have weight one.
        evidence: log evidence.
        bic: Bayesian information criterion.
        cv: RMS of the weighted residuals of held-out folds; None unless that is the criterion.
        microseconds: per atom and core, energy and forces, as the cost model of the compiled kernel predicts; None if
            it was not asked for.
        on_front: no other candidate is both cheaper and better by the criterion.
        is_chosen: the best by the criterion.
    """

    specification: BasisSpecification
    n_functions: int
    residual: float
    evidence: float
    bic: float
    cv: float | None
    microseconds: float | None
    on_front: bool = False
    is_chosen: bool = False

    def score(self, criterion: str) -> float:
        """Return the criterion with the sign by which smaller is better."""
        value = getattr(self, criterion)
        return -value if criterion == "evidence" else float(value)

    def as_dict(self) -> dict[str, Any]:
        """Return order, degree, w_L, cutoff and figures, as JSON keeps them."""
        spec = self.specification
        values = {key: value for key, value in asdict(self).items() if key != "specification"}
        return {"order": spec.order, "degree": spec.degree, "wl": spec.wl, "cutoff": spec.cutoff, **values}


def bayesian_criterion(square: float, n_rows: int, n_functions: int) -> float:
    """Return the Bayesian information criterion N log(square / N) + p log N of a sum of squared residuals."""
    return n_rows * math.log(max(square, np.finfo(float).tiny) / n_rows) + n_functions * math.log(n_rows)


def choice_note(candidates: Sequence[Candidate], criterion: str) -> str:
    """Say in a sentence which basis was chosen."""
    best = next(c for c in candidates if c.is_chosen)
    spec, n = best.specification, best.n_functions
    degrees = ",".join(f"{d:g}" for d in _of_orders(spec.degree, spec.order))
    largest = "; the largest tried, a larger one may be better" if n == max(c.n_functions for c in candidates) else ""
    return (
        f"basis: order {spec.order}, degree {degrees}, w_L {spec.wl:g}, cutoff {spec.cutoff:g} Å, {n} functions; "
        f"chosen by {criterion} from {len(candidates)} candidates{largest}"
    )


def edge_notes(candidates: Sequence[Candidate]) -> list[str]:
    """Say, in a sentence each, where the chosen basis is the largest that was tried."""
    best = next(c for c in candidates if c.is_chosen)
    cutoff, cutoffs = best.specification.cutoff, {c.specification.cutoff for c in candidates}
    sizes = {c.n_functions for c in candidates}
    notes = []
    if len(cutoffs) > 1 and cutoff == max(cutoffs):
        notes.append(f"the best cutoff, {cutoff:g} Å, is the largest tried: try more with --select-cutoffs")
    if len(sizes) > 1 and best.n_functions == max(sizes):
        notes.append(
            "the best basis is the largest tried: try more with --order, --degree or a larger --budget, or prune a "
            "larger model to the same cost (acnn prune)"
        )
    return notes


def candidate_cutoffs(cutoff: float, given: Sequence[float] | None = None) -> tuple[float, ...]:
    """Return cutoffs in Å, the requested one first, since the search may end early."""
    cutoffs = given or [round(factor * cutoff, 2) for factor in CUTOFF_FACTORS]
    return tuple(sorted(set(cutoffs), key=lambda value: (abs(value - cutoff), value)))


def smaller_bases(largest: BasisSpecification) -> list[BasisSpecification]:
    """List bases of lower order and degree, in steps of two, and the largest itself, by number of functions.

    Where one degree serves all orders, that of orders 3 and more also falls as `FALLING`.
    """
    found: dict[tuple[float, ...], BasisSpecification] = {}
    degrees = _of_orders(largest.degree, largest.order)
    for order in range(1, largest.order + 1):
        for steps in itertools.count():
            lowered = _lowered(degrees[:order], steps)
            found.setdefault(lowered, _smaller(largest, order, lowered, steps))
            if order > 2 and len(set(lowered)) == 1:
                fallen = _fallen(lowered)
                found.setdefault(fallen, _smaller(largest, order, fallen, steps))
            if lowered == _lowered(degrees[:order], steps + 1):
                break
    return sorted(found.values(), key=lambda spec: spec.n_functions)


def _of_orders(degree: float | tuple[float, ...], order: int) -> tuple[float, ...]:
    return degree if isinstance(degree, tuple) else (degree,) * order


def _lowered(degrees: tuple[float, ...], steps: int) -> tuple[float, ...]:
    """Lower the degrees by a number of steps, but not below the lowest degree (or their own, if that is smaller)."""
    return tuple(max(min(LOWEST_DEGREE, d), d - DEGREE_STEP * steps) for d in degrees)


def _fallen(degrees: tuple[float, ...]) -> tuple[float, ...]:
    """Return whole degrees that fall with the order, and leave it a function."""
    parts = zip(FALLING, degrees, strict=False)
    return tuple(min(d, max(float(order), math.floor(part * d))) for order, (part, d) in enumerate(parts, 1))


def _smaller(spec: BasisSpecification, order: int, degrees: tuple[float, ...], steps: int) -> BasisSpecification:
    """Return the basis with these degrees; overrides of elements are lowered by as many steps."""
    overrides = {name: _smaller_override(own, spec.order, order, steps) for name, own in spec.overrides.items()}
    degree = degrees[0] if len(set(degrees)) == 1 else degrees
    return spec.model_copy(update={"order": order, "degree": degree, "overrides": overrides})


def _smaller_override(own: ElementOverride, largest: int, order: int, steps: int) -> ElementOverride:
    own_order = own.order or largest
    changed: dict[str, object] = {"order": min(own.order, order) if own.order else None}
    if own.degree is not None:
        changed["degree"] = _lowered(_of_orders(own.degree, own_order)[: min(own_order, order)], steps)
    return own.model_copy(update=changed)


def at_cutoff(spec: BasisSpecification, cutoff: float) -> BasisSpecification:
    """Return the basis with another cutoff (Å); the cutoff of the pair functions keeps its ratio."""
    pair_cutoff = None if spec.pair_cutoff is None else cutoff / spec.cutoff * spec.pair_cutoff
    return spec.model_copy(update={"cutoff": cutoff, "pair_cutoff": pair_cutoff})


def covering(specifications: Sequence[BasisSpecification]) -> BasisSpecification:
    """Return the smallest basis that contains all functions of these, which differ in orders and degrees."""
    first, order = specifications[0], max(spec.order for spec in specifications)
    degrees = _highest([_of_orders(spec.degree, spec.order) for spec in specifications])
    overrides = {
        name: ElementOverride(order=len(own), degree=own, wl=override.wl)
        for name, override in first.overrides.items()
        for own in [_highest([spec.degrees(name) for spec in specifications])]
    }
    return first.model_copy(update={"order": order, "degree": degrees, "overrides": overrides})


def _highest(degrees: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Return the highest degree of each order."""
    return tuple(max(d for d in of_order if d is not None) for of_order in itertools.zip_longest(*degrees))


def columns_of(small: BasisSpecification, large: BasisSpecification) -> IntArray:
    """Return the columns of a larger basis that hold the functions of a smaller one."""
    position = {key: column for column, key in enumerate(large.functions())}
    return np.array([position[key] for key in small.functions()], dtype=np.int64)
