"""All of ``acnn calibrate``: error bars from held-out structures, active set and committee from training structures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from acnn.data.dataset import LabeledStructure
from acnn.models import Model
from acnn.models.calibration import ErrorBars
from acnn.progress import Stage
from acnn.uncertainty.committee import require_committee
from acnn.uncertainty.conformal import cross_coverage, joined, measured_spreads
from acnn.uncertainty.grade import active_set_of
from acnn.uncertainty.last_layer import add_last_layer_committee
from acnn.wording import counted

FEWEST_STRUCTURES = 10
"""Structures below which error bars are hardly determined."""


@dataclass(frozen=True)
class Calibrated:
    """What a calibration found.

    Attributes:
        bars: the scales, which are in the model now.
        coverage: shares of errors that such scales cover on structures they were not determined from.
        warnings: what the user should know, one sentence each.
    """

    bars: ErrorBars
    coverage: dict[str, dict[str, float]]
    warnings: list[str] = field(default_factory=list)


def learn_training_data(
    model: Model,
    structures: Sequence[LabeledStructure],
    members: int,
    seed: int,
    uncertainty: str,
    stage: Stage,
    kernel: str | None = None,
) -> None:
    """Give a model its active set and, to a single network, a committee of its last layer."""
    model.active_set = active_set_of(model, structures, stage("active set", len(structures)), kernel)
    if model.last_layer_size:
        advance = stage("last layer", len(structures))
        add_last_layer_committee(model, structures, members, seed, uncertainty, advance, kernel)


def calibrate_model(
    model: Model, structures: Sequence[LabeledStructure], stage: Stage, kernel: str | None = None
) -> Calibrated:
    """Give a model the scales that make error bars of its committee's spread.

    Args:
        structures: labeled, and not those it was fitted to.

    Raises:
        ValueError: the model has no committee, or the structures have no labels.
    """
    require_committee(model)
    spreads = measured_spreads(model, structures, stage("error bars", len(structures)), kernel)
    bars = joined(spreads).error_bars()
    if not bars.scales:
        raise ValueError("the structures have no labels to compare with: nothing can be calibrated")
    model.calibration = bars
    few = len(structures) < FEWEST_STRUCTURES
    warning = f"{counted(len(structures), 'structure')} are few for error bars: {FEWEST_STRUCTURES} or more are better"
    return Calibrated(bars, cross_coverage(spreads), [warning] if few else [])
