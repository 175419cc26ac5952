"""Section and header of the page on the model, and on what it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.html.blocks import Block, Paragraph, Section, Subheading, Table, facts_table
from acnn.io.provenance import as_text, fit_facts, fitted_data, mapping
from acnn.potential import Potential

SHORT_HASH = 12
"""Characters of a hash in the header; the section shows all of them."""


def model_section(potential: Potential, provenance: Mapping[str, Any]) -> Section:
    """Return the section on basis and fit; a sentence replaces the latter if the model does not state it."""
    blocks: list[Block] = [facts_table(_model_rows(potential))]
    facts, data = fit_facts(provenance, potential), fitted_data(provenance)
    if not facts and not data:
        blocks.append(Paragraph("The model file does not record how the model was fitted."))
    if facts:
        blocks += [Subheading("Fit"), facts_table(facts)]
    if data:
        blocks += [Subheading("Data of the fit"), _data_table(data)]
    if mapping(provenance.get("weights")):
        blocks += [Subheading("Weights"), _weights_table(mapping(provenance["weights"]))]
    return Section("model", "Model", blocks)


def header_facts(potential: Potential, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the most important facts, by their names."""
    facts = {"elements": ", ".join(potential.elements)}
    facts |= potential.summary()
    facts["cutoff"] = f"{potential.cutoff:g} Å"
    energies = potential.reference_energies
    if energies:
        source = f" ({as_text(provenance['e0_source'])})" if provenance.get("e0_source") else ""
        facts["E0"] = ", ".join(f"{element} {energy:.3f} eV" for element, energy in energies.items()) + source
    if provenance.get("solver"):
        facts["solver"] = as_text(provenance["solver"])
    for name, data in fitted_data(provenance).items():
        facts[f"{name} data"] = f"{as_text(data.get('file', '–'))} ({as_text(data.get('sha256', '–'))[:SHORT_HASH]}…)"
    return facts


def _model_rows(potential: Potential) -> list[list[str]]:
    first, *parts = potential.describe()
    rows = [["", first.title], *([name.strip(), value] for name, value in first.rows)]
    return rows + [[f"{part.title}: {name.strip()}", value] for part in parts for name, value in part.rows]


def _data_table(data: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = []
    for name, of_name in data.items():
        keys = mapping(of_name.get("keys"))
        labels = ", ".join(f"{kind} ← {key}" for kind, key in keys.items() if key)
        counts = [as_text(of_name.get(key, "–")) for key in ("structures", "atoms", "left_out")]
        rows.append([name, as_text(of_name.get("file", "–")), labels, as_text(of_name.get("sha256", "–")), *counts])
    headings = ["used for", "file", "labels", "SHA-256", "structures", "atoms", "left out"]
    return Table(headings, rows, left=4)


def _weights_table(weights: Mapping[str, Any]) -> Table:
    rows = [[name, *(as_text(mapping(w).get(key, "–")) for key in "EFV")] for name, w in weights.items()]
    caption = "By config type; the weights of energies and virials are divided by √N."
    return Table(["config type", "energy", "forces", "virial"], rows, caption=caption)
