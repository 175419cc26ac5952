"""Doubtful training data: warnings of a fit or training, which the model file keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.conventions import QUANTITIES
from acnn.data.dataset import Dataset
from acnn.evaluation.metrics import ErrorTable
from acnn.fit.binding import binding_warnings
from acnn.fit.virial_units import virial_warnings

TRAINED_ON = ("train", "add")
OVERFITTED = 3.0
"""Ratio of errors on unknown and on known structures that is remarkable where functions outnumber equations."""


def label_warnings(
    datasets: Mapping[str, Dataset], reference_energies: Mapping[str, float], cutoff: float, option: str = "--e0"
) -> list[str]:
    """Warn about energies inconsistent with E0, and about virials of another unit, sign or order of components.

    Args:
        reference_energies: E0 in eV.
        cutoff: Å.
        option: what the user writes before "Si=-0.8".
    """
    warnings = []
    for name, dataset in datasets.items():
        file = dataset.name
        of_binding = binding_warnings(dataset, reference_energies, file, option)
        warnings += of_binding
        if name in TRAINED_ON:
            kinds = [kind for kind in ("virial", "stress") if dataset.keys[kind]]
            known = None if of_binding else reference_energies
            warnings += virial_warnings(dataset.structures, kinds, known, cutoff, file)
    return list(dict.fromkeys(warnings))


def overfitting_warnings(errors: Mapping[str, ErrorTable], n_functions: int, n_equations: int) -> list[str]:
    """Warn where functions outnumber equations and errors on other data are several times those on the training data.

    Args:
        errors: by name of the data set, with "train" among them.
    """
    if n_functions <= n_equations:
        return []
    known = {quantity: errors["train"].total(quantity).rmse for quantity in QUANTITIES}
    ratios = {
        name: max((table.total(q).rmse or 0.0) / rmse for q, rmse in known.items() if rmse)
        for name, table in errors.items()
        if name not in TRAINED_ON and any(known.values())
    }
    return [
        f"{n_functions} functions for {n_equations} equations: errors on {name} are up to {ratio:.1f} times those of "
        "training; lower --degree or --order, let --select evidence choose, or add data"
        for name, ratio in ratios.items()
        if ratio > OVERFITTED
    ]


def remembered_warnings(provenance: Mapping[str, Any]) -> list[str]:
    """Return the warnings kept in a model file, including those of the members of an ensemble."""
    members = [member["provenance"] for member in provenance.get("members", ())]
    of_members = [w for member in members for w in remembered_warnings(member)]
    return list(dict.fromkeys([*provenance.get("warnings", ()), *of_members]))
