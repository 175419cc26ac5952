"""E0 of a fit: given, from isolated atoms in the data, or by least squares over compositions."""

from __future__ import annotations

from collections.abc import Mapping

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import Dataset
from acnn.data.isolated_atoms import compositions_determine_energies, isolated_atom_energies, least_squares_energies
from acnn.settings.base import SettingsError
from acnn.settings.data import explicit_energies


def reference_energies(
    e0: str | Mapping[str, float] | None, train: Dataset, specification: BasisSpecification, option: str = "--e0"
) -> tuple[dict[str, float], str, list[str]]:
    """Return E0 by element, their source, and a warning if they come from least squares.

    Args:
        e0: energies, or how to find them, as in `acnn.settings.data`; None takes isolated atoms if there are any.
        option: what the user writes before "Si=-0.8", for messages.
    """
    elements = specification.elements
    given = explicit_energies(e0) if e0 is not None else None
    if given is not None:
        _require_all(given, elements, "e0 gives no energy for", option)
        unused = sorted(set(given) - set(elements))
        if unused:
            raise SettingsError(
                f"e0 gives an energy for {', '.join(unused)}, which the model does not contain ({', '.join(elements)})"
            )
        return {e: given[e] for e in elements}, "given", []
    if e0 == "lstsq":
        return _least_squares(train, elements, "E0 comes from least squares", option)
    isolated = isolated_atom_energies(train, specification.largest_cutoff)
    missing = ", ".join(e for e in elements if e not in isolated)
    if e0 == "isolated":
        _require_all(isolated, elements, "the training data contain no isolated atom of", option)
    if missing:
        present = ", ".join(f"{e} ({isolated[e]:g} eV)" for e in elements if e in isolated)
        beside = f" (those of {present} are not used)" if present else ""
        why = f"no isolated atom of {missing}, so E0 of all elements{beside} comes from least squares"
        return _least_squares(train, elements, why, option)
    return {e: isolated[e] for e in elements}, "isolated atoms", []


def _least_squares(
    train: Dataset, elements: tuple[str, ...], why: str, option: str
) -> tuple[dict[str, float], str, list[str]]:
    if not any(structure.energy is not None for structure in train):
        raise SettingsError(f"the training data contain no energies to find E0 from: give {option} {elements[0]}=0")
    energies = least_squares_energies(train)
    _require_all(energies, elements, "the training data contain no energy to find E0 of", option)
    warning = (
        f"{why} over compositions: energies are then relative to an average atom of the data, and bonds need not break "
        f"into free atoms; give {option} {elements[0]}=… or add isolated-atom structures (config_type=isolated_atom)"
    )
    if not compositions_determine_energies(train):
        warning += (
            f". The compositions of the data do not even determine E0 of {', '.join(elements)}: the split between them "
            "is arbitrary, and energies of other compositions are meaningless"
        )
    return {e: energies[e] for e in elements}, "least squares", [warning]


def _require_all(energies: dict[str, float], elements: tuple[str, ...], sentence: str, option: str) -> None:
    missing = [e for e in elements if e not in energies]
    if missing:
        example = f"{option} {missing[0]}=…"
        raise SettingsError(f"{sentence} {', '.join(missing)}: give {example} with an energy in eV for every element")
