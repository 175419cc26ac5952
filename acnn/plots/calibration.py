"""Figures of calibration: the reliability of predicted standard deviations, and errors against σ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import ERROR_UNITS
from acnn.plots.drawing import LINE, PANEL, Look, panels
from acnn.plots.subjects import Predicted

SOURCES = Look(["committee", "committee and noise", "error bars"])
"""The terms of σ, as `Predicted.deviations` names them."""
CURVE_POINTS = 101
BINS = 20
FEWEST_BINNED = 2 * BINS
"""Fewer predictions than this are drawn one by one, without bins."""
SMALLEST = 1e-3
"""Fraction of the largest value; smaller bins are left out of the logarithmic plot."""


def calibration_figure(predicted: Mapping[str, Predicted]) -> Any:
    """Draw the share of errors inside an interval above, RMS errors against σ below; a column for each quantity."""
    with panels(2, len(predicted), (PANEL[0], 2.4)) as (figure, axes):
        for (above, below), (quantity, of_quantity) in zip(axes.T, predicted.items(), strict=True):
            free = of_quantity.free
            levels = free.coverages()
            for source, std in free.deviations().items():
                _reliability(above, levels[source], SOURCES.color(source))
                _errors_by_deviation(below, free.errors, std, SOURCES.color(source))
            _finish(above, below, quantity)
    return figure


def _reliability(axes: Any, levels: FloatArray, color: str) -> None:
    expected = np.linspace(0.0, 1.0, CURVE_POINTS)
    axes.plot(expected, np.searchsorted(levels, expected, side="right") / len(levels), color=color)


def _errors_by_deviation(axes: Any, errors: FloatArray, std: FloatArray, color: str) -> None:
    order = np.argsort(std, kind="stable")
    bins = np.array_split(order, BINS if len(order) > FEWEST_BINNED else len(order))
    x, y = (np.array([np.sqrt(np.mean(values[chosen] ** 2)) for chosen in bins]) for values in (std, errors))
    seen = (x > SMALLEST * x.max()) & (y > SMALLEST * y.max())
    axes.plot(x[seen], y[seen], "o", markersize=3.5, color=color)


def _finish(above: Any, below: Any, quantity: str) -> None:
    above.plot([0, 1], [0, 1], **LINE)
    above.set_title(quantity)
    above.set_xlabel("expected share")
    above.set_ylabel("observed share")
    below.axline((1.0, 1.0), slope=1, **LINE)
    for axis, scale in ((below.xaxis, below.set_xscale), (below.yaxis, below.set_yscale)):
        scale("log", subs=[2, 5])
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")
    below.set_xlabel(f"predicted σ ({ERROR_UNITS[quantity]})")
    below.set_ylabel(f"RMS error ({ERROR_UNITS[quantity]})")
