"""Force constants by finite displacements, in one supercell or in many small ones, as objects of phonopy.

In many small ones: for every irreducible q of a grid the dynamical matrix

    D_κλ(q) = Σ_l Φ(κ0, λl) exp[2πi q·(r_λl − r_κ0)] / √(m_κ m_λ)

is exact in the smallest supercell that q fits into; the others follow by D(Rq) = R D(q) Rᵀ, with atoms at their images,
and D(−q) = D(q)*. The force constants of the supercell of the whole grid are their Fourier transform, so that phonons
at the q of the grid are those of that supercell, and those between are interpolated alike.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from numpy.typing import NDArray

from acnn.arrays import FloatArray, IntArray
from acnn.extras import optional
from acnn.workflows.commensurate import (
    Star,
    grid,
    is_commensurate,
    place_of,
    smallest_supercell,
    star_of,
    stars,
)
from acnn.workflows.crystal import SYMMETRY, primitive_of
from acnn.workflows.crystal_symmetry import Operation, operations

DISPLACEMENT = 0.01
"""Å"""
Matrix = NDArray[np.complex128]


@dataclass(frozen=True)
class Effort:
    """What force constants have cost.

    Attributes:
        supercells: their number.
        largest: atoms of the largest.
        evaluations: displaced supercells, whose forces were computed.
        atoms: of all these together.
        seconds: in all.
    """

    supercells: int
    largest: int
    evaluations: int
    atoms: int
    seconds: float


def phonopy_atoms(atoms: Atoms) -> Any:
    """Return a structure of phonopy."""
    structure = optional("phonopy.structure.atoms", "phonons").PhonopyAtoms
    return structure(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )


def ase_atoms(structure: Any) -> Atoms:
    """Return a structure of ASE."""
    return Atoms(structure.symbols, cell=structure.cell, scaled_positions=structure.scaled_positions, pbc=True)


def phonopy_of(atoms: Atoms, supercell: IntArray) -> Any:
    """Return phonopy's object of a crystal; rows of ``supercell`` [3, 3] are its vectors in terms of the cell's."""
    phonopy = optional("phonopy", "phonons")
    options = {"supercell_matrix": supercell.T, "primitive_matrix": primitive_matrix(atoms), "symprec": SYMMETRY}
    with warnings.catch_warnings():  # a supercell need not have the symmetry of the crystal
        warnings.filterwarnings("ignore", "Warning: Point group symmetries of supercell and primitivecell")
        return phonopy.Phonopy(phonopy_atoms(atoms), **options)


def primitive_matrix(atoms: Atoms) -> FloatArray:
    """Return the vectors of the primitive cell in terms of those of the cell, in columns, as phonopy has them."""
    primitive = primitive_of(atoms)
    parts = len(atoms) // len(primitive)
    if parts == 1:
        return np.eye(3)
    rows = primitive.cell.array @ np.linalg.inv(atoms.cell.array)
    return np.array(np.round(rows * parts) / parts).T


def exact_points(phonopy: Any) -> FloatArray:
    """Return the q-points, in terms of the primitive cell, that are periodic in the supercell [n, 3]."""
    points = optional("phonopy.harmonic.dynmat_to_fc", "phonons").get_commensurate_points
    return np.array(points(np.round(np.linalg.inv(phonopy.primitive_matrix) @ phonopy.supercell_matrix).astype(int)))


def forces_of(structures: Sequence[Any], calculator: BaseCalculator) -> FloatArray:
    """Return forces [structure, atom, 3] of displaced supercells, which differ too little to search neighbors again."""
    forces = []
    atoms = ase_atoms(structures[0])
    atoms.calc = calculator
    for structure in structures:
        atoms.set_scaled_positions(structure.scaled_positions)
        forces.append(atoms.get_forces())
    return np.array(forces)


def in_one_supercell(
    crystal: Atoms,
    supercell: tuple[int, int, int],
    displacement: float = DISPLACEMENT,
) -> tuple[Any, Effort]:
    """Return phonopy's object with force constants of a relaxed crystal, which has a calculator."""
    begin = time.perf_counter()
    found = _with_force_constants(phonopy_of(crystal, np.diag(supercell)), crystal.calc, displacement)
    n, size = len(found.supercells_with_displacements), len(found.supercell)
    return found, Effort(1, size, n, n * size, time.perf_counter() - begin)


def _with_force_constants(phonopy: Any, calculator: BaseCalculator, displacement: float) -> Any:
    phonopy.generate_displacements(distance=displacement)
    phonopy.forces = forces_of(phonopy.supercells_with_displacements, calculator)
    phonopy.produce_force_constants(calculate_full_force_constants=False)
    phonopy.symmetrize_force_constants()
    return phonopy


def in_small_supercells(
    primitive: Atoms,
    divisions: tuple[int, int, int],
    displacement: float = DISPLACEMENT,
) -> tuple[Any, Effort]:
    """Return phonopy's object with the force constants of a supercell of n_1 × n_2 × n_3 cells, found in smaller ones.

    Args:
        primitive: a relaxed primitive cell with a calculator.
    """
    begin = time.perf_counter()
    symmetries = operations(primitive)
    chosen = supercells_of(divisions, primitive.cell.array, symmetries)
    places = primitive.get_scaled_positions()
    matrices: dict[int, Matrix] = {}
    evaluations, sizes = [], []
    for S, of_cell in chosen:
        small = _with_force_constants(phonopy_of(primitive, S), primitive.calc, displacement)
        for star in of_cell:
            matrices |= _star_matrices(star, _dynamical_matrix(small, star.q), divisions, places)
        evaluations.append(len(small.supercells_with_displacements))
        sizes.append(len(small.supercell))
    whole = phonopy_of(primitive, np.diag(divisions))
    whole.force_constants = _transformed(whole, matrices, divisions)
    atoms = int(np.dot(evaluations, sizes))
    return whole, Effort(len(chosen), max(sizes), sum(evaluations), atoms, time.perf_counter() - begin)


def supercells_of(
    divisions: tuple[int, int, int], cell: FloatArray, symmetries: list[Operation]
) -> list[tuple[IntArray, list[Star]]]:
    """Return supercells, largest first, and the stars that each serves; the q of a star is one that fits into it."""
    smallest = [(star, smallest_supercell(star.q, divisions, cell)) for star in stars(divisions, symmetries)]
    chosen: list[tuple[IntArray, list[Star]]] = []
    for star, S in sorted(smallest, key=lambda of: -np.linalg.det(of[1])):
        fitting = ((served, q) for known, served in chosen for q in _members_in(star, known, divisions))
        served, q = next(fitting, (None, star.q))
        if served is None:
            chosen.append((S, [star]))
        else:
            served.append(star_of(q, divisions, symmetries))
    return chosen


def _members_in(star: Star, S: IntArray, divisions: tuple[int, int, int]) -> list[FloatArray]:
    """Return the members of a star that fit into a supercell."""
    points = grid(divisions)
    return [points[place] for place in star.members if is_commensurate(points[place], S)]


def _dynamical_matrix(phonopy: Any, q: FloatArray) -> Matrix:
    phonopy.dynamical_matrix.run(q)
    return np.array(phonopy.dynamical_matrix.dynamical_matrix)


def _star_matrices(star: Star, D: Matrix, divisions: tuple[int, int, int], places: FloatArray) -> dict[int, Matrix]:
    """Return the dynamical matrices of all members of a star, by their place in the grid.

    Args:
        D: at the q of the star.
        places: fractional positions of the atoms [atom, 3].
    """
    points, found = grid(divisions), {}
    for place, (operation, sign) in star.members.items():
        turned = _rotated(D, operation)
        away = points[place] - sign * operation.turned(star.q)
        found[place] = _shifted(turned if sign > 0 else turned.conj(), away, places)
    return found


def _shifted(D: Matrix, away: FloatArray, places: FloatArray) -> Matrix:
    """Return D(q + G) of D(q), with G a vector of the reciprocal lattice."""
    phases = np.repeat(np.exp(2j * np.pi * places @ away), 3)
    return np.outer(phases.conj(), phases) * D


def _rotated(D: Matrix, operation: Operation) -> Matrix:
    """Return R D Rᵀ with atoms at their images."""
    n = len(operation.images)
    turned = np.einsum("ij,ajbk,lk->aibl", operation.cartesian, D.reshape(n, 3, n, 3), operation.cartesian)
    moved = np.empty_like(turned)
    moved[operation.images[:, None], :, operation.images[None, :], :] = turned.transpose(0, 2, 1, 3)
    return moved.reshape(3 * n, 3 * n)


def _transformed(whole: Any, matrices: dict[int, Matrix], divisions: tuple[int, int, int]) -> FloatArray:
    """Return the force constants of the supercell of a grid, eV/Å²."""
    transform = optional("phonopy.harmonic.dynmat_to_fc", "phonons").DynmatToForceConstants
    found = transform(whole.primitive, whole.supercell, is_full_fc=False)
    points, places = grid(divisions), whole.primitive.scaled_positions
    ordered = []
    for q in found.commensurate_points:
        place = place_of(q, divisions)
        assert place is not None
        ordered.append(_shifted(matrices[place], q - points[place], places))
    found.dynamical_matrices = ordered
    found.run()
    return np.array(found.force_constants)
