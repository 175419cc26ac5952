"""Transfer of structures to LAMMPS and back to ASE: box, atoms, isotopes, velocities, constraints."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase
import ase.units
import numpy as np
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from acnn.arrays import FloatArray
from lammps_plugin.constraints import ase_constraints, constraints_of
from lammps_plugin.input_lines import run_with_path

PS_PER_FS = 1e-3
MARGIN = 1.0
"""Å around the atoms along nonperiodic directions, in which the box grows with the atoms."""
RESTART_MAGIC = b"LammpS RestartT"
MOST_TYPES = 1000
"""LAMMPS keeps tables of pairs of types."""


def load_atoms(lmp: Any, atoms: ase.Atoms, reach: float) -> list[str]:
    """Create box, atoms and the groups of constraints; return the element of every atom type.

    Args:
        reach: minimum length in Å of the box along nonperiodic directions: LAMMPS accepts no box much smaller than its
            cutoff.
    """
    if len(atoms) == 0:
        raise ValueError("there are no atoms to move")
    if not np.isfinite(atoms.positions).all():
        raise ValueError("a position is infinite or not a number")
    kinds = _kinds(atoms)
    cell, origin = _box(atoms, reach)
    prism = Prism(cell, pbc=atoms.pbc)
    constraints = constraints_of(atoms, turned=not np.allclose(prism.vector_to_lammps(np.eye(3)), np.eye(3)))
    *lengths, xy, xz, yz = map(float, prism.get_lammps_prism())
    low = prism.vector_to_lammps(origin).tolist()
    limits = " ".join(f"{edge!r} {edge + length!r}" for edge, length in zip(low, lengths, strict=True))
    lmp.command(f"boundary {' '.join('p' if p else 'm' for p in atoms.pbc)}")
    lmp.command("box tilt large")
    lmp.command(f"region cell prism {limits} {xy!r} {xz!r} {yz!r} units box")
    lmp.command(f"create_box {len(kinds)} cell")
    _create(lmp, atoms, prism, kinds)
    for kind, (_, mass) in enumerate(kinds, start=1):
        lmp.command(f"mass {kind} {mass!r}")
    for command in constraints.commands():
        lmp.command(command)
    return [chemical_symbols[number] for number, _ in kinds]


def _kinds(atoms: ase.Atoms) -> list[tuple[int, float]]:
    """Return atomic number and mass of every atom type: isotopes are separate types."""
    kinds = sorted(set(zip(atoms.numbers.tolist(), atoms.get_masses().tolist(), strict=True)))
    if len(kinds) > MOST_TYPES:
        raise ValueError(f"the atoms have {len(kinds)} different masses, but run_md supports at most {MOST_TYPES}")
    return kinds


def _create(lmp: Any, atoms: ase.Atoms, prism: Prism, kinds: Sequence[tuple[int, float]]) -> None:
    positions = prism.vector_to_lammps(atoms.positions, wrap=bool(atoms.pbc.any()))
    number_of = {kind: number for number, kind in enumerate(kinds, start=1)}
    types = [number_of[kind] for kind in zip(atoms.numbers.tolist(), atoms.get_masses().tolist(), strict=True)]
    velocities = None
    if atoms.has("momenta"):
        speeds = prism.vector_to_lammps(atoms.get_velocities()) * ase.units.fs / PS_PER_FS
        velocities = speeds.reshape(-1).tolist()
    created = lmp.create_atoms(
        len(atoms), list(range(1, len(atoms) + 1)), types, positions.reshape(-1).tolist(), velocities
    )
    if created != len(atoms):
        raise ValueError(f"LAMMPS created only {created} of {len(atoms)} atoms: some lie outside the box")


def _box(atoms: ase.Atoms, reach: float) -> tuple[FloatArray, FloatArray]:
    """Return a cell with three vectors around the atoms, and its origin; nonperiodic directions get enough room."""
    cell = _directions(atoms)
    if atoms.pbc.all():
        return cell, np.zeros(3)
    fractional = atoms.positions @ np.linalg.inv(cell)
    origin = np.zeros(3)
    for axis in np.flatnonzero(~atoms.pbc):  # along these the vectors have length 1
        low, high = fractional[:, axis].min(), fractional[:, axis].max()
        margin = max(MARGIN, 0.5 * (reach - (high - low)))
        origin += (low - margin) * cell[axis]
        cell[axis] *= high - low + 2 * margin
    return cell, origin


def _directions(atoms: ase.Atoms) -> FloatArray:
    """Return the periodic vectors of the cell, and unit vectors perpendicular to them: LAMMPS tilts no others."""
    cell, pbc = atoms.cell.complete().array.copy(), atoms.pbc
    if not atoms.cell.array[pbc].any(axis=1).all():
        raise ValueError("the structure is periodic along a direction in which its cell has no vector")
    if not pbc.any():
        return np.eye(3)
    if pbc.sum() == 1:
        (p,) = np.flatnonzero(pbc)
        along, q = cell[p] / np.linalg.norm(cell[p]), (p + 1) % 3
        cell[q] -= (cell[q] @ along) * along
        cell[q] /= np.linalg.norm(cell[q])
        cell[(p + 2) % 3] = np.cross(along, cell[q])
    if pbc.sum() == 2:
        (k,) = np.flatnonzero(~pbc)
        normal = np.cross(cell[(k + 1) % 3], cell[(k + 2) % 3])
        cell[k] = normal / np.linalg.norm(normal)
    return cell


def load_file(lmp: Any, path: Path, elements: Sequence[str] | None) -> list[str]:
    """Read a LAMMPS data or restart file; every rank keeps its own atoms. Return the element of every atom type."""
    if not elements:
        raise ValueError(f"elements must give the element of every atom type of {path.name}, in order")
    if not path.is_file():
        raise ValueError(f"there is no data or restart file {path}")
    continues = is_restart(path)
    run_with_path(lmp, f"{'read_restart' if continues else 'read_data'} {{}}", path)
    if len(elements) != lmp.extract_global("ntypes"):
        n_types = lmp.extract_global("ntypes")
        raise ValueError(f"{path.name} has {n_types} atom types, but elements gives {len(elements)}")
    if not continues and not _has_masses(path):
        for kind, symbol in enumerate(elements, start=1):
            lmp.command(f"mass {kind} {atomic_masses[atomic_numbers[symbol]]}")
    _require_order(path, elements, _masses(lmp)[1:])
    return list(elements)


def _has_masses(path: Path) -> bool:
    """Return whether a data file contains the masses of the types."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", errors="replace") as lines:
        return any(line.split("#")[0].strip() == "Masses" for line in lines)


def _require_order(path: Path, elements: Sequence[str], masses: FloatArray) -> None:
    """Require that elements are in the order of the masses; unusual masses are accepted."""
    usual = {symbol: float(atomic_masses[atomic_numbers[symbol]]) for symbol in elements}
    for kind, (symbol, mass) in enumerate(zip(elements, masses.tolist(), strict=True), start=1):
        others = [other for other in usual if abs(mass / usual[other] - 1) < 0.01]
        if others and abs(mass / usual[symbol] - 1) > 0.05:
            raise ValueError(
                f"type {kind} of {path.name} has the mass {mass:g} of {others[0]}, but elements says it is {symbol}"
            )


def _masses(lmp: Any) -> FloatArray:
    """Return the masses of the types; index 0 is unused."""
    return np.array(lmp.numpy.extract_atom("mass"), dtype=float).reshape(-1)


def is_restart(path: Path) -> bool:
    """Return whether a file is a restart file of LAMMPS, judging by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(RESTART_MAGIC)) == RESTART_MAGIC


def is_moving(structure: ase.Atoms | str | os.PathLike[str], ensemble: str) -> bool:
    """Return whether the structure has usable velocities; a thermostat cannot heat atoms at rest."""
    if not isinstance(structure, ase.Atoms):
        return is_restart(Path(structure))
    return structure.has("momenta") and (ensemble == "nve" or bool(structure.get_momenta().any()))


def gather(lmp: Any, symbols: Sequence[str], pbc: Sequence[bool], rank: int) -> ase.Atoms | None:
    """Collect the whole structure on rank 0: positions, velocities, masses, constraints, in LAMMPS' orientation."""
    n = lmp.get_natoms()
    x, v = (np.array(lmp.gather_atoms(name, 1, 3)).reshape(n, 3) for name in "xv")
    kinds, masks = (np.array(lmp.gather_atoms(name, 0, 1)) for name in ("type", "mask"))
    low, high, xy, yz, xz = lmp.extract_box()[:5]
    if rank != 0:
        return None
    cell = np.diag(np.subtract(high, low))
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    atoms = ase.Atoms([symbols[kind - 1] for kind in kinds], x, cell=cell, pbc=list(pbc))
    masses = _masses(lmp)[kinds]
    if not np.array_equal(masses, atoms.get_masses()):
        atoms.set_masses(masses)
    atoms.set_velocities(v * PS_PER_FS / ase.units.fs)
    atoms.set_constraint(ase_constraints(lmp, masks))
    return atoms
