"""Sections of the page on the data: counts, distances, energies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.data.energies import energy_points
from acnn.data.label_keys import used_keys
from acnn.data.tables import DATA_HEADINGS, data_rows
from acnn.html.blocks import Block, Drawing, Legend, Paragraph, Section, Subheading, Table, folded_if_long
from acnn.io.provenance import fitted_data
from acnn.pairs import Pair, element_pairs
from acnn.plots import Look, energy_volume_figure, svg
from acnn.plots.pairs import MOST_PAIR_PANELS, distance_figure
from acnn.report.measurement import Measurement
from acnn.wording import NOTHING, number


def role(measurement: Measurement, provenance: Mapping[str, Any]) -> str:
    """Return what the fit used a file for, recognized by its hash."""
    uses = [name for name, data in fitted_data(provenance).items() if data.get("sha256") == measurement.dataset.sha256]
    if uses:
        return ", ".join(uses)
    return "no" if fitted_data(provenance) else "unknown"


def data_section(measurements: list[Measurement], provenance: Mapping[str, Any]) -> Section:
    """Return the section on the structures and labels of each set of data."""
    blocks: list[Block] = []
    for measurement in measurements:
        dataset = measurement.dataset
        blocks += [
            Subheading(f"{measurement.name} (in the fit: {role(measurement, provenance)})"),
            Paragraph(f"Labels: {used_keys(dataset.keys) or 'none'}. SHA-256 {dataset.sha256}."),
            Table(
                DATA_HEADINGS,
                data_rows(dataset),
                total=True,
                caption="Structures, their atoms, and structures with each label",
            ),
        ]
    return Section("data", "Data", blocks)


def energy_section(measurements: list[Measurement], types: Look) -> Section | None:
    """Return the section on energies of the data against volume; None without energies."""
    points = {m.name: energy_points(m.dataset, m.table.reference_energies) for m in measurements}
    if not any(points.values()):
        return None
    caption = (
        "Labels, relative to the energies E0 of the atoms. Each phase should lie on a smooth branch. Look for points "
        "far off their branch (a calculation that did not converge, another setting), for gaps in volume that the "
        "potential has to bridge, and for volumes that only the test data have."
    )
    if any(point.volume for of_set in points.values() for point in of_set):
        caption += (
            " Slabs lie at large volumes, since their cells contain vacuum; structures that are not periodic in three "
            "directions are left out."
        )
    drawn = svg(energy_volume_figure(points, types), "energies", "Energy of the data against volume")
    return Section("energies", "Energies of the data", [Legend(types), Drawing(drawn, caption)])


def distance_section(measurements: list[Measurement], sets: Look) -> Section:
    """Return the section on distances by pair of elements."""
    caption = (
        "Pairs of atoms over distance, divided by r² and scaled to the largest value; triangles mark the shortest "
        "distance. Below it the potential extrapolates. Look for test data or a planned simulation that come closer "
        "than the training data, for pairs of elements with no short distances, and for single pairs far too close."
    )
    if len(element_pairs(measurements[0].distances.elements)) > MOST_PAIR_PANELS:
        caption += " A panel for each element shows the pairs with all its partners."
    drawn = svg(
        distance_figure({m.name: m.distances for m in measurements}, sets),
        "distances",
        "Distances in the data by pair of elements",
    )
    legend = [Legend(sets)] if len(measurements) > 1 else []
    return Section(
        "distances", "Distances in the data", [*legend, Drawing(drawn, caption), _shortest_table(measurements)]
    )


def shortest_distances(measurements: list[Measurement]) -> dict[Pair, float]:
    """Return the shortest distance (Å) of each pair of elements in all data."""
    found: dict[Pair, float] = {}
    for measurement in measurements:
        for pair, shortest in measurement.distances.shortest.items():
            found[pair] = min(shortest.distance, found.get(pair, shortest.distance))
    return found


def _shortest_table(measurements: list[Measurement]) -> Block:
    rows = []
    for pair in element_pairs(measurements[0].distances.elements):
        for measurement in measurements:
            shortest = measurement.distances.shortest.get(pair)
            distance, name = shortest or (None, NOTHING)
            rows.append(["–".join(pair), measurement.name, name, number(distance, 3)])
    cutoff = measurements[0].distances.cutoff
    caption = f"A dash where the data contain no such pair within the cutoff of {cutoff:g} Å."
    found = Table(["pair", "data", "structure", "shortest distance\nÅ"], rows, left=3, caption=caption)
    return folded_if_long(found, f"Shortest distances, all {len(rows)} rows")
