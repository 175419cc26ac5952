"""Offsets between the energies of two methods: total energies differ mostly by a constant per atom of each element.

`energy_offsets` finds these constants, so that one model can learn the energies of both methods, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from acnn.arrays import FloatArray
from acnn.data.errors import error_sentence
from acnn.data.labeling import calculated

MOST_REFERENCES = 200
"""Structures from which the offsets are determined; there are few of these to find."""
SAME_COMPOSITION = 1e-6

Reference = tuple[Atoms, float]
"""A structure and its energy in eV."""


@dataclass(frozen=True)
class EnergyOffsets:
    """δ_z in eV by element.

    Attributes:
        compositions: orthonormal rows that span the numbers of atoms of the references [n, n_elements]; only for sums
            of them is Σ_i δ_z(i) known.
    """

    elements: tuple[str, ...]
    values: FloatArray
    compositions: FloatArray

    def of(self, atoms: Atoms) -> float:
        """Return Σ_i δ_z(i) in eV.

        Raises:
            ValueError: the references do not determine it.
        """
        counts = np.array([np.sum(atoms.symbols == element) for element in self.elements], dtype=float)
        unknown = counts - self.compositions.T @ (self.compositions @ counts)
        if counts.sum() < len(atoms) or np.abs(unknown).max() > SAME_COMPOSITION * len(atoms):
            formula = atoms.symbols.formula.format("hill")
            raise ValueError(
                f"the reference energies do not determine the offset of {formula}: add some of this composition"
            )
        return float(counts @ self.values)

    def __str__(self) -> str:
        return ", ".join(f"{element} {value:.3f}" for element, value in zip(self.elements, self.values, strict=True))


def energy_offsets(
    references: Sequence[Reference], calculator: Calculator, advance: Callable[[], None] = lambda: None
) -> EnergyOffsets:
    """Find the δ_z that minimize the squares of E - E_calc - Σ_i δ_z(i); if there are several, those of least norm.

    Structures for which the calculator fails are left out.

    Raises:
        ValueError: it fails for all of them.
    """
    rows, differences, reason = [], [], "there are none"
    for atoms, energy in references:
        try:
            found = calculated(atoms, calculator).energy
        except Exception as error:  # whatever its library raises
            found, reason = None, error_sentence(error)
        if found is not None and math.isfinite(found):
            rows.append(atoms.symbols)
            differences.append(energy - found)
        advance()
    if not rows:
        raise ValueError(f"{type(calculator).__name__} fails for all {len(references)} reference structures: {reason}")
    elements = tuple(sorted({symbol for row in rows for symbol in row}))
    counts = np.array([[np.sum(row == element) for element in elements] for row in rows], dtype=float)
    values = np.linalg.lstsq(counts, np.array(differences), rcond=None)[0]
    _, singular, directions = np.linalg.svd(counts, full_matrices=False)
    return EnergyOffsets(elements, values, directions[singular > SAME_COMPOSITION * singular[0]])


def chosen_references(references: Sequence[Reference]) -> list[Reference]:
    """Choose about `MOST_REFERENCES`, covering all elements and, if their number allows, all compositions."""
    firsts = _places_of_new(tuple(sorted(atoms.numbers)) for atoms, _ in references)
    of_elements = _places_of_new(tuple(sorted(set(atoms.numbers))) for atoms, _ in references)
    chosen = set(of_elements) | set(_spread(firsts, MOST_REFERENCES))
    others = [place for place in range(len(references)) if place not in chosen]
    chosen |= set(_spread(others, max(0, MOST_REFERENCES - len(chosen))))
    return [references[place] for place in sorted(chosen)]


def _places_of_new(kinds: Iterable[tuple[int, ...]]) -> list[int]:
    places: dict[tuple[int, ...], int] = {}
    for place, kind in enumerate(kinds):
        places.setdefault(kind, place)
    return list(places.values())


def _spread(places: list[int], most: int) -> list[int]:
    """Choose at most ``most`` of them, evenly spaced."""
    return [places[k] for k in np.linspace(0, len(places) - 1, min(len(places), most)).round().astype(int)]
