"""Figure of what a data set holds: energies against volume, distances, forces, composition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.pairs import element_pairs
from acnn.plots.drawing import COLORS, Look, panels
from acnn.plots.energies import EnergyPoint, energy_axes
from acnn.plots.errors import BINDING_ENERGY
from acnn.plots.subjects import Distances

BINS = 60
MOST_CURVES, FEWEST_ROWS = 6, 6


@dataclass(frozen=True)
class Statistics:
    """What is drawn of a data set.

    Attributes:
        energies: a point for each structure with an energy.
        distances: histograms of neighbors.
        forces: norms of forces by config type, eV/Å.
        formulas: numbers of structures by empirical formula, the most frequent first.
    """

    energies: Sequence[EnergyPoint]
    distances: Distances
    forces: Mapping[str, FloatArray]
    formulas: Mapping[str, int]


def data_figure(statistics: Statistics, types: Look) -> Any:
    """Draw energies against volume, distances, forces and compositions of a data set."""
    with panels(2, 2, (3.6, 2.6)) as (figure, axes):
        energy_axes(axes[0, 0], statistics.energies, types)
        axes[0, 0].set_ylabel(BINDING_ENERGY)
        _draw_distances(axes[0, 1], statistics.distances)
        _draw_forces(axes[1, 0], statistics.forces, types)
        _draw_formulas(axes[1, 1], statistics.formulas)
    return figure


def _draw_distances(axes: Any, distances: Distances) -> None:
    pairs = [pair for pair in element_pairs(distances.elements) if pair in distances.shortest]
    curves = [("–".join(pair), [pair]) for pair in pairs] if len(pairs) <= MOST_CURVES else [("all pairs", pairs)]
    for color, (name, of) in zip(COLORS, curves, strict=False):
        axes.stairs(distances.density(of), distances.edges, color=color, linewidth=1.0, label=name)
    axes.set_xlim(0.85 * min((distances.shortest[pair].distance for pair in pairs), default=0.0), distances.cutoff)
    axes.set_xlabel("distance (Å)")
    axes.set_ylabel("density of pairs")
    axes.set_yticks([])
    if curves:
        axes.legend()


def _draw_forces(axes: Any, forces: Mapping[str, FloatArray], types: Look) -> None:
    largest = max((float(values.max()) for values in forces.values() if len(values)), default=0.0)
    for name, values in forces.items():
        if len(values):
            counts, edges = np.histogram(values, np.linspace(0.0, largest or 1.0, BINS + 1))
            axes.stairs(counts, edges, color=types.color(name), linewidth=1.0)
    axes.set_yscale("symlog", linthresh=1)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("force (eV/Å)")
    axes.set_ylabel("atoms")


def _draw_formulas(axes: Any, formulas: Mapping[str, int]) -> None:
    names = list(formulas)[::-1]
    axes.barh(names, [formulas[name] for name in names], color=COLORS[0])
    axes.set_ylim(len(names) - 0.5 - max(len(names), FEWEST_ROWS), len(names) - 0.5)
    axes.set_xlabel("structures")
