"""Composition of the page from its sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from acnn.fit.coverage import novelties
from acnn.fit.doubts import remembered_warnings
from acnn.fit.job import left_out_notes
from acnn.html.blocks import Section
from acnn.html.rendering import page
from acnn.models.dimers import dimer_curves
from acnn.plots import Look, require_matplotlib
from acnn.potential import Potential
from acnn.report.behavior_sections import attractive_dimers, cost_section, dimer_section
from acnn.report.cost import measure_cost
from acnn.report.data_sections import data_section, distance_section, energy_section, shortest_distances
from acnn.report.error_sections import error_section, overview_section, residual_section, worst_section
from acnn.report.measurement import Measurement
from acnn.report.model_sections import header_facts, model_section
from acnn.report.uncertainty_sections import uncertainty_section
from acnn.wording import counted

N_SECTIONS = 11
"""Number of calls of ``advance`` that `report_page` makes."""


def report_page(
    potential: Potential,
    measurements: Sequence[Measurement],
    title: str,
    provenance: Mapping[str, Any] | None = None,
    kernel: str | None = None,
    advance: Callable[[], None] = lambda: None,
) -> str:
    """Return the page as HTML.

    Args:
        potential: on the CPU in float64.
        measurements: of the potential on its data, at least one, as `acnn.report.measure` makes them.
        title: headline of the page, such as the name of the model file.
        provenance: how the model was fitted, as its file states.
        kernel: the kernel whose cost is measured; see `Potential.pair_gradients`.
        advance: called after each of `N_SECTIONS` parts.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: there are no measurements.
    """
    require_matplotlib()
    if not measurements:
        raise ValueError("a report needs at least 1 set of data, got 0")
    sections, facts = [], dict(provenance or {})
    for section in _sections(potential, list(measurements), facts, kernel):
        if section is not None:
            sections.append(section)
        advance()
    date = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    n_atoms = sum(measurement.dataset.n_atoms for measurement in measurements)
    subtitle = f"Report of {date} by acnn {version('acnn')}, measured on {counted(n_atoms, 'atom')}"
    return page(title, subtitle, header_facts(potential, facts), sections)


def _sections(
    potential: Potential, measurements: list[Measurement], provenance: dict[str, Any], kernel: str | None
) -> Iterator[Section | None]:
    types = Look(sorted({record.config_type for m in measurements for record in m.records}))
    sets = Look([measurement.name for measurement in measurements])
    curves, shortest = dimer_curves(potential), shortest_distances(measurements)
    findings = [*_warnings(potential, measurements, provenance), *attractive_dimers(curves)]
    yield overview_section(measurements, provenance, findings)
    yield error_section(measurements, types)
    yield residual_section(measurements)
    yield worst_section(measurements)
    yield dimer_section(curves, shortest, potential.cutoff)
    yield distance_section(measurements, sets)
    yield energy_section(measurements, types)
    yield uncertainty_section(measurements)
    yield cost_section(measure_cost(potential, [s.atoms for m in measurements for s in m.dataset], kernel))
    yield data_section(measurements, provenance)
    yield model_section(potential, provenance)


def _warnings(potential: Potential, measurements: list[Measurement], provenance: Mapping[str, Any]) -> list[str]:
    sentences = left_out_notes({m.name: m.dataset for m in measurements}) + remembered_warnings(provenance)
    sentences += [sentence for m in measurements for sentence in novelties(potential, m.dataset)]
    hashes = [m.dataset.sha256 for m in measurements]
    for m in measurements[1:]:
        first = measurements[hashes.index(m.dataset.sha256)]
        if first is not m:
            sentences.append(f"{m.name} and {first.name} are the same data.")
    if provenance.get("e0_source") == "least squares":
        sentences.append(
            "E0 comes from least squares: energies are relative to an average atom of the data, and bonds need not "
            "break toward the true free atom."
        )
    return sentences
