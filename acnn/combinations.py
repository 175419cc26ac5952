"""Which elements the data of a model showed together: an atom, and one or two elements within the cutoff of it.

Functions of combinations that the data never showed are not determined by them. A model keeps what was seen, so that
whatever uses it can name the rest.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ase.data import atomic_numbers, chemical_symbols

from acnn.arrays import BoolArray, IntArray
from acnn.graph import AtomicGraph
from acnn.pairs import Pair

MOST_NAMED = 3
Combination = tuple[str, Pair]
"""A center, and two elements around it, or one twice."""


@dataclass(frozen=True, eq=False)
class Combinations:
    """The combinations of elements in a set of data.

    Attributes:
        elements: chemical symbols.
        cutoff: Å.
        seen: whether some atom of element z had both a and b within the cutoff [n_elements, n_elements, n_elements].
    """

    elements: tuple[str, ...]
    cutoff: float
    seen: BoolArray

    @classmethod
    def none(cls, elements: Sequence[str], cutoff: float) -> Combinations:
        """Return the combinations of no data."""
        return cls(tuple(elements), cutoff, np.zeros((len(elements),) * 3, dtype=bool))

    def together_with(self, *others: Combinations) -> Combinations:
        """Return what these data and others of the same or fewer elements have seen."""
        seen = self.seen.copy()
        for other in others:
            places = [self.elements.index(element) for element in other.elements]
            seen[np.ix_(places, places, places)] |= other.seen
        return replace(self, seen=seen)

    def common_with(self, *others: Combinations) -> Combinations:
        """Return what each of several data of the same elements has seen."""
        return replace(self, seen=np.logical_and.reduce([self.seen, *(other.seen for other in others)]))

    def has_all(self, symbols: Iterable[str]) -> bool:
        """Return whether all combinations of these elements were seen; others of theirs do not count."""
        places = [self.elements.index(symbol) for symbol in symbols if symbol in self.elements]
        return bool(self.seen[np.ix_(places, places, places)].all())

    def unseen(self, symbols: Iterable[str] | None = None) -> list[Combination]:
        """List what was not seen, of these elements only: see `named`.

        Pairs come first, each once. A combination that contains one of them is not listed again.
        """
        chosen = self.elements if symbols is None else set(symbols)
        inside = np.array([element in chosen for element in self.elements])
        return self._listed(inside[:, None, None] & inside[:, None] & inside)

    def unseen_in(self, graph: AtomicGraph) -> list[Combination]:
        """List, like `unseen`, what is in a graph, but was not seen."""
        return self._listed(_together(graph.within(self.cutoff), self.elements))

    def unseen_of(self, other: Combinations) -> list[Combination]:
        """List, like `unseen`, what other data of the same elements have seen."""
        return self._listed(other.seen)

    def and_graph(self, graph: AtomicGraph) -> Combinations:
        """Return the combinations after another structure has been seen."""
        return replace(self, seen=self.seen | _together(graph.within(self.cutoff), self.elements))

    @property
    def unseen_pairs(self) -> list[Pair]:
        """The pairs of elements that were never within the cutoff of each other."""
        return [(z, a) for z, (a, b) in self.unseen() if a == b]

    @property
    def lack_mixtures(self) -> bool:
        """Whether some element was never seen with two others at once."""
        n = np.arange(len(self.elements))
        different = (n[:, None, None] != n[:, None]) & (n[:, None, None] != n) & (n[:, None] != n)
        return bool((different & ~self.seen).any())

    def in_words(self) -> str:
        """Return how many there are and which were not seen, for tables."""
        first, second = np.triu_indices(len(self.elements))
        seen, unseen = self.seen[:, first, second], self.unseen()
        text = f"{int(seen.sum())} of {seen.size} in the data (an atom and two elements within {self.cutoff:g} Å)"
        return text + (f"; never {named(unseen)}" if unseen else "")

    def as_dict(self) -> dict[str, Any]:
        """Return the form stored in a model file: a bit for each center and two elements, as text."""
        first, second = np.triu_indices(len(self.elements))
        bits = np.packbits(self.seen[:, first, second])
        return {"cutoff": self.cutoff, "seen": base64.b64encode(bits.tobytes()).decode()}

    @classmethod
    def from_dict(cls, elements: Sequence[str], values: Mapping[str, Any]) -> Combinations:
        """Read the form stored in a model file.

        Raises:
            ValueError: it does not belong to these elements.
        """
        n, (first, second) = len(elements), np.triu_indices(len(elements))
        packed = np.frombuffer(base64.b64decode(values["seen"], validate=True), dtype=np.uint8)
        if len(packed) != (n * len(first) + 7) // 8:
            raise ValueError(f"the combinations of {n} elements cannot have {len(packed)} bytes")
        found = cls.none(elements, float(values["cutoff"]))
        bits = np.unpackbits(packed, count=n * len(first)).astype(bool).reshape(n, len(first))
        found.seen[:, first, second] = found.seen[:, second, first] = bits
        return found

    def _listed(self, wanted: BoolArray) -> list[Combination]:
        alone = np.einsum("zaa->za", self.seen)
        pairs = np.argwhere(np.triu(np.einsum("zaa->za", wanted) & ~alone))
        known = alone[:, :, None] & alone[:, None, :]
        mixtures = np.argwhere(np.triu(wanted & known & ~self.seen, 1))
        places = [(z, a, a) for z, a in pairs] + [tuple(place) for place in mixtures]
        return [(self.elements[z], (self.elements[a], self.elements[b])) for z, a, b in places]


def named(combinations: Sequence[Combination], most: int = MOST_NAMED) -> str:
    """Name combinations, the first few of many."""
    texts = [f"{z}–{a}" if a == b else f"{z} with {a} and {b}" for z, (a, b) in combinations[:most]]
    more = len(combinations) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")


def _together(graph: AtomicGraph, elements: Sequence[str]) -> BoolArray:
    """Return which two elements are around some center of each element [n_elements, n_elements, n_elements]."""
    n = len(elements)
    place = np.full(len(chemical_symbols), n)
    place[[atomic_numbers[element] for element in elements]] = np.arange(n)
    kinds: IntArray = place[graph.species.cpu().numpy()]
    near = np.zeros((len(kinds), n + 1), dtype=np.float32)  # the last column is for elements of no interest
    near[graph.pair_i.cpu().numpy(), kinds[graph.pair_j.cpu().numpy()]] = 1.0
    around = [near[kinds == z, :n] for z in range(n)]
    return np.array([of_center.T @ of_center > 0 for of_center in around])
