"""Figures of the errors: parity, and how errors spread over config types and elements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import ERROR_UNITS, MEV_PER_EV
from acnn.plots.drawing import COLORS, INK, LINE, MOST_VECTOR_POINTS, PANEL, Look, panels, scatter
from acnn.plots.subjects import ErrorTable, Parity

BINDING_ENERGY = "energy − ΣE0 (eV/atom)"
AXES = {"energy": BINDING_ENERGY, "forces": "force component (eV/Å)", "virial": "virial (eV/atom)"}
SCALES = {"energy": 1 / MEV_PER_EV, "forces": 1.0, "virial": 1 / MEV_PER_EV}
"""Factors from the units of the error table to those of the axes."""
PERCENTILES = (5, 25, 50, 75, 95)
MOST_ROWS = 30
"""Most rows of a figure; those with the largest errors are drawn."""


def parity_figure(table: ErrorTable, types: Look) -> Any:
    """Draw model against label above, their difference below; one column for each quantity that has labels."""
    options = {"height_ratios": (3, 1.6), "sharex": "col"}
    with panels(2, len(table.quantities), (PANEL[0], 2.1), **options) as (figure, axes):
        for (above, below), quantity in zip(axes.T, table.quantities, strict=True):
            _parity_axes(above, below, table, quantity, types)
    return figure


def draw_parity(axes: Any, table: ErrorTable, quantity: str, types: Look) -> None:
    """Draw model against label of one quantity, with its errors as the title."""
    points = _parity_points(table, quantity)
    predictions = {name: (labels, labels + errors * SCALES[quantity]) for name, (labels, errors) in points.items()}
    _scatter_types(axes, predictions, types)
    everything = np.concatenate([labels for labels, _ in points.values()])
    ends = [everything.min(), everything.max()]
    axes.plot(ends, ends, **LINE)
    total = table.total(quantity)
    axes.set_title(f"RMSE {total.rmse:.3g}, MAE {total.mae:.3g} {ERROR_UNITS[quantity]}")
    axes.set_xlabel(f"label {AXES[quantity]}")
    axes.set_ylabel(f"model {AXES[quantity]}")


def _parity_axes(above: Any, below: Any, table: ErrorTable, quantity: str, types: Look) -> None:
    draw_parity(above, table, quantity, types)
    above.set_xlabel("")
    _scatter_types(below, _parity_points(table, quantity), types)
    below.axhline(0, **LINE)
    below.set_xlabel(f"label {AXES[quantity]}")
    below.set_ylabel(f"error ({ERROR_UNITS[quantity]})")


def _scatter_types(axes: Any, points: Mapping[str, tuple[FloatArray, FloatArray]], types: Look) -> None:
    """Draw the points of every config type, those of few points on top."""
    raster = sum(len(x) for x, _ in points.values()) > MOST_VECTOR_POINTS
    for config_type, (x, y) in sorted(points.items(), key=lambda item: -len(item[1][0])):
        scatter(axes, x, y, types, config_type, raster)


def _parity_points(table: ErrorTable, quantity: str) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return labels in the units of the axes and errors in those of the error table, by config type.

    Energies are relative to E0; otherwise differences of composition would hide everything else.
    """
    points = {}
    for config_type, of_type in table.parity.items():
        labels, _ = of_type[quantity].arrays
        if quantity == "energy":
            labels = np.array(table.binding_energies.get(config_type, []))
        else:
            labels = labels * SCALES[quantity]
        if len(labels):
            points[config_type] = (labels, of_type[quantity].errors)
    return points


def config_type_figure(table: ErrorTable) -> Any:
    """Draw percentiles of the errors by config type; one column for each quantity that has labels."""
    quantities = table.quantities
    rows = _largest({name: of_type[quantities[0]] for name, of_type in table.parity.items()})
    with panels(1, len(quantities), (PANEL[0], _height(len(rows))), sharey=True) as (figure, axes):
        for column, quantity in zip(axes[0], quantities, strict=True):
            errors = [table.parity[row][quantity].errors for row in rows]
            _percentile_rows(column, errors, rows, f"error of {quantity} ({ERROR_UNITS[quantity]})")
    return figure


def element_figure(by_element: Mapping[str, Parity]) -> Any:
    """Draw percentiles of the errors of force components by element."""
    rows = _largest(by_element)
    with panels(1, 1, (1.6 * PANEL[0], _height(len(rows)))) as (figure, axes):
        errors = [by_element[row].errors for row in rows]
        _percentile_rows(axes[0, 0], errors, rows, f"error of force components ({ERROR_UNITS['forces']})")
    return figure


def _percentile_rows(axes: Any, errors: list[FloatArray], names: list[str], label: str) -> None:
    """Draw a thin bar between the outer percentiles, a thick one between the inner, and a mark at the median."""
    bar = {"color": COLORS[0], "solid_capstyle": "butt"}
    for row, of_row in enumerate(errors):
        if len(of_row):
            low, quarter, median, three_quarters, high = np.percentile(of_row, PERCENTILES)
            axes.plot([low, high], [row, row], linewidth=1.6, **bar)
            axes.plot([quarter, three_quarters], [row, row], linewidth=6.5, **bar)
            axes.plot([median, median], [row - 0.28, row + 0.28], color=INK, linewidth=1.4)
    axes.axvline(0, **LINE)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(label)


def _largest(rows: Mapping[str, Parity]) -> list[str]:
    """Return at most `MOST_ROWS` names, by descending RMSE."""
    return sorted(rows, key=lambda name: (-(rows[name].rmse or 0.0), name))[:MOST_ROWS]


def _height(rows: int) -> float:
    """Return the height of this many rows of bars, inches."""
    return 0.75 + 0.23 * rows
