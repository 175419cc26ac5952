"""Search a data set for the labels of one quantity: which structures have which keys, and whether these agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from ase import Atoms

from acnn.data.errors import DatasetError
from acnn.data.label_names import LabelName
from acnn.data.labels import READERS, find

SAME = {"energy": 1e-4, "forces": 1e-3, "virial": 1e-2}
"""eV/atom, eV/Å, eV/atom; smaller differences come from rounding."""
UNITS = {"energy": "eV/atom", "forces": "eV/Å", "virial": "eV/atom"}


class Difference(NamedTuple):
    """Difference of two labels of the same structures: in how many they differ, and by how much at most, in `UNITS`."""

    structures: int
    largest: float


@dataclass
class Search:
    """The keys of one quantity in a data set.

    Attributes:
        sought: the keys to look for, in order of precedence.
        there: the keys of each structure that can have the quantity, in order of precedence.
    """

    quantity: str
    source: str
    sought: Sequence[LabelName]
    structures: list[Atoms]
    there: list[tuple[LabelName, ...]]

    @classmethod
    def of(cls, quantity: str, structures: Sequence[Atoms], names: Sequence[LabelName], source: str) -> Search:
        """Look up the keys in structures; virials only in those periodic in three directions."""
        able = [atoms for atoms in structures if quantity != "virial" or atoms.pbc.all()]
        return cls(quantity, source, names, able, [names_in(atoms, names) for atoms in able])

    @property
    def found(self) -> list[LabelName]:
        """All keys that occur, in order of precedence."""
        occurring = {name for names in self.there for name in names}
        return [name for name in self.sought if name in occurring]

    def difference(self, one: LabelName, other: LabelName) -> Difference:
        """Compare two keys in the structures that have both."""
        apart = [
            _distance(self.quantity, atoms, one, other)
            for atoms, names in zip(self.structures, self.there, strict=True)
            if one in names and other in names
        ]
        apart = [d for d in apart if not d <= SAME[self.quantity]]
        return Difference(len(apart), float(np.max(apart, initial=0.0)))

    def occur_together(self, one: LabelName, other: LabelName) -> bool:
        """Return whether any structure has both keys."""
        return any(one in names and other in names for names in self.there)

    def counts(self, names: Sequence[LabelName]) -> Counter[LabelName]:
        """Count structures by the first of these keys that they have."""
        first = (next((n for n in names if n in own), None) for own in self.there)
        return Counter(name for name in first if name is not None)


def names_in(atoms: Atoms, names: Sequence[LabelName]) -> tuple[LabelName, ...]:
    """Return those of the keys that the structure has."""
    keys = {*atoms.info, *atoms.arrays, *(atoms.calc.results if atoms.calc is not None else ())}
    return tuple(name for name in names if name.key in keys and has(atoms, name))


def has(atoms: Atoms, name: LabelName) -> bool:
    """Return whether the structure has this label."""
    return find(atoms, name.kind, name.key) is not None


def _distance(quantity: str, atoms: Atoms, one: LabelName, other: LabelName) -> float:
    """Return the largest difference of two labels in `UNITS`; infinite if only one is finite, 0 if one is invalid."""
    try:
        values = [np.asarray(READERS[quantity](atoms, name, "")) for name in (one, other)]
    except DatasetError:
        return 0.0
    if not all(np.isfinite(value).all() for value in values):
        return np.inf if sum(bool(np.isfinite(value).all()) for value in values) == 1 else 0.0
    size = 1 if quantity == "forces" else len(atoms)
    return float(np.abs(values[0] - values[1]).max()) / size
