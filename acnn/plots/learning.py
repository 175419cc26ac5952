"""Hyperactive learning: errors and uncertainties of the structures it found, and the dimers of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, LINE, logarithmic, panels

HIGHEST = 5.0
"""eV; what is shown of a dimer's energy."""


class DimerHistory(NamedTuple):
    """The energies (eV) of a pair by distance (Å), one curve for each of several iterations."""

    pair: str
    iterations: Sequence[int]
    curves: Sequence[tuple[FloatArray, FloatArray]]


def hal_figure(columns: Mapping[str, FloatArray], dimers: Sequence[DimerHistory]) -> Any:
    """Draw errors and steps by iteration, σ against the error, and the dimers of earlier and later models.

    Args:
        columns: iteration, steps, error_meV_per_atom, sigma_meV_per_atom, forces_rmse_eV_per_A, functions of the
            structures; NaN where there is none.
        dimers: one for each pair of elements.
    """
    rows = 1 + -(-len(dimers) // 4)
    with panels(rows, 4) as (figure, axes):
        _by_iteration(axes[0, 0], columns, "forces_rmse_eV_per_A", "force error (eV/Å)", "y")
        _by_iteration(axes[0, 1], columns, "error_meV_per_atom", "|energy error| (meV/atom)", "y")
        _by_iteration(axes[0, 2], columns, "steps", "steps without a flag", "")
        _against(axes[0, 3], columns["sigma_meV_per_atom"], np.abs(columns["error_meV_per_atom"]))
        for axis, history in zip(axes[1:].flat, dimers, strict=False):
            _dimers(axis, history)
        for unused in axes[1:].flat[len(dimers) :] if rows > 1 else ():
            unused.remove()
    return figure


def _by_iteration(axis: Any, columns: Mapping[str, FloatArray], name: str, label: str, log: str) -> None:
    known = np.isfinite(columns[name])
    axis.plot(columns["iteration"][known], np.abs(columns[name][known]), "o", markersize=3, color=COLORS[0])
    axis.set_xlabel("iteration")
    axis.set_ylabel(label)
    axis.locator_params(axis="x", integer=True)
    if log and known.any():
        logarithmic(axis, log)


def _against(axis: Any, sigma: FloatArray, error: FloatArray) -> None:
    known = np.isfinite(error) & (error > 0) & (sigma > 0)
    axis.set_xlabel("σ of the energy (meV/atom)")
    axis.set_ylabel("|energy error| (meV/atom)")
    if not known.any():
        return
    ends = np.array([min(sigma[known].min(), error[known].min()), max(sigma[known].max(), error[known].max())])
    axis.plot(ends, ends, **LINE)
    axis.plot(sigma[known], error[known], "o", markersize=3, color=COLORS[0])
    logarithmic(axis, "xy")


def _dimers(axis: Any, history: DimerHistory) -> None:
    n = len(history.curves)
    for k, (distances, energies) in enumerate(history.curves):
        text = f"iteration {history.iterations[k]}" if k in (0, n - 1) else None
        axis.plot(distances, energies, color=COLORS[0], alpha=(k + 1) / n, linewidth=1.1, label=text)
    lowest = min(float(energies.min()) for _, energies in history.curves)
    axis.set_ylim(1.2 * min(lowest, -0.1), HIGHEST)
    axis.set_xlabel(f"{history.pair} distance (Å)")
    axis.set_ylabel("energy (eV)")
    axis.legend()
