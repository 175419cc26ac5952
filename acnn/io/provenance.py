"""Provenance: what a model file records about how its model was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.potential import Potential

FIT_FACTS = {
    "acnn_version": "acnn that fitted it",
    "e0_source": "E0 comes from",
    "basis_choice": "basis chosen by",
    "solver": "solver",
    "prior": "prior",
    "repulsion": "weight of the short-range restraint",
    "regularization": "regularization λ",
    "element_correlation": "correlation of elements ρ",
    "virial_offset": "constants of virials (eV/atom)",
    "effective_parameters": "effective parameters",
    "log_evidence": "log evidence",
    "n_equations": "equations",
    "pruned": "pruned",
    "fit_seconds": "time of the fit (s)",
    "epochs": "epochs of the training",
    "best_epoch": "best epoch",
    "train_seconds": "time of the training (s)",
}
"""Keys of the provenance and what they are called."""


def fit_facts(provenance: Mapping[str, Any], model: Potential) -> list[tuple[str, str]]:
    """Return names and values of the `FIT_FACTS` that the provenance states, and what elements the data combined."""
    facts = [(name, as_text(provenance[key])) for key, name in FIT_FACTS.items() if provenance.get(key) is not None]
    known = model.combinations
    if known is not None and len(known.elements) > 1:
        facts.append(("combinations of elements", known.in_words()))
    return facts


def fitted_data(provenance: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what the provenance records about each set of data ("train", "test" …)."""
    return {str(name): data for name, data in mapping(provenance.get("data")).items() if isinstance(data, Mapping)}


def named_keys(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the label keys that the user named for the training data, by kind ("energy" …).

    Of an ensemble, those of its members if they are the same.
    """
    members = provenance.get("members") or ()
    if members:
        first, *others = [named_keys(mapping(mapping(member).get("provenance"))) for member in members]
        return first if all(other == first for other in others) else {}
    settings = mapping(provenance.get("settings"))
    settings = mapping(settings.get("data")) or settings
    named = {kind: settings.get(f"{kind}_key") for kind in ("energy", "forces", "virial", "stress")}
    return {kind: str(key) for kind, key in named.items() if key}


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value, or nothing where it is of another kind."""
    return value if isinstance(value, Mapping) else {}


def as_text(value: Any) -> str:
    """Return six digits of a number or of each by name, and all of anything else."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {as_text(one)}" for name, one in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)
