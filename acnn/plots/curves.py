"""Curves of fits and trainings: errors against data, loss against epochs, candidate bases against cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from acnn.conventions import ERROR_UNITS, QUANTITIES
from acnn.plots.drawing import COLORS, INK, LINE, Look, logarithmic, panels
from acnn.plots.subjects import Candidate

CRITERIA = {"evidence": "log evidence", "bic": "BIC", "cv": "RMS of held-out residuals"}


def learning_figure(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Draw the RMSE on other structures against the number of training structures, with logarithmic axes."""
    quantities = [quantity for quantity in QUANTITIES if rows[-1][f"{quantity}_rmse"] is not None]
    with panels(1, len(quantities)) as (figure, axes):
        for axis, quantity in zip(axes[0], quantities, strict=True):
            errors = [row[f"{quantity}_rmse"] for row in rows]
            axis.plot([row["structures"] for row in rows], errors, marker="o", color=COLORS[0])
            logarithmic(axis, "xy")
            axis.set_xlabel("training structures")
            axis.set_ylabel(f"{quantity} RMSE ({ERROR_UNITS[quantity]})")
    return figure


def training_figure(log: Sequence[Mapping[str, str]], columns: Mapping[str, Iterable[str]]) -> Any:
    """Draw columns of the log of a training against the epoch, logarithmic; one panel for each axis label.

    Args:
        log: its lines by column; empty cells are skipped.
        columns: names of columns by the label of their panel; the first panel has a legend.
    """
    with panels(1, len(columns)) as (figure, axes):
        for axis, (label, names) in zip(axes[0], columns.items(), strict=True):
            for color, name in zip(COLORS, names, strict=False):
                points = np.array([[float(row["epoch"]), float(row[name])] for row in log if row[name]])
                if (points[:, 1] > 0).any():
                    axis.plot(*points.T, linewidth=1, color=color, label=name.removesuffix(" loss"))
            logarithmic(axis, "y")
            axis.set_xlabel("epoch")
            axis.set_ylabel(label)
        axes[0, 0].legend()
    return figure


def selection_figure(candidates: Sequence[Candidate], criterion: str) -> Any:
    """Draw the criterion and residual of every candidate basis against its cost; a color for each cutoff."""
    candidates = [candidate for candidate in candidates if candidate.microseconds is not None]
    with panels(1, 2, (3.4, 3.6)) as (figure, axes):
        for axis, value in zip(axes[0], (criterion, "residual"), strict=True):
            _candidates(axis, candidates, value)
        front = sorted((c.microseconds, getattr(c, criterion)) for c in candidates if c.on_front)
        axes[0, 0].plot(*zip(*front, strict=True), **LINE)
        axes[0, 0].set_ylabel(CRITERIA[criterion])
        axes[0, 1].set_ylabel("RMS of training residuals (weighted)")
        logarithmic(axes[0, 1], "y")
        axes[0, 1].legend()
    return figure


def pruning_figure(stages: Sequence[Mapping[str, Any]]) -> Any:
    """Draw the weighted residuals of training and test data of models on the way to a pruned one against their cost."""
    with panels(1, 1, (3.4, 3.6)) as (figure, axes):
        cost = [stage["us_per_atom"] for stage in stages]
        for color, name in zip(COLORS, (name for name in ("train", "test") if name in stages[0]), strict=False):
            axes[0, 0].plot(cost, [stage[name] for stage in stages], marker="o", color=color, label=name)
        logarithmic(axes[0, 0], "xy")
        axes[0, 0].set_xlabel("µs/atom")
        axes[0, 0].set_ylabel("RMS of residuals (weighted)")
        axes[0, 0].legend()
    return figure


def _candidates(axes: Any, candidates: Sequence[Candidate], value: str) -> None:
    cutoffs = Look([f"{cutoff:g} Å" for cutoff in sorted({c.specification.cutoff for c in candidates})])
    for name in cutoffs.names:
        of_cutoff = [c for c in candidates if f"{c.specification.cutoff:g} Å" == name]
        points = [(c.microseconds, getattr(c, value)) for c in of_cutoff]
        style = {"s": 14, "color": cutoffs.color(name), "marker": cutoffs.marker(name), "label": name}
        axes.scatter(*zip(*points, strict=True), **style)
    best = next(c for c in candidates if c.is_chosen)
    axes.scatter(best.microseconds, getattr(best, value), s=120, facecolors="none", edgecolors=INK, label="chosen")
    logarithmic(axes, "x")
    axes.set_xlabel("µs/atom")
