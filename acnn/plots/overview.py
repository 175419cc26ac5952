"""A first look at a potential: parity, dimers beside the reference method, and a molecular dynamics run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, INK, LINE, Look, panels
from acnn.plots.errors import draw_parity
from acnn.plots.subjects import ErrorTable

REFERENCE: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (2, 2)), "zorder": 3}
HIGHEST = 3.0
"""eV; what is shown of a dimer's energy."""
SIZE = (3.6, 2.7)


class Dimer(NamedTuple):
    """Energies (eV) of two atoms by distance (Å): the model's and those of the method that labeled its data."""

    distances: FloatArray
    energies: FloatArray
    reference: FloatArray


class Run(NamedTuple):
    """A molecular dynamics run: times (ps), temperatures (K), potential and total energies (eV/atom)."""

    times: FloatArray
    temperatures: FloatArray
    potential: FloatArray
    total: FloatArray


def overview_figure(table: ErrorTable, types: Look, dimers: Mapping[str, Dimer], reference: str, run: Run) -> Any:
    """Draw parity of energies and forces, dimer curves, and temperature and energies of a run, side by side.

    Args:
        table: labels and predictions.
        types: looks of the config types.
        dimers: curves by the name of the pair.
        reference: the name of the method that labeled the data.
        run: the molecular dynamics.
    """
    with panels(2, 3, SIZE) as (figure, axes):
        for panel, quantity in zip(axes[:, 0], ("energy", "forces"), strict=True):
            draw_parity(panel, table, quantity, types)
        middle = figure.add_subplot(axes[0, 1].get_gridspec()[:, 1])
        for unused in axes[:, 1]:
            unused.remove()
        _draw_dimers(middle, dimers, reference)
        _draw_run(axes[:, 2], run)
    return figure


def _draw_dimers(axes: Any, dimers: Mapping[str, Dimer], reference: str) -> None:
    for color, (name, dimer) in zip(COLORS, dimers.items(), strict=False):
        axes.plot(dimer.distances, dimer.energies, color=color, label=name)
        axes.plot(dimer.distances, dimer.reference, **REFERENCE)
    axes.plot([], [], **REFERENCE, label=reference)
    axes.axhline(0, **LINE)
    axes.set_ylim(1.15 * min(dimer.reference.min() for dimer in dimers.values()), HIGHEST)
    axes.set_title("two atoms alone")
    axes.set_xlabel("distance (Å)")
    axes.set_ylabel("energy (eV)")
    axes.legend()


def _draw_run(axes: Any, run: Run) -> None:
    above, below = axes
    above.plot(run.times, run.temperatures, color=COLORS[0])
    above.set_title(f"molecular dynamics: {np.mean(run.temperatures):.0f} K on average")
    above.set_ylabel("temperature (K)")
    for name, energies, color in (("potential", run.potential, COLORS[1]), ("total", run.total, COLORS[2])):
        below.plot(run.times, energies, color=color, label=name)
    below.set_ylabel("energy (eV/atom)")
    below.legend()
    for panel in axes:
        panel.set_xlabel("time (ps)")
