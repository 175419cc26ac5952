"""Committees of linear fits, and their calibration on structures that a fit has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from acnn.arrays import BoolArray, FloatArray
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import WeightTable
from acnn.fit.assembly import Assembler
from acnn.fit.linear import LinearFit, chosen
from acnn.fit.plan import Plan
from acnn.models.noise import Noise
from acnn.parallel import Ranks
from acnn.progress import Stage
from acnn.settings.fit import FitSettings
from acnn.solvers.base import require_precision
from acnn.solvers.pops import PointwiseSets
from acnn.uncertainty.conformal import cross_coverage, joined, measured_spreads


@dataclass(frozen=True)
class PartialFit:
    """A fit to some of the structures.

    Attributes:
        seen: those it was fitted to [n].
        held_out: those on which its committee is compared with the errors [n].
    """

    fit: LinearFit
    seen: BoolArray
    held_out: BoolArray


def partial_fits(plan: Plan, partial: Sequence[LinearFit], fit: LinearFit) -> list[PartialFit]:
    """Return the fit to everything, and after it those whose committee can be compared with errors elsewhere."""
    every, nothing = np.ones(len(plan.parts), dtype=bool), np.zeros(len(plan.parts), dtype=bool)
    found = [PartialFit(fit, every, nothing)]
    if plan.held_out.any():
        found.append(PartialFit(partial[-1], ~plan.held_out, plan.held_out))
    elif partial:
        found += [PartialFit(of, plan.parts != fold, plan.parts == fold) for fold, of in enumerate(partial)]
    return found


def add_committees(
    fits: Sequence[PartialFit],
    structures: Sequence[LabeledStructure],
    settings: FitSettings,
    weights: WeightTable,
    ranks: Ranks,
    stage: Stage,
) -> dict[str, dict[str, float]]:
    """Give every fit its committee, and the first one the scales by which those of the others cover their errors.

    On rank 0 only: it has the posterior.

    Returns:
        The coverage of such scales on structures that they were not determined from, see `cross_coverage`.
    """
    if settings.uncertainty == "pops":
        members = _pops(fits, structures, settings, ranks, stage("pointwise parameters", len(structures)))
    else:
        members = ranks.by_first(lambda: [of.fit.solution.draw(settings.committee, settings.seed) for of in fits])
    for of, coefficients in zip(fits, members, strict=True):
        of.fit.model.set_committee(torch.as_tensor(coefficients))
        of.fit.model.noise = _noise(of.fit, settings, weights)
    held_out = [(of.fit.model, chosen(structures, of.held_out)) for of in fits if of.held_out.any()]
    if not held_out or not ranks.is_first:
        return {}
    advance = stage("error bars", sum(len(unseen) for _, unseen in held_out))
    spreads = [s for model, unseen in held_out for s in measured_spreads(model, unseen, advance, settings.kernel)]
    fits[0].fit.model.calibration = joined(spreads).error_bars()
    return cross_coverage(spreads)


def _noise(fit: LinearFit, settings: FitSettings, weights: WeightTable) -> Noise | None:
    """Return the noise beside the posterior; pointwise optimal parameters explain the misfit without any."""
    precision = fit.solution.noise_precision
    return None if precision is None or settings.uncertainty == "pops" else Noise(precision, weights)


def _pops(
    fits: Sequence[PartialFit],
    structures: Sequence[LabeledStructure],
    settings: FitSettings,
    ranks: Ranks,
    advance: Callable[[], None],
) -> list[FloatArray]:
    """Return members of every fit [n_members, p]: μ and a point of the box; all equations are assembled again."""
    factors = ranks.by_first(
        lambda: [(f.fit.solution.covariance_factor, require_precision(f.fit.solution.noise_precision)) for f in fits]
    )
    sets = [PointwiseSets(*factor) for factor in factors]
    mine = ranks.share([len(structure) for structure in structures])
    assemble, p = Assembler(fits[0].fit.model, settings.kernel), fits[0].fit.model.basis.n_functions
    for index, (rows, targets) in zip(mine, assemble.each([structures[k] for k in mine]), strict=True):
        for own, of in zip(sets, fits, strict=True):
            if of.seen[index] and len(rows):
                own.add(rows[:, :p], targets - rows[:, :p] @ of.fit.solution.coefficients)
        advance()
    gathered = ranks.gather(sets)
    return ranks.by_first(lambda: _drawn(gathered, fits, settings))


def _drawn(
    gathered: Sequence[Sequence[PointwiseSets]], fits: Sequence[PartialFit], settings: FitSettings
) -> list[FloatArray]:
    found = []
    for k, of in enumerate(fits):
        own, *others = [sets[k] for sets in gathered]
        for other in others:
            own.combine(other)
        found.append(np.asarray(of.fit.solution.coefficients + own.draw(settings.committee, settings.seed)))
    return found
