"""The table of all properties by name: what the ASE calculator, prediction files and LAMMPS can output."""

from __future__ import annotations

from collections.abc import Iterable

from acnn.evaluation.properties import MECHANICS, Evaluation, Property
from acnn.uncertainty.properties import COMMITTEE, GRADES

PROPERTIES: dict[str, Property] = {of.name: of for of in (*MECHANICS, *COMMITTEE, *GRADES)}


def group_of(names: Iterable[str]) -> set[str]:
    """Return the groups of those names that are properties."""
    return {PROPERTIES[name].group for name in names if name in PROPERTIES}


def results(evaluation: Evaluation, groups: Iterable[str]) -> dict[str, object]:
    """Return the properties of these groups by name, as far as this potential and this cell have them."""
    wanted, has_volume = set(groups), evaluation.volume is not None
    return {
        name: of.of(evaluation)
        for name, of in PROPERTIES.items()
        if of.group in wanted and of.exists(evaluation.potential) and (has_volume or not of.of_volume)
    }
