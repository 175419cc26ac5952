"""What stops a relaxation: bonds that become too short, a cell that collapses or explodes, an extrapolation grade."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from ase.data import atomic_numbers, chemical_symbols, covalent_radii

from acnn.arrays import FloatArray, IntArray
from acnn.graph import AtomicGraph
from acnn.potential import Potential
from acnn.uncertainty.grade import grades, require_active_set

ALWAYS_TOO_SHORT = 0.5
"""Share of the sum of covalent radii below which no bond is, where no length is given for a pair of elements."""
SMALLEST, LARGEST = 0.2, 5.0
"""Shares of its first volume that a cell may have."""
PAIR = re.compile(r"\s*([A-Z][a-z]?)\s*-\s*([A-Z][a-z]?)\s*=\s*([0-9.eE+-]+)\s*")


@dataclass(frozen=True)
class Limits:
    """What a structure must keep to.

    Attributes:
        bonds: shortest length by pair of elements, Å, ``{("B", "Sr"): 1.67}``.
        scale: factor of these lengths.
        grade: largest extrapolation grade γ of an atom.
    """

    bonds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    scale: float = 1.0
    grade: float = math.inf

    def squares(self) -> FloatArray:
        """Return the squares of the shortest lengths by atomic numbers, Å² [119, 119]."""
        lengths: FloatArray = ALWAYS_TOO_SHORT * (covalent_radii[:, None] + covalent_radii)
        for (one, other), length in self.bonds.items():
            i, j = atomic_numbers[one], atomic_numbers[other]
            lengths[i, j] = lengths[j, i] = self.scale * length
        squares: FloatArray = lengths**2
        return squares


def bond_limits(text: str) -> dict[tuple[str, str], float]:
    """Parse lengths such as "Sr-Sr=2.075,Sr-B=1.671,B-B=1.267".

    Raises:
        ValueError: it is not of this form.
    """
    found = {}
    for part in filter(None, text.split(",")):
        match = PAIR.fullmatch(part)
        try:
            one, other, length = match.groups() if match else ("", "", "")
            found[one, other] = float(length)
        except ValueError:
            raise ValueError(f"shortest bonds are given as Sr-Sr=2.075,Sr-B=1.671, not {part!r}") from None
        unknown = [symbol for symbol in (one, other) if symbol not in atomic_numbers]
        if unknown or not 0 < found[one, other] < 100:
            raise ValueError(f"{part.strip()!r} is no bond length: give two elements, and a length in Å")
    return found


class Guards:
    """The limits, applied to the structures of a graph.

    Raises:
        ValueError: grades are limited, and the model has no active set.
    """

    def __init__(self, model: Potential, limits: Limits, kernel: str | None = None) -> None:
        self._model, self._limits, self._kernel = model, limits, kernel
        self._squares = limits.squares()
        if self.needs_grades:
            require_active_set(model)

    @property
    def needs_grades(self) -> bool:
        """Whether grades are limited."""
        return self._limits.grade < math.inf

    def geometry(self, graph: AtomicGraph, growth: FloatArray) -> list[str]:
        """Return why a structure has to stop, or an empty text, for each.

        Args:
            growth: volumes relative to the first ones [n_structures]; 1 where the cell is fixed.
        """
        reasons = self._short_bonds(graph)
        for structure in np.flatnonzero(~((growth > SMALLEST) & (growth < LARGEST))).tolist():
            reasons[structure] = f"its volume is {growth[structure]:.3g} of that at the beginning"
        return reasons

    def extrapolation(self, graph: AtomicGraph) -> list[str]:
        """Return why a structure has to stop, or an empty text, for each."""
        found, limit = grades(self._model, graph, self._kernel).numpy(), self._limits.grade
        largest = np.zeros(graph.n_structures)
        np.maximum.at(largest, graph.structure.numpy(), found)
        return [f"γ of an atom is {value:.3g}, above {limit:g}" if value > limit else "" for value in largest]

    def _short_bonds(self, graph: AtomicGraph) -> list[str]:
        """Return for each structure the bond that is shortest beside its limit, or an empty text if none is too short.

        Only pairs below the largest limit of all elements present are looked at by their own elements.
        """
        numbers, squares = graph.species.numpy(), graph.squared_lengths().numpy()
        near = np.flatnonzero(squares < self._most(numbers))
        i, j = (index.numpy()[near] for index in (graph.pair_i, graph.pair_j))
        squares, limits = squares[near], self._squares[numbers[i], numbers[j]]
        short, reasons = np.flatnonzero(squares < limits), [""] * graph.n_structures
        for k in short[np.argsort(squares[short] / limits[short], kind="stable")][::-1]:  # the shortest one last
            names = "-".join(sorted(chemical_symbols[z] for z in numbers[[i[k], j[k]]]))
            text = f"a bond {names} of {math.sqrt(squares[k]):.3f} Å is shorter than {math.sqrt(limits[k]):.3f} Å"
            reasons[int(graph.structure[i[k]])] = text
        return reasons

    def _most(self, numbers: IntArray) -> float:
        present = np.unique(numbers)
        return float(self._squares[np.ix_(present, present)].max(initial=0.0))
