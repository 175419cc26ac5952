"""Conformal calibration: scales by which the spread of a committee covers the errors on structures outside the fit.

With ratios |e|/σ of n errors, the ⌈(n + 1) p⌉-th smallest ratio s is such that |e| ≤ s σ holds for a further structure
like these with a probability of at least p, whatever the distribution of the errors (Vovk et al., Algorithmic Learning
in a Random World (2005); Romano et al., NeurIPS 2019). The order of uncertainties within a group does not change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from acnn.arrays import BoolArray, FloatArray
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.evaluation.calibration import NOTHING_TO_PREDICT
from acnn.models.calibration import EVERY, ErrorBars, Scale
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.uncertainty.committee import committee_deviations

STD_COVERAGE = math.erf(1 / math.sqrt(2))
"""Share of errors within one standard deviation of a normal distribution."""
BOUND_COVERAGE = 0.9
FEWEST_ERRORS = 100
"""Errors below which a group has no scale of its own."""


@dataclass
class Spreads:
    """Absolute errors with the spread of the committee, by quantity and group: [2, n] arrays in lists.

    Attributes:
        components: of energies (eV), force components (eV/Å), stress components (eV/Å³).
        norms: of forces |ΔF_i| and their spread, eV/Å; the other quantities have no norms.
    """

    components: dict[str, dict[str, list[FloatArray]]] = field(default_factory=dict)
    norms: dict[str, list[FloatArray]] = field(default_factory=dict)

    def add(self, quantity: str, group: str, errors: FloatArray | float, spread: FloatArray | float) -> None:
        """Add errors and their spread."""
        pair = np.stack([np.abs(np.ravel(errors)), np.ravel(spread)])
        self.components.setdefault(quantity, {}).setdefault(group, []).append(pair)

    def add_norms(self, group: str, errors: FloatArray, spread: FloatArray) -> None:
        """Add norms of errors of forces [n], and their spread."""
        self.norms.setdefault(group, []).append(np.stack([errors, spread]))

    def join(self, other: Spreads) -> None:
        """Take over those of another model, or of other structures."""
        for quantity, groups in other.components.items():
            for group, pairs in groups.items():
                self.components.setdefault(quantity, {}).setdefault(group, []).extend(pairs)
        for group, pairs in other.norms.items():
            self.norms.setdefault(group, []).extend(pairs)

    def covered(self, bars: ErrorBars) -> dict[str, dict[str, BoolArray]]:
        """Return which errors standard deviations and bounds cover, by quantity and name ("std", "q90")."""
        found: dict[str, dict[str, BoolArray]] = {}
        for quantity, groups in self.components.items():
            if not bars.covers(quantity):
                continue
            for name, pairs in (("std", groups), ("q90", self.norms if quantity == "forces" else groups)):
                inside = [_ratios(arrays) <= getattr(bars.scale(quantity, g), name) for g, arrays in pairs.items()]
                found.setdefault(quantity, {})[name] = np.concatenate(inside)
        return found

    def error_bars(self) -> ErrorBars:
        """Return the scales of every quantity for which there are errors."""
        found: dict[str, dict[str, Scale]] = {}
        for quantity, groups in self.components.items():
            bounds = self.norms if quantity == "forces" else groups
            scales = {group: _scale(groups[group], bounds[group]) for group in groups}
            every = _scale([p for of in groups.values() for p in of], [p for of in bounds.values() for p in of])
            own = {g: of for g, of in scales.items() if of and of.count >= FEWEST_ERRORS and len(groups) > 1}
            if every:
                found[quantity] = {EVERY: every, **(own if quantity == "forces" else {})}
        return ErrorBars(found)


def measured_spreads(
    model: Potential,
    structures: Iterable[LabeledStructure],
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> list[Spreads]:
    """Return the errors on each labeled structure, with the spread of the committee.

    Raises:
        ValueError: the model has no committee.
    """
    found = []
    for structure in structures:
        found.append(Spreads())
        _add(found[-1], model, structure, kernel)
        advance()
    return found


def joined(spreads: Iterable[Spreads]) -> Spreads:
    """Return those of all structures together."""
    whole = Spreads()
    for of_one in spreads:
        whole.join(of_one)
    return whole


def cross_coverage(spreads: Sequence[Spreads], folds: int = 5) -> dict[str, dict[str, float]]:
    """Return the shares of errors that scales from other structures cover, by quantity: {"std": …, "q90": …}.

    Structures are divided into folds; empty with fewer structures than folds.
    """
    inside: dict[str, dict[str, list[BoolArray]]] = {}
    for fold in range(folds) if len(spreads) >= folds else ():
        bars = joined(s for k, s in enumerate(spreads) if k % folds != fold).error_bars()
        for quantity, covered in joined(spreads[fold::folds]).covered(bars).items():
            for name, values in covered.items():
                inside.setdefault(quantity, {}).setdefault(name, []).append(values)
    return {
        quantity: {name: float(np.concatenate(values).mean()) for name, values in covered.items()}
        for quantity, covered in inside.items()
    }


def _add(found: Spreads, model: Potential, structure: LabeledStructure, kernel: str | None) -> None:
    graph = atomic_graph(structure.atoms, model.cutoff)
    predicted = model.pair_gradients(graph, kernel)
    spread = committee_deviations(model, graph, kernel)
    if structure.energy is not None:
        found.add("energy", EVERY, float(predicted.energies[0]) - structure.energy, float(spread.energy_std[0]))
    if structure.forces is not None:
        errors, norms = predicted.forces.numpy() - structure.forces, spread.force_norm_std.numpy()
        symbols = np.array(structure.atoms.get_chemical_symbols())
        for element in np.unique(symbols):
            own = symbols == element
            found.add("forces", str(element), errors[own], spread.forces_std.numpy()[own])
            found.add_norms(str(element), np.linalg.norm(errors[own], axis=1), norms[own])
    if structure.virial is not None:
        volume = float(structure.atoms.get_volume())
        error, std = predicted.virials[0].numpy() - structure.virial, spread.virials_std[0].numpy()
        to_stress = stress_from_virial(voigt_from_full(error), volume), voigt_from_full(std) / volume
        found.add("stress", EVERY, *to_stress)


def _scale(components: list[FloatArray], bounds: list[FloatArray]) -> Scale | None:
    ratios, of_bounds = _ratios(components), _ratios(bounds)
    if not len(ratios) or not len(of_bounds):
        return None
    return Scale(conformal_quantile(ratios, STD_COVERAGE), conformal_quantile(of_bounds, BOUND_COVERAGE), len(ratios))


def _ratios(pairs: list[FloatArray]) -> FloatArray:
    """Return |e|/σ, without what vanishes by symmetry."""
    errors, spread = np.concatenate(pairs, axis=1)
    kept = spread > NOTHING_TO_PREDICT * spread.max(initial=0.0)
    ratios: FloatArray = errors[kept] / spread[kept]
    return ratios


def conformal_quantile(ratios: FloatArray, coverage: float) -> float:
    """Return the ⌈(n + 1) p⌉-th smallest of n ratios; the largest where there are too few of them."""
    place = min(math.ceil((len(ratios) + 1) * coverage), len(ratios))
    return float(np.partition(ratios, place - 1)[place - 1])
