"""What all properties of crystals begin with: a calculator, a relaxed cell, its symmetry, a supercell wide enough.

Functions take a model (a file, a potential) or any ASE calculator. Pressures are in GPa, forces in eV/Å.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, Literal

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import BaseCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from acnn.arrays import FloatArray
from acnn.data.structures import deformed
from acnn.extras import optional
from acnn.potential import Potential

Model = str | os.PathLike[str] | Potential | BaseCalculator
Freedom = Literal["cell", "shape", "positions"]
"""What relaxes beside the positions: the cell, its shape at a constant volume, or nothing."""

SYMMETRY = 1e-3
"""Å; positions that differ by less are symmetric."""
LEAST_WIDTH = 12.0
"""Å; between the faces of a supercell, by default."""
MOST_STEPS = 2000


class RelaxationError(RuntimeError):
    """A structure that cannot be relaxed; the message is one sentence."""


def calculator_of(model: Model) -> BaseCalculator:
    """Return the calculator of a model, or a calculator as it is."""
    from ase_calculator import ACNNCalculator

    return ACNNCalculator(model) if isinstance(model, str | os.PathLike | Potential) else model


def with_calculator(atoms: Atoms, model: Model) -> Atoms:
    """Return a copy without constraints that has a calculator."""
    copy: Atoms = atoms.copy()
    copy.set_constraint()
    copy.calc = calculator_of(model)
    return copy


def require_crystal(atoms: Atoms, what: str) -> None:
    """Require three periodic directions.

    Raises:
        ValueError: there are fewer.
    """
    if not atoms.pbc.all() or atoms.cell.rank < 3:
        raise ValueError(f"{what} need a structure that is periodic in three directions, and this one is not")


def relaxed(
    atoms: Atoms,
    model: Model,
    pressure: float = 0.0,
    fmax: float = 1e-4,
    freedom: Freedom = "cell",
    keep_symmetry: bool = True,
    steps: int = MOST_STEPS,
) -> Atoms:
    """Return a copy at the nearest minimum of the enthalpy, with the calculator of the model.

    Args:
        fmax: forces end below it, as does the generalized force on the cell.
        freedom: what relaxes beside the positions.
        keep_symmetry: whether the space group is kept; otherwise structures at saddle points may leave them.

    Raises:
        RelaxationError: it did not end in so many steps.
    """
    copy = with_calculator(atoms, model)
    if keep_symmetry:
        optional("spglib", "relaxations that keep their symmetry")
        copy.set_constraint(FixSymmetry(copy, symprec=SYMMETRY))
    target: Any = copy
    if freedom != "positions":
        pressed = 0.0 if freedom == "shape" else pressure * units.GPa
        target = FrechetCellFilter(copy, scalar_pressure=pressed, constant_volume=freedom == "shape")
    relax(target, fmax, steps)
    copy.set_constraint()
    return copy


def at_volume(crystal: Atoms, ratio: float, fmax: float = 1e-4) -> Atoms:
    """Return a crystal, which has a calculator, at another volume, with positions and the shape of its cell relaxed."""
    return relaxed(deformed(crystal, ratio ** (1 / 3) * np.eye(3)), crystal.calc, fmax=fmax, freedom="shape")


def relax(target: Any, fmax: float, steps: int = MOST_STEPS) -> None:
    """Relax atoms, or a filter of them, in place.

    Raises:
        RelaxationError: it did not end in so many steps.
    """
    if not LBFGS(target, logfile=None).run(  # type: ignore[arg-type]
        fmax=fmax, steps=steps
    ):
        left = float(np.linalg.norm(target.get_forces(), axis=1).max())
        raise RelaxationError(
            f"a relaxation of {len(getattr(target, 'atoms', target))} atoms did not reach {fmax:g} eV/Å in {steps} "
            f"steps (largest force {left:.2g} eV/Å): start from another structure, or allow larger forces"
        )


def symmetry_of(atoms: Atoms, tolerance: float = SYMMETRY) -> Any:
    """Return spglib's dataset of a structure.

    Args:
        tolerance: positions that differ by less are symmetric, Å.

    Raises:
        ValueError: it finds no symmetry, not even the identity.
    """
    return _by_spglib("get_symmetry_dataset", atoms, tolerance)


def space_group(atoms: Atoms) -> str:
    """Return symbol and number, "Fd-3m (227)"."""
    found = symmetry_of(atoms)
    return f"{found.international} ({found.number})"


def rotations_of(atoms: Atoms) -> FloatArray:
    """Return the rotations of the point group in Cartesian coordinates [n, 3, 3], x' = R x."""
    lattice = atoms.cell.array.T
    rotations = np.unique(symmetry_of(atoms).rotations, axis=0)
    nearly = np.einsum("ij,njk,kl->nil", lattice, rotations, np.linalg.inv(lattice))
    left, _, right = np.linalg.svd(nearly)
    return np.array(left @ right)


def primitive_of(atoms: Atoms) -> Atoms:
    """Return the primitive cell, in the orientation of the structure, with its calculator."""
    cell, places, numbers = _by_spglib("standardize_cell", atoms, to_primitive=True, no_idealize=True)
    return Atoms(numbers, cell=cell, scaled_positions=places, pbc=True, calculator=atoms.calc)


def _by_spglib(function: str, atoms: Atoms, tolerance: float = SYMMETRY, **options: Any) -> Any:
    """Call a function of spglib, which reports failures by an exception or, in older releases, by None."""
    spglib = optional("spglib", "symmetries")
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about this change
        try:
            found = getattr(spglib, function)(cell, symprec=tolerance, **options)
        except getattr(spglib, "SpglibError", ()):
            found = None
    if found is None:
        raise ValueError(f"spglib finds no symmetry within {tolerance} Å: are there atoms on top of others?")
    return found


def widths(atoms: Atoms) -> FloatArray:
    """Return the distances between opposite faces of the cell [3], Å."""
    return np.array(1.0 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1))


def repeats(atoms: Atoms, least_width: float = LEAST_WIDTH) -> tuple[int, int, int]:
    """Return how often the cell must be repeated along each vector to be so wide (Å)."""
    a, b, c = (int(np.ceil(least_width / width - 1e-6)) for width in widths(atoms))
    return a, b, c


def per_atom(atoms: Atoms) -> float:
    """Return the energy in eV/atom."""
    return float(atoms.get_potential_energy()) / len(atoms)


def strained(atoms: Atoms, strain: FloatArray) -> Atoms:
    """Return a copy under a symmetric strain [3, 3], with its calculator: positions and cell vectors times 1 + ε."""
    copy = deformed(atoms, np.eye(3) + strain)
    copy.calc = atoms.calc
    return copy


def symbols_of(atoms: Atoms) -> list[str]:
    """Return the elements, in the order in which they come first."""
    return list(dict.fromkeys(atoms.get_chemical_symbols()))
