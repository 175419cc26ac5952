"""Names of energies, forces, virials and stresses in data sets."""

from __future__ import annotations

import itertools
from typing import NamedTuple

KINDS = ("energy", "forces", "virial", "stress")
QUANTITIES = {"energy": ("energy",), "forces": ("forces",), "virial": ("virial", "stress")}
"""The kinds of label that determine each quantity."""

LEVELS = {
    "reference": ("REF_{}", "ref_{}"),
    "DFT": ("dft_{}", "DFT_{}", "{}_dft", "{}_DFT"),
    "calculator": ("{}",),
}
"""The spellings of each level of theory, by precedence: declared reference data come before the results of ASE's
calculator, which may have been that of a molecular dynamics run."""

STEMS = {
    "energy": ("energy", "Energy", "total_energy", "free_energy"),
    "forces": ("forces", "Forces", "force"),
    "virial": ("virial", "virials"),
    "stress": ("stress",),
}
FREE_ENERGY = "free_energy"
PREDICTED = "acnn_"
"""Prefix of the names of predictions, which are never labels."""


class LabelName(NamedTuple):
    """A key, its kind, and its level of theory; "given" if the user named the key."""

    kind: str
    key: str
    level: str

    @property
    def is_free_energy(self) -> bool:
        """Whether it includes the entropy of the electrons: forces are its derivatives."""
        return FREE_ENERGY in self.key.lower()

    def means_the_same_as(self, other: LabelName) -> bool:
        """Return whether two keys mean the same, judging by their names alone."""
        return self.level == other.level and self.is_free_energy == other.is_free_energy


def _names_of(quantity: str) -> tuple[LabelName, ...]:
    return tuple(
        LabelName(kind, spelling.format(stem), level)
        for level, spellings in LEVELS.items()
        for kind in QUANTITIES[quantity]
        for stem, spelling in itertools.product(STEMS[kind], spellings)
    )


KNOWN = {quantity: _names_of(quantity) for quantity in QUANTITIES}
"""The known names by quantity, in order of precedence."""
KNOWN_KEYS = frozenset(name.key for names in KNOWN.values() for name in names)
