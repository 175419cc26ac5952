"""Figures of the errors: parity, and how errors spread over config types and elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.evaluation.metrics import QUANTITIES, UNITS, ErrorTable, Parity
from acnn.report.drawing import INK, MOST_VECTOR_POINTS, PANEL, Look, panels, scatter, svg
from acnn.report.measurement import Measurement

AXES = {"energy": "energy − ΣE0 (eV/atom)", "forces": "force component (eV/Å)", "virial": "virial (eV/atom)"}
SCALES = {"energy": 1e-3, "forces": 1.0, "virial": 1e-3}
"""From the units of the error table to those of the axes."""
PERCENTILES = (5, 25, 50, 75, 95)
MOST_ROWS = 30
"""Rows of a figure; those with the largest errors are drawn."""


def labeled_quantities(table: ErrorTable) -> list[str]:
    """Quantities that have labels."""
    return [quantity for quantity in QUANTITIES if table.total(quantity).labels]


def parity_figure(measurement: Measurement, look: Look, name: str) -> str:
    """Model against label above, their difference below; one column for each quantity that has labels."""
    quantities = labeled_quantities(measurement.table)
    options = {"height_ratios": (3, 1.6), "sharex": "col"}
    with panels(2, len(quantities), (PANEL[0], 2.1), **options) as (figure, axes):
        for (above, below), quantity in zip(axes.T, quantities, strict=True):
            _parity_axes(above, below, measurement, quantity, look)
        return svg(figure, name, f"Model against labels of {measurement.name}")


def _parity_axes(above: Any, below: Any, measurement: Measurement, quantity: str, look: Look) -> None:
    points = _parity_points(measurement, quantity)
    everything = np.concatenate([labels for labels, _ in points.values()])
    for config_type, (labels, errors) in sorted(points.items(), key=lambda item: -len(item[1][0])):  # small ones on top
        predictions = labels + errors * SCALES[quantity]
        scatter(above, labels, predictions, look, config_type, len(everything) > MOST_VECTOR_POINTS)
        scatter(below, labels, errors, look, config_type, len(everything) > MOST_VECTOR_POINTS)
    ends = [everything.min(), everything.max()]
    above.plot(ends, ends, color=INK, linewidth=0.6, zorder=0)
    below.axhline(0, color=INK, linewidth=0.6, zorder=0)
    above.set_ylabel(f"model {AXES[quantity]}")
    below.set_xlabel(f"label {AXES[quantity]}")
    below.set_ylabel(f"error ({UNITS[quantity]})")


def _parity_points(measurement: Measurement, quantity: str) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Labels in the units of the axes and errors in those of the error table, by config type."""
    points = {}
    for config_type, of_type in measurement.table.parity.items():
        labels, errors = of_type[quantity].arrays[0] * SCALES[quantity], _errors(of_type[quantity])
        if quantity == "energy":  # relative to E0, or the compositions hide everything else
            known = [r.binding_energy for r in measurement.records if r.config_type == config_type]
            labels = np.array([energy for energy in known if energy is not None])
        if len(labels):
            points[config_type] = (labels, errors)
    return points


def config_type_figure(measurement: Measurement, name: str) -> str:
    """Percentiles of the errors by config type; one column for each quantity that has labels."""
    quantities = labeled_quantities(measurement.table)
    rows = _largest({name: _rmse(of_type[quantities[0]]) for name, of_type in measurement.table.parity.items()})
    with panels(1, len(quantities), (PANEL[0], _height(len(rows))), sharey=True) as (figure, axes):
        for column, quantity in zip(axes[0], quantities, strict=True):
            errors = [_errors(measurement.table.parity[row][quantity]) for row in rows]
            _percentile_rows(column, errors, rows, f"error of {quantity} ({UNITS[quantity]})")
        return svg(figure, name, f"Errors on {measurement.name} by config type")


def element_figure(measurement: Measurement, name: str) -> str:
    """Percentiles of the errors of force components by element."""
    rows = _largest({element: _rmse(parity) for element, parity in measurement.by_element.items()})
    with panels(1, 1, (1.6 * PANEL[0], _height(len(rows)))) as (figure, axes):
        errors = [_errors(measurement.by_element[row]) for row in rows]
        _percentile_rows(axes[0, 0], errors, rows, f"error of force components ({UNITS['forces']})")
        return svg(figure, name, f"Force errors on {measurement.name} by element")


def _percentile_rows(axes: Any, errors: list[FloatArray], names: list[str], label: str) -> None:
    """A thin bar between the outer percentiles, a thick one between the inner, a mark at the median."""
    for row, of_row in enumerate(errors):
        if len(of_row):
            low, quarter, median, three_quarters, high = np.percentile(of_row, PERCENTILES)
            axes.plot([low, high], [row, row], color="#3b82f6", linewidth=1.6, solid_capstyle="butt")
            axes.plot([quarter, three_quarters], [row, row], color="#3b82f6", linewidth=6.5, solid_capstyle="butt")
            axes.plot([median, median], [row - 0.28, row + 0.28], color=INK, linewidth=1.4)
    axes.axvline(0, color=INK, linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.set_xlabel(label)


def energy_volume_figure(measurements: list[Measurement], look: Look, name: str) -> str:
    """Energy against volume per atom, a panel for each set of data; without volumes, against the number of atoms."""
    with panels(1, len(measurements), (max(PANEL[0], 4.6 - len(measurements)), 2.9), sharey=True) as (figure, axes):
        for column, measurement in zip(axes[0], measurements, strict=True):
            _energy_axes(column, measurement, look)
        axes[0, 0].set_ylabel("energy − ΣE0 (eV/atom)")
        return svg(figure, name, "Energy of the data against volume")


def has_volumes(measurement: Measurement) -> bool:
    """Whether a structure with an energy is periodic in three directions."""
    return any(r.volume is not None and r.binding_energy is not None for r in measurement.records)


def _energy_axes(axes: Any, measurement: Measurement, look: Look) -> None:
    by_volume = has_volumes(measurement)
    labeled = [r for r in measurement.records if r.binding_energy is not None and (r.volume or not by_volume)]
    for config_type in look.names:
        records = [r for r in labeled if r.config_type == config_type]
        if records:
            x = np.array([r.volume if by_volume else r.n_atoms for r in records], dtype=float)
            y = np.array([r.binding_energy for r in records], dtype=float)
            scatter(axes, x, y, look, config_type, len(labeled) > MOST_VECTOR_POINTS)
    if by_volume and labeled and max(r.volume or 0 for r in labeled) > 8 * min(r.volume or 0 for r in labeled):
        axes.set_xscale("log", subs=[2, 5])
        for formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            formatter("{x:g}")
    axes.set_xlabel("volume (Å³/atom)" if by_volume else "atoms in the structure")
    axes.set_title(measurement.name)


def _largest(figures: dict[str, float]) -> list[str]:
    """At most `MOST_ROWS` names, by falling figure."""
    return sorted(figures, key=lambda name: (-figures[name], name))[:MOST_ROWS]


def _errors(parity: Parity) -> FloatArray:
    labels, predictions = parity.arrays
    return predictions - labels


def _rmse(parity: Parity) -> float:
    errors = _errors(parity)
    return float(np.sqrt((errors**2).mean())) if len(errors) else 0.0


def _height(rows: int) -> float:
    """Inches for so many rows of bars."""
    return 0.75 + 0.23 * rows
