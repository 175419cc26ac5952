"""Sections of the page on the potential beyond the data: dimers, and the cost of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from acnn.html.blocks import Block, Drawing, Section, Table, facts_table, folded_if_long
from acnn.models.dimers import DimerCurve
from acnn.pairs import Pair
from acnn.plots import svg
from acnn.plots.pairs import MOST_PAIR_PANELS, dimer_figure
from acnn.report.cost import Cost
from acnn.wording import counted, number

INTRODUCTION = (
    "Two atoms at a distance, relative to the atoms alone; linear to 5 eV, logarithmic beyond. Dotted: the cutoff of "
    "{cutoff:g} Å, where curves must end in zero without a step. "
)
ONE_PAIR = (
    "Dashed: the shortest distance of the pair in the data, left of which the potential extrapolates. Shaded: the "
    "range of core repulsion, where the curve must rise toward the left, or atoms that meet in a hot simulation fuse; "
    "curves that do not are red. Wells and wiggles at distances that do not occur in the data are harmless in a "
    "crystal but matter in a gas."
)
MANY_PAIRS = (
    "A panel for each element, with a curve for each partner. Look for red curves, labeled with the partner: they "
    "do not rise toward the left at the distances of cores, and atoms that meet in a hot simulation fuse."
)


def dimer_section(curves: Sequence[DimerCurve], shortest: Mapping[Pair, float], cutoff: float) -> Section:
    """Return the section on the energy of every pair of elements over distance."""
    caption = INTRODUCTION.format(cutoff=cutoff) + (ONE_PAIR if len(curves) <= MOST_PAIR_PANELS else MANY_PAIRS)
    drawn = svg(dimer_figure(curves, shortest, cutoff), "dimers", "Energies of dimers")
    return Section("dimers", "Dimers", [Drawing(drawn, caption), _dimer_table(curves, shortest)])


def attractive_dimers(curves: Sequence[DimerCurve]) -> list[str]:
    """Return a sentence for each pair of elements whose cores attract."""
    return [
        f"The dimer {'–'.join(curve.pair)} attracts between {curve.core[0]:.2f} and {curve.core[1]:.2f} Å: fit with "
        "--zbl, or add close pairs to the data."
        for curve in curves
        if not curve.weakest_core_repulsion > 0
    ]


def _dimer_table(curves: Sequence[DimerCurve], shortest: Mapping[Pair, float]) -> Block:
    headings = ["pair", "core", "lowest energy\neV", "at\nÅ", "weakest core repulsion −dE/dr\neV/Å"]
    rows = [
        [
            "–".join(curve.pair),
            "repulsive" if curve.weakest_core_repulsion > 0 else "ATTRACTIVE",
            number(float(curve.energies[curve.lowest]), 3),
            number(float(curve.distances[curve.lowest]), 2),
            number(curve.weakest_core_repulsion, 2),
            number(shortest.get(curve.pair), 3),
        ]
        for curve in curves
    ]
    found = Table([*headings, "shortest in the data\nÅ"], rows, left=2)
    return folded_if_long(found, f"Values of all {len(rows)} pairs")


def cost_section(cost: Cost) -> Section:
    """Return the section on times per atom and how they were measured."""
    rows = [
        ["energies and forces", f"{cost.evaluation:.3g} µs/atom"],
        ["neighbor search, structure by structure", f"{cost.neighbor_search:.3g} µs/atom"],
        ["kernel", cost.kernel],
        ["threads", str(cost.threads)],
        ["machine", cost.machine],
        ["measured on", f"{counted(cost.n_structures, 'structure')} of the data, {counted(cost.n_atoms, 'atom')}"],
        ["neighbors of an atom", f"{cost.neighbors:.1f} on average"],
    ]
    caption = (
        "Structures spread over the data, evaluated together; medians of several runs after a warm-up. The time grows "
        "with the number of neighbors. The search costs more per atom in small structures; molecular dynamics needs it "
        "only every few steps."
    )
    return Section("cost", "Cost", [facts_table(rows, caption)])
