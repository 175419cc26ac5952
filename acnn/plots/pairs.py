"""Figures by pair of elements: distances in the data, and energies of dimers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acnn.pairs import Pair, element_pairs
from acnn.plots.drawing import COLORS, FAINT, INK, LINE, Look, grid
from acnn.plots.subjects import DimerCurve, Distances

MOST_PAIR_PANELS = 15
"""With more pairs of elements than this, each element has one panel with all its partners."""
LINEAR_ENERGY = 5.0
"""eV; energies beyond it are drawn on a logarithmic scale, so that both wells and walls are visible."""
DECADES = 12
SOUND, UNSOUND = COLORS[0], COLORS[3]
ALONE: dict[str, Any] = {"linewidth": 1.2}
AMONG_OTHERS: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.5}


def pair_panels(elements: Sequence[str]) -> dict[str, list[Pair]]:
    """Return the pairs drawn in each panel, by its title."""
    pairs = element_pairs(elements)
    if len(pairs) <= MOST_PAIR_PANELS:
        return {"–".join(pair): [pair] for pair in pairs}
    return {f"{element} with …": [pair for pair in pairs if element in pair] for element in elements}


def distance_figure(sets: Mapping[str, Distances], look: Look) -> Any:
    """Draw the density of pairs over distance, with the shortest marked; a color for each set of data."""
    first, *_ = sets.values()
    chosen = pair_panels(first.elements)
    start = 0.85 * min((s.distance for of_set in sets.values() for s in of_set.shortest.values()), default=0.0)
    with grid(len(chosen)) as (figure, axes):
        for (title, pairs), panel in zip(chosen.items(), axes, strict=True):
            for name, of_set in sets.items():
                _draw_distances(panel, of_set, pairs, look.color(name))
            _finish(panel, title, "distance (Å)")
            panel.set_xlim(start, first.cutoff)
            panel.set_yticks([])
            panel.set_ylim(0, 1.08)
    return figure


def _draw_distances(axes: Any, distances: Distances, pairs: list[Pair], color: str) -> None:
    shortest = [distances.shortest[pair].distance for pair in pairs if pair in distances.shortest]
    if shortest:
        axes.stairs(distances.density(pairs), distances.edges, color=color, linewidth=1.0)
        axes.plot(min(shortest), 0.0, marker="^", color=color, markersize=6, clip_on=False, zorder=5)


def dimer_figure(curves: Sequence[DimerCurve], shortest: Mapping[Pair, float], cutoff: float) -> Any:
    """Draw the energy of each dimer over distance, with the core shaded; ``shortest`` (Å) as lines."""
    by_pair = {curve.pair: curve for curve in curves}
    elements = list(dict.fromkeys(curve.pair[0] for curve in curves))
    chosen = pair_panels(elements)
    with grid(len(chosen)) as (figure, axes):
        for (title, pairs), panel in zip(chosen.items(), axes, strict=True):
            for pair in pairs:
                _draw_dimer(panel, by_pair[pair], title, len(pairs) == 1)
            if len(pairs) == 1:
                panel.axvspan(*by_pair[pairs[0]].core, color=FAINT, linewidth=0, zorder=0)
                if pairs[0] in shortest:
                    panel.axvline(shortest[pairs[0]], color=COLORS[1], linewidth=1.0, linestyle=(0, (3, 2)))
            _finish(panel, title, "distance (Å)")
            panel.margins(x=0.08)
            panel.axhline(0, **LINE)
            panel.axvline(cutoff, color=INK, linewidth=0.6, linestyle=(0, (1, 2)))
            _scale_energies(panel, [by_pair[pair] for pair in pairs])
            panel.set_ylabel("energy (eV)")
    return figure


def _draw_dimer(axes: Any, curve: DimerCurve, title: str, alone: bool) -> None:
    """Draw a curve, in red if its cores attract; among others, such a curve is labeled with the partner."""
    sound = curve.weakest_core_repulsion > 0
    style = ALONE if alone or not sound else AMONG_OTHERS
    axes.plot(curve.distances, curve.energies, color=SOUND if sound else UNSOUND, **style)
    if not alone and not sound:
        partner = curve.pair[title.startswith(f"{curve.pair[0]} ")]
        axes.annotate(partner, (curve.distances[0], curve.energies[0]), color=UNSOUND, ha="right", va="center")


def _scale_energies(axes: Any, curves: Sequence[DimerCurve]) -> None:
    """Scale the axis linearly to `LINEAR_ENERGY` on both sides of zero, logarithmically beyond."""
    lowest = min(0.0, *(float(curve.energies.min()) for curve in curves))
    highest = max(0.2, *(float(curve.energies.max()) for curve in curves))
    axes.set_yscale("symlog", linthresh=LINEAR_ENERGY, linscale=2)
    axes.set_ylim(lowest * 1.15 - 0.3, highest * 1.3)
    decades = [LINEAR_ENERGY * 10.0**k for k in range(DECADES)]
    ticks = [-2.5, 0.0, 2.5, *decades, *(-decade for decade in decades)]
    axes.set_yticks([tick for tick in sorted(ticks) if lowest * 1.15 - 0.3 <= tick <= highest * 1.3])
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()


def _finish(axes: Any, title: str, label: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(label)
