"""Names under which data sets keep energies, forces, virials and stresses."""

from __future__ import annotations

import itertools
from typing import NamedTuple

KINDS = ("energy", "forces", "virial", "stress")
QUANTITIES = {"energy": ("energy",), "forces": ("forces",), "virial": ("virial", "stress")}
"""Quantity: the kinds of label that tell it."""

LEVELS = {
    "reference": ("REF_{}", "ref_{}"),
    "DFT": ("dft_{}", "DFT_{}", "{}_dft", "{}_DFT"),
    "calculator": ("{}",),
}
"""Level of theory: its spellings, by precedence: what is declared as reference data comes before what ASE keeps of the
calculator at hand, which may have been that of a molecular dynamics."""

STEMS = {
    "energy": ("energy", "Energy", "total_energy", "free_energy"),
    "forces": ("forces", "Forces", "force"),
    "virial": ("virial", "virials"),
    "stress": ("stress",),
}
FREE_ENERGY = "free_energy"
PREDICTED = "acnn_"
"""Of the names of what a model said: never labels."""


class LabelName(NamedTuple):
    """A key, what it holds, and the level of theory it tells; "given" if the user said it."""

    kind: str
    key: str
    level: str

    @property
    def is_free_energy(self) -> bool:
        """With the entropy of the electrons: what forces derive from."""
        return FREE_ENERGY in self.key.lower()

    def means_the_same_as(self, other: LabelName) -> bool:
        """By the names alone."""
        return self.level == other.level and self.is_free_energy == other.is_free_energy


def _names_of(quantity: str) -> tuple[LabelName, ...]:
    return tuple(
        LabelName(kind, spelling.format(stem), level)
        for level, spellings in LEVELS.items()
        for kind in QUANTITIES[quantity]
        for stem, spelling in itertools.product(STEMS[kind], spellings)
    )


KNOWN = {quantity: _names_of(quantity) for quantity in QUANTITIES}
"""By quantity, in order of precedence."""
KNOWN_KEYS = frozenset(name.key for names in KNOWN.values() for name in names)
