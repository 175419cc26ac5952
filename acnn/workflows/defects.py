"""Point defects: vacancies and interstitials of every kind, by symmetry, and their formation energies.

    E_f = E(defect) − E(crystal) + Σ μ(removed) − Σ μ(added)

with energies of the same supercell, held at the cell of the crystal. In an element μ is its energy per atom; in a
compound it is the user's choice. A defect has several minima, so it relaxes several times, from other random
displacements, and around a vacancy with its neighbors moved into it farther each time: the lowest energy counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from scipy.spatial import Voronoi, cKDTree

from acnn.arrays import FloatArray
from acnn.workflows.crystal import (
    Model,
    RelaxationError,
    per_atom,
    relax,
    relaxed,
    repeats,
    require_crystal,
    symbols_of,
    symmetry_of,
)

KINDS = ("vacancy", "interstitial")
FMAX = 1e-3
"""eV/Å"""
LEAST_WIDTH = 10.0
"""Å, of the supercell."""
RATTLE = 0.1
"""Å"""
INWARD = 0.2
"""Å; by this, times the number of the attempt, the neighbors of a vacancy move into it."""
NEIGHBORS = 1.2
"""Atoms within this times the shortest distance are neighbors."""
ATTEMPTS = 3
LEAST_ROOM = 0.6
"""Of the shortest distance of the crystal: nearer to an atom there is no room for another."""
SAME_SITE = 0.1
"""Å"""


@dataclass(frozen=True)
class Defect:
    """A defect before it relaxes.

    Attributes:
        name: "vacancy of Si", "Si at (0.50, 0.50, 0.50)".
        atoms: the supercell.
        place: of the atom that is removed or added, Å [3].
        change: atoms added of each element, negative if removed.
    """

    name: str
    atoms: Atoms
    place: FloatArray
    change: Mapping[str, int]


@dataclass(frozen=True)
class FormationEnergy:
    """What a defect costs, eV.

    Attributes:
        unrelaxed: without relaxation.
        energies: of all attempts that ended, ascending; the first counts.
        relaxed: the supercell of the lowest.
    """

    name: str
    unrelaxed: float
    energies: list[float]
    relaxed: Atoms

    @property
    def energy(self) -> float:
        """The lowest."""
        return self.energies[0]

    def as_dict(self) -> dict[str, Any]:
        """Return the energies as plain numbers."""
        return {"name": self.name, "energy": self.energy, "unrelaxed": self.unrelaxed, "attempts": self.energies}


def formation_energies(
    atoms: Atoms,
    model: Model,
    supercell: tuple[int, int, int] | None = None,
    kinds: Sequence[str] = KINDS,
    potentials: Mapping[str, float] | None = None,
    attempts: int = ATTEMPTS,
) -> Iterator[FormationEnergy]:
    """Yield the formation energies of the point defects of a crystal, which is relaxed first.

    Args:
        supercell: repetitions of the cell; None: at least 10 Å wide.
        kinds: which, of `KINDS`.
        potentials: μ by element, eV; needed for compounds.
        attempts: relaxations of each.

    Raises:
        ValueError: μ of an element is missing.
    """
    require_crystal(atoms, "defects")
    crystal = relaxed(atoms, model)
    mu = chemical_potentials(crystal, potentials)
    divisions = supercell or repeats(crystal, LEAST_WIDTH)
    makers = {"vacancy": vacancies, "interstitial": interstitials}
    for kind in kinds:
        for defect in makers[kind](crystal, divisions):
            yield formation_energy(defect, crystal, mu, attempts)


def chemical_potentials(crystal: Atoms, given: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return μ of each element of a crystal, eV.

    Raises:
        ValueError: it is a compound, and one is not given.
    """
    elements = symbols_of(crystal)
    found = dict(given or {})
    if not found and len(elements) == 1:
        return {elements[0]: per_atom(crystal)}
    missing = [element for element in elements if element not in found]
    if missing:
        raise ValueError(
            f"formation energies of a compound need the chemical potential of each element: {', '.join(missing)} has "
            "none; give energies per atom, in eV, of the phases that the atoms go to"
        )
    return found


def formation_energy(
    defect: Defect, crystal: Atoms, mu: Mapping[str, float], attempts: int = ATTEMPTS, rattle: float = RATTLE
) -> FormationEnergy:
    """Return what a defect costs in a supercell of the crystal, which has a calculator.

    Args:
        rattle: random displacements before each relaxation, Å.

    Raises:
        RelaxationError: none of the relaxations ended.
    """
    cells = (len(defect.atoms) - sum(defect.change.values())) // len(crystal)
    reference = cells * crystal.get_potential_energy() + sum(n * mu[element] for element, n in defect.change.items())
    atoms = defect.atoms.copy()
    atoms.calc = crystal.calc
    unrelaxed = atoms.get_potential_energy() - reference
    ended, failures = [], []
    for attempt in range(attempts):
        trial = _displaced(defect, attempt, rattle)
        trial.calc = crystal.calc
        try:
            relax(trial, FMAX)
        except RelaxationError as error:
            failures.append(error)
        else:
            ended.append((float(trial.get_potential_energy() - reference), attempt, trial.copy()))
    if not ended:
        raise failures[0]
    ended.sort(key=lambda of: of[:2])
    return FormationEnergy(defect.name, float(unrelaxed), [energy for energy, _, _ in ended], ended[0][2])


def _displaced(defect: Defect, attempt: int, rattle: float) -> Atoms:
    """Return the beginning of a relaxation."""
    atoms: Atoms = defect.atoms.copy()
    if sum(defect.change.values()) < 0:
        away, distances = get_distances([defect.place], atoms.positions, cell=atoms.cell, pbc=True)
        near = distances[0] < NEIGHBORS * distances.min()
        atoms.positions[near] -= attempt * INWARD * away[0, near] / distances[0, near, None]
    if rattle:
        atoms.rattle(rattle, seed=attempt)
    return atoms


def vacancies(crystal: Atoms, supercell: tuple[int, int, int]) -> Iterator[Defect]:
    """Yield one vacancy for each kind of site."""
    for site in np.unique(symmetry_of(crystal).equivalent_atoms):
        atoms = crystal.copy() * supercell
        element = crystal.symbols[site]
        del atoms[int(site)]
        yield Defect(f"vacancy of {element}", atoms, crystal.positions[site], {element: -1})


def interstitials(crystal: Atoms, supercell: tuple[int, int, int]) -> Iterator[Defect]:
    """Yield an atom of each element in each kind of hole between atoms, the widest hole first."""
    for element in symbols_of(crystal):
        for place in holes(crystal):
            position = place @ crystal.cell.array
            atoms = crystal.copy() * supercell + Atoms(element, [position])
            where = ", ".join(f"{x:.2f}" for x in place)
            yield Defect(f"{element} at ({where})", atoms, position, {element: 1})


def holes(crystal: Atoms) -> list[FloatArray]:
    """Return the points that are farthest from atoms, one of each kind, fractional: corners of Voronoi's cells."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (crystal.get_scaled_positions()[:, None] + shifts).reshape(-1, 3) @ crystal.cell.array
    tree = cKDTree(images)
    corners = Voronoi(images).vertices @ np.linalg.inv(crystal.cell.array)
    inside = corners[((corners > -1e-6) & (corners < 1 - 1e-6)).all(axis=1)]
    room = tree.query(inside @ crystal.cell.array)[0]
    shortest = float(np.sort(tree.query(crystal.positions, k=2)[0][:, 1])[0])
    symmetries = symmetry_of(crystal)
    chosen: list[FloatArray] = []
    for k in np.argsort(-np.round(room, 6), kind="stable"):
        if room[k] > LEAST_ROOM * shortest and not _is_known(inside[k], chosen, symmetries, crystal.cell.array):
            chosen.append(inside[k])
    return chosen


def _is_known(place: FloatArray, chosen: Sequence[FloatArray], symmetries: Any, cell: FloatArray) -> bool:
    images = np.einsum("nij,j->ni", symmetries.rotations, place) + symmetries.translations
    for known in chosen:
        apart = images - known
        apart -= np.round(apart)
        if np.linalg.norm(apart @ cell, axis=1).min() < SAME_SITE:
            return True
    return False
