"""What ``acnn evaluate --uncertainty`` shows: calibration as a table, as JSON and as a plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from acnn.cli.plots import figure_with_axes, save_figure
from acnn.evaluation.calibration import Predicted, coverage_levels
from acnn.evaluation.metrics import UNITS

TERMS = {"committee": "epistemic", "committee and noise": "total"}


def calibration_dict(predicted: Mapping[str, Predicted]) -> dict[str, Any]:
    """{quantity: {term: calibration}}, in the units of the error tables."""
    return {
        quantity: {term: asdict(found) for term, found in one.calibrations().items()}
        for quantity, one in predicted.items()
    }


def calibration_plot(predicted: Mapping[str, Predicted], path: Path, title: str) -> None:
    """One column per quantity: reliability diagram above, |error| against σ below."""
    with figure_with_axes((3.4 * len(predicted), 6.0), 2, len(predicted)) as (figure, axes):
        for (above, below), (quantity, one) in zip(axes.T, predicted.items(), strict=True):
            _reliability(above, one)
            _errors_and_std(below, one, UNITS[quantity])
            above.set_title(quantity, fontsize=9)
            above.legend(title="miscalibration", frameon=False, fontsize=7, title_fontsize=7)
        figure.suptitle(title)
        save_figure(figure, path)


def _reliability(axes: Any, predicted: Predicted) -> None:
    free = predicted.free
    for term, found in predicted.calibrations().items():
        levels = np.append(0.0, coverage_levels(free.errors, getattr(free, TERMS[term])))
        share = np.linspace(0, 1, len(levels))
        axes.step(levels, share, where="post", label=f"{term} ({found.miscalibration:.3f})")
    axes.plot([0, 1], [0, 1], color="0.4", linewidth=0.8, zorder=0)
    axes.set(xlabel="predicted share inside the interval", ylabel="share of errors inside", xlim=(0, 1), ylim=(0, 1))
    axes.set_aspect("equal")


def _errors_and_std(axes: Any, predicted: Predicted, unit: str) -> None:
    std, sizes = predicted.free.epistemic, np.abs(predicted.free.errors)
    shown = (std > 0) & (sizes > 0)
    axes.scatter(std[shown], sizes[shown], s=6, alpha=0.5, linewidths=0, rasterized=True)
    if shown.any():
        ends = np.array([std[shown].min(), std[shown].max()])
        axes.plot(ends, ends, color="0.4", linewidth=0.8, label="σ")
        axes.set(xscale="log", yscale="log")
    axes.set(xlabel=f"σ of the committee ({unit})", ylabel=f"|error| ({unit})")
