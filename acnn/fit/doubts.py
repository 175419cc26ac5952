"""Doubtful training data: warnings of a fit or training, which the model file keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from acnn.data.dataset import Dataset, LabeledStructure
from acnn.fit.binding import binding_warnings
from acnn.fit.coverage import coverage_warnings, mixture_warnings, unseen_mixtures, unseen_pairs
from acnn.fit.virial_units import virial_warnings
from acnn.pairs import Pair

TRAINED_ON = ("train", "add")


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
        file = Path(dataset.source).name
        of_binding = binding_warnings(dataset, reference_energies, file, option)
        warnings += of_binding
        if name in TRAINED_ON:
            kinds = [kind for kind in ("virial", "stress") if dataset.keys[kind]]
            known = None if of_binding else reference_energies
            warnings += virial_warnings(dataset.structures, kinds, known, cutoff, file)
    return list(dict.fromkeys(warnings))


def coverage(
    elements: Sequence[str], structures: Sequence[LabeledStructure], cutoff: float
) -> tuple[list[Pair], list[str]]:
    """Return the pairs of elements that the data do not cover, and warnings about them and about mixtures of three."""
    unseen = unseen_pairs(elements, structures, cutoff)
    warnings = coverage_warnings(elements, unseen, cutoff)
    return unseen, warnings or mixture_warnings(unseen_mixtures(elements, structures, cutoff), cutoff)


def remembered_warnings(provenance: Mapping[str, Any]) -> list[str]:
    """Return the warnings kept in a model file, including those of the members of an ensemble."""
    members = [member["provenance"] for member in provenance.get("members", ())]
    of_members = [w for member in members for w in remembered_warnings(member)]
    return list(dict.fromkeys([*provenance.get("warnings", ()), *of_members]))
