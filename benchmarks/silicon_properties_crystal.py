"""Bulk, defects, surfaces and decohesion of diamond silicon with a calculator, in the cells of the reference values.

216 atoms for defects, at the lattice constant of the potential and with the cell held; slabs of one surface cell with
10 Å of vacuum, their atoms relaxed, so that (100) cannot form dimers. Energies are those of the whole cell less as many
atoms of the perfect crystal.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.lattice.cubic import Diamond
from ase.optimize import LBFGS

from acnn.arrays import FloatArray

SURFACES = {
    "100": [[1, -1, 0], [1, 1, 0], [0, 0, 1]],
    "110": [[0, 0, 1], [1, -1, 0], [1, 1, 0]],
    "111": [[1, -1, 0], [1, 0, -1], [1, 1, 1]],
}
"""Edges of the surface cell and the normal, of each surface; right-handed."""
SITES = {"tetrahedral": 0.5, "hexagonal": 0.625}
"""Symmetric sites of interstitials on the diagonal of the cubic cell, between the atoms at 1/4 and 1."""
DUMBBELL = (0.85, -0.85, -0.6)
"""Å; half of the vector between the atoms of the <110> dumbbell, and the height of both over the site they share: away
from the two neighbors in the plane of the dumbbell."""

STRAIN = 0.005
PRECISE = 1e-4
"""eV/Å"""
TOLERANCE = 1e-3
"""eV/Å"""
MOST_STEPS = 1000


def relaxed_crystal(calculator: BaseCalculator) -> Atoms:
    """The cubic cell of 8 atoms without stress."""
    atoms = bulk("Si", a=5.46, cubic=True)
    atoms.calc = calculator
    _relax(FrechetCellFilter(atoms), PRECISE)
    return atoms


def elastic_constants(crystal: Atoms) -> dict[str, float]:
    """a0 in Å; B, C11, C12 and C44 in GPa by central differences of the stress, with relaxed positions."""
    stretch = _stress_derivative(crystal, 0, 0)
    shear = _stress_derivative(crystal, 1, 2)
    c11, c12, c44 = stretch[0], (stretch[1] + stretch[2]) / 2, shear[3]
    return {"a0": float(crystal.cell[0, 0]), "B": (c11 + 2 * c12) / 3, "C11": c11, "C12": c12, "C44": c44}


def _stress_derivative(crystal: Atoms, row: int, column: int) -> list[float]:
    """dσ/dε in GPa, Voigt [6]; γ = 2 ε for shear."""
    forward, backward = (_stress_under(crystal, row, column, strain) for strain in (STRAIN, -STRAIN))
    return ((forward - backward) / (2 * STRAIN * units.GPa)).tolist()


def _stress_under(crystal: Atoms, row: int, column: int, strain: float) -> FloatArray:
    deformation = np.eye(3)
    deformation[[row, column], [column, row]] += strain if row == column else strain / 2
    atoms = _copy(crystal)
    atoms.set_cell(crystal.cell @ deformation, scale_atoms=True)
    _relax(atoms, PRECISE)
    return atoms.get_stress()


def defect_energies(crystal: Atoms) -> dict[str, float]:
    """Formation energies in eV; NaN where the relaxation does not end."""
    perfect = crystal * (3, 3, 3)
    defects = {"vacancy": _vacancy(perfect), "dumbbell": _dumbbell(perfect)}
    defects |= {name: _interstitial(perfect, fraction * crystal.cell[0, 0]) for name, fraction in SITES.items()}
    per_atom = crystal.get_potential_energy() / len(crystal)
    return {name: _formation_energy(atoms, crystal.calc, per_atom) for name, atoms in defects.items()}


def _formation_energy(atoms: Atoms, calculator: BaseCalculator, per_atom: float) -> float:
    atoms.calc = calculator
    return atoms.get_potential_energy() - len(atoms) * per_atom if _relax(atoms, TOLERANCE) else float("nan")


def _vacancy(perfect: Atoms) -> Atoms:
    """Displaced at random, so that its neighbors may pair."""
    atoms = perfect.copy()
    del atoms[0]
    atoms.rattle(0.1, seed=0)
    return atoms


def _interstitial(perfect: Atoms, along: float) -> Atoms:
    """Held on its site, where symmetry leaves no force on it: the site need not be a minimum."""
    atoms = perfect.copy() + Atoms("Si", [[along] * 3])
    atoms.set_constraint(FixAtoms([len(perfect)]))
    return atoms


def _dumbbell(perfect: Atoms) -> Atoms:
    """Two atoms in the place of one in the middle of the cell."""
    atoms = perfect.copy()
    middle = int(np.argmin(np.linalg.norm(atoms.positions - 0.5 * np.diag(atoms.cell), axis=1)))
    x, y, z = DUMBBELL
    atoms += Atoms("Si", [atoms.positions[middle] + (-x, -y, z)])
    atoms.positions[middle] += x, y, z
    return atoms


def surface_energies(crystal: Atoms) -> dict[str, float]:
    """Of unreconstructed surfaces with relaxed positions, in eV/Å²; NaN where the relaxation does not end."""
    return {name: _surface_energy(crystal, name) for name in SURFACES}


def _surface_energy(crystal: Atoms, surface: str) -> float:
    """From random displacements except for (100), whose surface atoms keep their symmetric places in the reference."""
    atoms = cleavable(crystal, surface, 10)
    perfect = atoms.get_potential_energy()
    atoms.cell[2, 2] += 10.0
    atoms.rattle(0.0 if surface == "100" else 0.05, seed=0)
    if not _relax(atoms, TOLERANCE):
        return float("nan")
    return (atoms.get_potential_energy() - perfect) / (2 * _area(atoms))


def cleavable(crystal: Atoms, surface: str, layers: int) -> Atoms:
    """The crystal with the surface's normal along z and the widest gap between its planes at z = 0."""
    edges = SURFACES[surface]
    atoms = Diamond("Si", edges, size=(1, 1, layers), latticeconstant=crystal.cell[0, 0])
    heights = np.unique(np.round(atoms.positions[:, 2], 4))
    gaps = np.diff(heights, append=heights[0] + atoms.cell[2, 2])
    widest = int(np.argmax(gaps > gaps.max() - 1e-3))
    atoms.positions[:, 2] -= heights[widest] + gaps[widest] / 2
    atoms.wrap()
    atoms.calc = crystal.calc
    return atoms


def decohesion(crystal: Atoms, surface: str, openings: FloatArray) -> dict[str, list[float]]:
    """Energy (eV/Å²) and stress (GPa) while two rigid halves part by ``openings`` (Å).

    With L the period along the normal and all positions held, dE/dL = (V σ_zz + Σ_i z_i F_iz) / L.
    """
    atoms = cleavable(crystal, surface, 5)
    perfect, period = atoms.get_potential_energy(), atoms.cell[2, 2]
    energies, stresses = [], []
    for opening in openings:
        atoms.cell[2, 2] = period + opening
        rigid = atoms.get_volume() * atoms.get_stress()[2] + atoms.positions[:, 2] @ atoms.get_forces()[:, 2]
        energies.append((atoms.get_potential_energy() - perfect) / _area(atoms))
        stresses.append(rigid / (atoms.cell[2, 2] * _area(atoms) * units.GPa))
    return {"opening": openings.tolist(), "energy": energies, "stress": stresses}


def dimer_energies(calculator: BaseCalculator, distances: FloatArray) -> list[float]:
    """Of two atoms alone, relative to those far apart, in eV."""
    atom = Atoms("Si", calculator=calculator)
    alone = atom.get_potential_energy()
    return [_dimer_energy(calculator, distance) - 2 * alone for distance in distances]


def _dimer_energy(calculator: BaseCalculator, distance: float) -> float:
    return Atoms("Si2", [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]], calculator=calculator).get_potential_energy()


def _area(atoms: Atoms) -> float:
    return float(np.linalg.norm(np.cross(atoms.cell[0], atoms.cell[1])))


def _copy(atoms: Atoms) -> Atoms:
    copied = atoms.copy()
    copied.calc = atoms.calc
    return copied


def _relax(target: Atoms | FrechetCellFilter, tolerance: float) -> bool:
    """Whether forces (of cells: eV) fell below ``tolerance`` (eV/Å)."""
    return bool(LBFGS(target, logfile=None).run(fmax=tolerance, steps=MOST_STEPS))
