"""Figure of the energies of data against volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from acnn.plots.drawing import MOST_VECTOR_POINTS, PANEL, Look, panels, scatter
from acnn.plots.errors import BINDING_ENERGY

WIDE = 8.0
"""Volumes that differ by more than this factor are drawn on a logarithmic axis."""


class EnergyPoint(NamedTuple):
    """A structure: eV/atom relative to E0, Å³/atom (None unless periodic in three directions), number of atoms."""

    config_type: str
    energy: float
    volume: float | None
    n_atoms: int


def energy_volume_figure(sets: Mapping[str, Sequence[EnergyPoint]], types: Look) -> Any:
    """Draw energies against the volume per atom (without volumes, the number of atoms), a panel for each data set."""
    with panels(1, len(sets), (max(PANEL[0], 4.6 - len(sets)), 2.9), sharey=True) as (figure, axes):
        for column, (name, points) in zip(axes[0], sets.items(), strict=True):
            energy_axes(column, points, types)
            column.set_title(name)
        axes[0, 0].set_ylabel(BINDING_ENERGY)
    return figure


def energy_axes(axes: Any, points: Sequence[EnergyPoint], types: Look) -> None:
    """Draw energies against the volume per atom, or the number of atoms where there are no volumes."""
    volumes = [point.volume for point in points if point.volume]
    shown = [point for point in points if point.volume or not volumes]
    for config_type in types.names:
        of_type = [point for point in shown if point.config_type == config_type]
        if of_type:
            x = np.array([point.volume or point.n_atoms for point in of_type], dtype=float)
            y = np.array([point.energy for point in of_type], dtype=float)
            scatter(axes, x, y, types, config_type, len(shown) > MOST_VECTOR_POINTS)
    if volumes and max(volumes) > WIDE * min(volumes):
        axes.set_xscale("log", subs=[2, 5])
        for formatter in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
            formatter("{x:g}")
    axes.set_xlabel("volume (Å³/atom)" if volumes else "atoms in the structure")
