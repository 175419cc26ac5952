"""Isolated atoms in a data set, and reference energies E0 from them or by least squares."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from acnn.arrays import FloatArray
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.errors import DatasetError
from acnn.data.frames import shortest_period

ISOLATED_CONFIG_TYPES = ("isolated_atom", "isolatedatom", "isolated")
ISOLATION = 10.0
"""Å to the nearest image; beyond it an atom counts as isolated where no cutoff is known."""
SAME_ENERGY = 1e-4
"""eV; two energies of one isolated atom that differ by more contradict each other."""


def isolated_atom_energies(dataset: Dataset, cutoff: float = ISOLATION) -> dict[str, float]:
    """Return the energies in eV of the isolated atoms in the data, by element.

    Single atoms are isolated if their configuration type says so (``isolated_atom``, ``IsolatedAtom``, ``isolated``) or
    if they are not periodic. For elements without these, single atoms farther than ``cutoff`` (Å) from their images
    are used if their energies agree (those of stretched crystals do not).
    """
    single = [s for s in dataset if len(s) == 1 and s.energy is not None]
    declared = _energies_by_element(s for s in single if _is_declared_isolated(s))
    far = _energies_by_element(s for s in single if is_isolated(s.atoms, cutoff))
    for element, named in declared.items():
        if _spread(named) > SAME_ENERGY:
            (energy, name), (other, elsewhere) = sorted((min(named), max(named)), key=named.index)
            raise DatasetError(
                f"the isolated atom of {element} has two energies, {energy:.6f} eV in {name} and "
                f"{other:.6f} eV in {elsewhere}: keep one of them"
            )
    agreeing = {element: named for element, named in far.items() if _spread(named) <= SAME_ENERGY}
    found = agreeing | declared
    return {element: found[element][0][0] for element in sorted(found, key=atomic_numbers.__getitem__)}


def _energies_by_element(structures: Iterable[LabeledStructure]) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = {}
    for structure in structures:
        found.setdefault(structure.atoms.symbols[0], []).append((structure.energy or 0.0, structure.name))
    return found


def _spread(named: list[tuple[float, str]]) -> float:
    return max(named)[0] - min(named)[0]


def _is_declared_isolated(structure: LabeledStructure) -> bool:
    return structure.config_type.lower() in ISOLATED_CONFIG_TYPES or not structure.atoms.pbc.any()


def defines_e0(structure: LabeledStructure, cutoff: float = ISOLATION) -> bool:
    """Return whether this is an isolated atom in the sense of `isolated_atom_energies`, not a one-atom crystal cell."""
    return len(structure) == 1 and (_is_declared_isolated(structure) or is_isolated(structure.atoms, cutoff))


def is_isolated(atoms: Atoms, cutoff: float = ISOLATION) -> bool:
    """Return whether this is one atom, farther than ``cutoff`` (Å) from its images."""
    return len(atoms) == 1 and shortest_period(atoms) > cutoff


def least_squares_energies(dataset: Dataset) -> dict[str, float]:
    """Return the energies per atom in eV, by element, that best reproduce the energies from the compositions alone.

    Where the compositions do not determine them, this is the solution of least norm.
    """
    labeled = [structure for structure in dataset if structure.energy is not None]
    if not labeled:
        raise DatasetError(f"{dataset.source} has no energies to take atomic energies from")
    elements, counts = dataset.elements, _composition_counts(labeled, dataset.elements)
    energies = np.array([structure.energy for structure in labeled])
    solution = np.linalg.lstsq(counts, energies, rcond=None)[0]
    return dict(zip(elements, map(float, solution), strict=True))


def compositions_determine_energies(dataset: Dataset) -> bool:
    """Return whether the compositions of the structures with energies determine the energy of every element."""
    labeled = [structure for structure in dataset if structure.energy is not None]
    counts = _composition_counts(labeled, dataset.elements)
    return bool(np.linalg.matrix_rank(counts) == len(dataset.elements))


def _composition_counts(structures: list[LabeledStructure], elements: tuple[str, ...]) -> FloatArray:
    return np.array([[np.sum(s.atoms.symbols == element) for element in elements] for s in structures], dtype=float)
