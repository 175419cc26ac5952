"""What the page says of predicted standard deviations, for models with a committee."""

from __future__ import annotations

from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.evaluation.calibration import Predicted, coverage_levels
from acnn.evaluation.metrics import UNITS
from acnn.evaluation.tables import CALIBRATION_HEADINGS, calibration_rows
from acnn.report.drawing import INK, PANEL, Look, panels, svg
from acnn.report.measurement import Measurement
from acnn.report.page import Section, figure, paragraph, subheading, table

LOOK = Look(["committee", "committee and noise"])
CURVE_POINTS = 101
BINS = 20
FEWEST_BINNED = 2 * BINS
"""With fewer predictions they are drawn one by one, without bins."""
SMALLEST = 1e-3
"""Of the largest; bins with less (forces that symmetry makes zero) are left out of the logarithmic plot."""

CAPTION = (
    "Above: the share of errors inside the interval that should hold the given share; below the line the model is too "
    "sure, above it too cautious. Below: errors against predicted standard deviation, root mean squares over bins of "
    "equally many predictions: points on the line say that errors are as large as predicted, and a rise that large "
    "errors are foreseen. Look at data the fit has not seen: on its training data a model looks better than it is."
)
INTRODUCTION = (
    "The committee are samples of the coefficients that the data allow, or the members of an ensemble; their spread is "
    "what more data would reduce. The noise is the misfit that stays however many data there are. Miscalibration is 0 "
    "at best and 0.5 at worst; the sharpness, the size of σ, is best as large as the RMSE; a Spearman correlation of 1 "
    "ranks all errors right."
)


def uncertainty_section(measurements: list[Measurement]) -> Section | None:
    """Calibration of each set of data; None for a model without a committee."""
    predicted = [measurement for measurement in measurements if measurement.predicted]
    if not predicted:
        return None
    parts = [paragraph(INTRODUCTION), LOOK.legend()]
    for index, measurement in enumerate(predicted):
        parts += [
            subheading(measurement.name),
            _calibration_table(measurement),
            figure(_calibration_figure(measurement, f"uncertainty{index}"), CAPTION),
        ]
    return Section("uncertainty", "Uncertainty", "\n".join(parts))


def _calibration_table(measurement: Measurement) -> str:
    return table(CALIBRATION_HEADINGS, calibration_rows(measurement.predicted), left=2)


def _calibration_figure(measurement: Measurement, name: str) -> str:
    with panels(2, len(measurement.predicted), (PANEL[0], 2.4)) as (drawn, axes):
        for (above, below), (quantity, predicted) in zip(axes.T, measurement.predicted.items(), strict=True):
            for source, std in _deviations(predicted).items():
                _reliability(above, predicted.errors, std, LOOK.color(source))
                _errors_by_deviation(below, predicted.errors, std, LOOK.color(source))
            _finish(above, below, quantity)
        return svg(drawn, name, f"Predicted and true errors on {measurement.name}")


def _deviations(predicted: Predicted) -> dict[str, FloatArray]:
    """Standard deviations by where they come from."""
    found = {LOOK.names[0]: predicted.epistemic}
    return found | {LOOK.names[1]: predicted.total} if predicted.has_noise else found


def _reliability(axes: Any, errors: FloatArray, std: FloatArray, color: str) -> None:
    expected = np.linspace(0.0, 1.0, CURVE_POINTS)
    levels = coverage_levels(errors, std)
    axes.plot(expected, np.searchsorted(levels, expected, side="right") / len(levels), color=color)


def _errors_by_deviation(axes: Any, errors: FloatArray, std: FloatArray, color: str) -> None:
    order = np.argsort(std, kind="stable")
    bins = np.array_split(order, BINS if len(order) > FEWEST_BINNED else len(order))
    x, y = (np.array([np.sqrt(np.mean(values[chosen] ** 2)) for chosen in bins]) for values in (std, errors))
    seen = (x > SMALLEST * x.max()) & (y > SMALLEST * y.max())
    axes.plot(x[seen], y[seen], "o", markersize=3.5, color=color)


def _finish(above: Any, below: Any, quantity: str) -> None:
    above.plot([0, 1], [0, 1], color=INK, linewidth=0.6, zorder=0)
    above.set_title(quantity)
    above.set_xlabel("share expected")
    above.set_ylabel("share found")
    below.axline((1.0, 1.0), slope=1, color=INK, linewidth=0.6, zorder=0)
    for axis, scale in ((below.xaxis, below.set_xscale), (below.yaxis, below.set_yscale)):
        scale("log", subs=[2, 5])
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    below.set_xlabel(f"predicted σ ({UNITS[quantity]})")
    below.set_ylabel(f"RMS error ({UNITS[quantity]})")
