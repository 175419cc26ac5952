"""Sections of the page on errors: tables, parity, residuals, the worst structures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from acnn.evaluation.tables import DECIMALS, error_cells, error_headings
from acnn.html.blocks import Block, Drawing, Legend, Notes, Paragraph, Section, Subheading, Table
from acnn.plots import Look, config_type_figure, element_figure, parity_figure, svg
from acnn.plots.errors import MOST_ROWS
from acnn.report.data_sections import role
from acnn.report.measurement import Measurement, StructureRecord
from acnn.wording import NOTHING, TOTAL, number

WORST = 10

PARITY_CAPTION = (
    "Above, the model against the labels: points lie on the line where they agree. Below, model minus label. Look for "
    "a config type off the line as a whole (a wrong E0, another setting of the calculations), for slopes, and for "
    "single points far from all others."
)
SPREAD_CAPTION = (
    "Model minus label: the thick bar holds the middle half of the errors, the thin one 90 % of them, the mark is the "
    "median. Look for medians away from zero (a bias, which more weight on that kind can fix) and for bars much "
    "longer than the others."
)
ELEMENT_CAPTION = (
    "Errors of force components by the element of the atom. Look for an element that is much worse than the others: it "
    "may need more functions, more data, or another radius."
)


def overview_section(
    measurements: list[Measurement], provenance: Mapping[str, Any], findings: Sequence[str]
) -> Section:
    """Return the section with one row of figures for each set of data, and the warnings."""
    headings = ["data", "in the fit", "structures", "atoms", *error_headings(["rmse"]), "largest force error\neV/Å"]
    rows = []
    for measurement in measurements:
        total = measurement.table.as_dict()[TOTAL]
        worst = [r.largest_force_error for r in measurement.records if r.largest_force_error is not None]
        counts = [str(len(measurement.dataset)), str(measurement.dataset.n_atoms)]
        largest = number(max(worst, default=None), DECIMALS["forces"])
        rows.append([measurement.name, role(measurement, provenance), *counts, *error_cells(total, ["rmse"]), largest])
    notes = [Notes(findings)] if findings else []
    return Section("overview", "At a glance", [Table(headings, rows, left=2), *notes])


def error_section(measurements: list[Measurement], types: Look) -> Section:
    """Return the section with the error table and parity plots of each set of data."""
    blocks: list[Block] = [
        Paragraph(
            "Energies and virials are per atom; the components of virials and forces count one by one. MAE is the mean "
            "absolute error, RMSE the root mean square error, which is more sensitive to outliers."
        ),
        Legend(types),
    ]
    for index, measurement in enumerate(measurements):
        blocks += [Subheading(measurement.name), error_table(measurement), *_component_tables(measurement)]
        if measurement.table.quantities:
            drawn = svg(
                parity_figure(measurement.table, types), f"parity{index}", f"Model against labels of {measurement.name}"
            )
            blocks.append(Drawing(drawn, PARITY_CAPTION))
        else:
            blocks.append(Paragraph("These data have no labels to compare with."))
    return Section("errors", "Errors", blocks)


def error_table(measurement: Measurement) -> Table:
    """Return the MAE and RMSE by config type, as `acnn evaluate` prints them."""
    counts = {row.config_type: row.structures for row in measurement.dataset.summary()}
    numbers = [*(counts[known] for known in sorted(counts)), len(measurement.dataset)]
    rows = [
        [config_type, str(n), *error_cells(row)]
        for (config_type, row), n in zip(measurement.table.as_dict().items(), numbers, strict=True)
    ]
    return Table(["config type", "structures", *error_headings()], rows, total=True)


def _component_tables(measurement: Measurement) -> list[Block]:
    by_components = measurement.table.by_components()
    counts = Counter(len(set(structure.atoms.symbols)) for structure in measurement.dataset)
    rows = [
        [number_of_elements, str(counts[n]), *error_cells(row)]
        for n, (number_of_elements, row) in zip(sorted(counts), by_components.items(), strict=bool(by_components))
    ]
    return [Table(["in the structure", "structures", *error_headings()], rows)] if rows else []


def residual_section(measurements: list[Measurement]) -> Section:
    """Return the section on how errors spread over config types and elements."""
    blocks: list[Block] = []
    for index, measurement in enumerate(measurements):
        name, table = measurement.name, measurement.table
        if not table.quantities:
            continue
        drawn = svg(config_type_figure(table), f"types{index}", f"Errors on {name} by config type")
        blocks += [
            Subheading(f"{name}: by config type"),
            Drawing(drawn, SPREAD_CAPTION + _cut(table.parity)),
        ]
        if measurement.by_element:
            drawn = svg(
                element_figure(measurement.by_element), f"elements{index}", f"Force errors on {name} by element"
            )
            blocks += [
                Subheading(f"{name}: by element"),
                _element_table(measurement),
                Drawing(drawn, ELEMENT_CAPTION + _cut(measurement.by_element)),
            ]
    return Section("residuals", "Residuals", blocks or [Paragraph("There are no labels to compare with.")])


def _cut(rows: Mapping[str, object]) -> str:
    return f" Of {len(rows)}, the {MOST_ROWS} with the largest errors are drawn." if len(rows) > MOST_ROWS else ""


def _element_table(measurement: Measurement) -> Table:
    rows = []
    for element in measurement.dataset.elements:
        if element in measurement.by_element:
            parity = measurement.by_element[element]
            labels, _ = parity.arrays
            size = float(np.sqrt((labels**2).mean()))
            figures = [number(x, DECIMALS["forces"]) for x in (parity.mae, parity.rmse, size)]
            share = number(100 * parity.rmse / size if parity.rmse is not None and size > 0 else None, 1)
            rows.append([element, str(len(labels) // 3), *figures, share])
    headings = ["element", "atoms with forces", "MAE\neV/Å", "RMSE\neV/Å", "size of the labels (RMS)\neV/Å"]
    return Table([*headings, "RMSE / size\n%"], rows)


def worst_section(measurements: list[Measurement]) -> Section:
    """Return the section on the structures with the largest errors, by name."""
    blocks: list[Block] = [
        Paragraph(
            "Names are file, index in it (the first is 0) and config type. Look here first for mistakes in the data: a "
            "calculation that did not converge, a structure that does not belong, atoms too close. What remains is "
            "what the potential cannot describe yet."
        )
    ]
    for measurement in measurements:
        by_energy = _worst(measurement, lambda r: None if r.energy_error is None else abs(r.energy_error))
        by_force = _worst(measurement, lambda r: r.largest_force_error)
        if by_energy:
            blocks += [Subheading(f"{measurement.name}: by energy error"), _worst_table(by_energy)]
        if by_force:
            blocks += [Subheading(f"{measurement.name}: by the force error of an atom"), _worst_table(by_force)]
        if not by_energy and not by_force:
            blocks.append(Paragraph(f"{measurement.name} has neither energies nor forces."))
    return Section("worst", f"The {WORST} worst structures", blocks)


def _worst(measurement: Measurement, size: Callable[[StructureRecord], float | None]) -> list[StructureRecord]:
    measured = [(size(record), record) for record in measurement.records]
    known = [(value, record) for value, record in measured if value is not None]
    return [record for _, record in sorted(known, key=lambda pair: -pair[0])[:WORST]]


def _worst_table(records: list[StructureRecord]) -> Table:
    headings = ["structure", "formula", "worst atom", "atoms", "energy error\nmeV/atom", "largest force error\neV/Å"]
    rows = [
        [
            r.name,
            r.formula,
            r.worst_atom or NOTHING,
            str(r.n_atoms),
            number(r.energy_error, DECIMALS["energy"]),
            number(r.largest_force_error, DECIMALS["forces"]),
            number(r.force_rmse, DECIMALS["forces"]),
        ]
        for r in records
    ]
    return Table([*headings, "force RMSE\neV/Å"], rows, left=3)
