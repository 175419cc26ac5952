"""Bulk, defects, surfaces and decohesion of diamond silicon with a calculator, in the cells of the reference values.

216 atoms for defects, at the lattice constant of the potential and with the cell held; slabs with 10 Å of vacuum, their
atoms relaxed, so that (100) cannot form dimers. What is computed is in `acnn.workflows`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixAtoms

from acnn.arrays import FloatArray
from acnn.workflows.crystal import RelaxationError, relaxed
from acnn.workflows.defects import Defect, chemical_potentials, formation_energy, vacancies
from acnn.workflows.elastic import stiffness
from acnn.workflows.surfaces import J_PER_M2, cleaved, decohesion_of, surface_of

SURFACES = {"100": (1, 0, 0), "110": (1, 1, 0), "111": (1, 1, 1)}
SITES = {"tetrahedral": 0.5, "hexagonal": 0.625}
"""Symmetric sites of interstitials on the diagonal of the cubic cell, between the atoms at 1/4 and 1."""
DUMBBELL = (0.85, -0.85, -0.6)
"""Å; half of the vector between the atoms of the <110> dumbbell, and the height of both over the site they share: away
from the two neighbors in the plane of the dumbbell."""
SUPERCELL = (3, 3, 3)
THICKNESS, DECOHESION_THICKNESS, VACUUM, RATTLE = 50.0, 25.0, 10.0, 0.05
"""Å"""


def relaxed_crystal(calculator: BaseCalculator) -> Atoms:
    """The cubic cell of 8 atoms without stress."""
    return relaxed(bulk("Si", a=5.46, cubic=True), calculator)


def elastic_constants(crystal: Atoms) -> dict[str, float]:
    """a0 in Å; B, C11, C12 and C44 in GPa, with relaxed positions."""
    c11, c12, c44 = (float(c) for c in stiffness(crystal)[[0, 0, 3], [0, 1, 3]])
    return {"a0": float(crystal.cell[0, 0]), "B": (c11 + 2 * c12) / 3, "C11": c11, "C12": c12, "C44": c44}


def defect_energies(crystal: Atoms) -> dict[str, float]:
    """Formation energies in eV; NaN where the relaxation does not end."""
    perfect = crystal.copy() * SUPERCELL
    (vacancy,) = vacancies(crystal, SUPERCELL)
    sites = {name: _held(perfect, fraction * crystal.cell[0, 0]) for name, fraction in SITES.items()}
    in_place = {"dumbbell": _dumbbell(perfect), **sites}
    found = {name: _energy(defect, crystal, attempts=1, rattle=0.0) for name, defect in in_place.items()}
    return {"vacancy": _energy(vacancy, crystal), **found}


def _energy(defect: Defect, crystal: Atoms, **options: Any) -> float:
    try:
        return formation_energy(defect, crystal, chemical_potentials(crystal), **options).energy
    except RelaxationError:
        return float("nan")


def _held(perfect: Atoms, along: float) -> Defect:
    """An interstitial held on its site, where symmetry leaves no force on it: the site need not be a minimum."""
    atoms = perfect + Atoms("Si", [[along] * 3])
    atoms.set_constraint(FixAtoms([len(perfect)]))
    return Defect("interstitial", atoms, np.full(3, along), {"Si": 1})


def _dumbbell(perfect: Atoms) -> Defect:
    """Two atoms in the place of one in the middle of the cell."""
    atoms = perfect.copy()
    middle = int(np.argmin(np.linalg.norm(atoms.positions - 0.5 * np.diag(atoms.cell), axis=1)))
    place = atoms.positions[middle].copy()
    x, y, z = DUMBBELL
    atoms += Atoms("Si", [place + (-x, -y, z)])
    atoms.positions[middle] += x, y, z
    return Defect("dumbbell", atoms, place, {"Si": 1})


def surface_energies(crystal: Atoms) -> dict[str, float]:
    """Of unreconstructed surfaces with relaxed positions, in J/m²; NaN where the relaxation does not end."""
    return {name: _surface_energy(crystal, name) for name in SURFACES}


def _surface_energy(crystal: Atoms, surface: str) -> float:
    """From random displacements except for (100), whose surface atoms keep their symmetric places in the reference."""
    block = cleaved(crystal, SURFACES[surface], THICKNESS)
    try:
        return surface_of(block, SURFACES[surface], VACUUM, 0.0 if surface == "100" else RATTLE).relaxed
    except RelaxationError:
        return float("nan")


def decohesion(crystal: Atoms, surface: str, openings: FloatArray) -> dict[str, list[float]]:
    """Energy (eV/Å²) and stress (GPa) while two rigid halves part by ``openings`` (Å)."""
    miller = SURFACES[surface]
    found = decohesion_of(cleaved(crystal, miller, DECOHESION_THICKNESS), miller, openings)
    energies = (found.energies / J_PER_M2).tolist()
    return {"opening": openings.tolist(), "energy": energies, "stress": found.stresses.tolist()}
