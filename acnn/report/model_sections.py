"""What the page says of the model, and of what it was fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.potential import Potential
from acnn.report.page import Section, paragraph, subheading, table

FIT_FACTS = {
    "acnn_version": "acnn that fitted it",
    "e0_source": "E0 comes from",
    "solver": "solver",
    "prior": "prior",
    "repulsion": "weight of the short-range restraint",
    "regularization": "regularization λ",
    "effective_parameters": "effective parameters",
    "log_evidence": "log evidence",
    "n_equations": "equations",
    "fit_seconds": "time of the fit (s)",
    "epochs": "epochs of the training",
    "best_epoch": "best epoch",
    "train_seconds": "time of the training (s)",
}
"""Keys of the provenance and what they are called."""
SHORT_HASH = 12
"""Characters of a hash in the header; the section has all of them."""


def model_section(potential: Potential, provenance: Mapping[str, Any]) -> Section:
    """Basis and fit; a model that does not say how it was made gets a sentence instead."""
    parts = [table(["", ""], _model_rows(potential), left=2)]
    facts = [[name, _text(provenance[key])] for key, name in FIT_FACTS.items() if provenance.get(key) is not None]
    data = fitted_data(provenance)
    if not facts and not data:
        parts.append(paragraph("The model file does not say how the model was fitted."))
    if facts:
        parts += [subheading("Fit"), table(["", ""], facts, left=2)]
    if data:
        parts += [subheading("Data of the fit"), _data_table(data)]
    if _mapping(provenance.get("weights")):
        parts += [subheading("Weights"), _weights_table(_mapping(provenance["weights"]))]
    return Section("model", "Model", "\n".join(parts))


def header_facts(potential: Potential, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The most important facts, by their names."""
    facts = {"elements": ", ".join(potential.elements)}
    facts |= potential.summary()
    facts["cutoff"] = f"{potential.cutoff:g} Å"
    energies = potential.reference_energies
    if energies:
        source = f" ({_text(provenance['e0_source'])})" if provenance.get("e0_source") else ""
        facts["E0"] = ", ".join(f"{element} {energy:.3f} eV" for element, energy in energies.items()) + source
    if provenance.get("solver"):
        facts["solver"] = _text(provenance["solver"])
    for name, data in fitted_data(provenance).items():
        facts[f"{name} data"] = f"{_text(data.get('file', '–'))} ({_text(data.get('sha256', '–'))[:SHORT_HASH]}…)"
    return facts


def fitted_data(provenance: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What the provenance says of each set of data ("train", "test" …)."""
    return {str(name): data for name, data in _mapping(provenance.get("data")).items() if isinstance(data, Mapping)}


def _model_rows(potential: Potential) -> list[list[str]]:
    first, *parts = potential.describe()
    rows = [["", first.title], *([name.strip(), value] for name, value in first.rows)]
    return rows + [[f"{part.title}: {name.strip()}", value] for part in parts for name, value in part.rows]


def _data_table(data: Mapping[str, Mapping[str, Any]]) -> str:
    rows = []
    for name, of_name in data.items():
        keys = _mapping(of_name.get("keys"))
        labels = ", ".join(f"{kind} ← {key}" for kind, key in keys.items() if key)
        counts = [_text(of_name.get(key, "–")) for key in ("structures", "atoms", "left_out")]
        rows.append([name, _text(of_name.get("file", "–")), labels, _text(of_name.get("sha256", "–")), *counts])
    headings = ["used for", "file", "labels", "SHA-256", "structures", "atoms", "left out"]
    return table(headings, rows, left=4)


def _weights_table(weights: Mapping[str, Any]) -> str:
    rows = [[name, *(_text(_mapping(w).get(key, "–")) for key in "EFV")] for name, w in weights.items()]
    caption = "By config type; those of energy and virial are divided by √N."
    return table(["config type", "energy", "forces", "virial"], rows, caption=caption)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
