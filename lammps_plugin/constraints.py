"""ASE's constraints in LAMMPS: atoms that are held along axes, and a fixed center of mass.

Held atoms have neither velocity nor force along their axes. The temperature is that of the free atoms,

    dof = Σ_axes (free atoms − 1 if none is held along the axis, since its momentum is conserved)

Held atoms are marked by LAMMPS groups, because restart files keep these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.constraints import FixAtoms, FixCartesian, FixCom, FixConstraint

from acnn.arrays import BoolArray, IntArray

AXES = ("x", "y", "z", "xy", "xz", "yz", "xyz")
HELD = "acnn_held_"
"""Beginning of the names of groups, followed by the axes."""
CENTER = "acnn_center"
"""An empty group, which marks a fixed center of mass."""
IDS_PER_COMMAND = 500


@dataclass(frozen=True)
class Constraints:
    """The constraints of `run_md`'s structure.

    Attributes:
        held: which atoms are held along x, y and z [n_atoms, 3].
        center: whether the center of mass is fixed.
    """

    held: BoolArray
    center: bool

    def commands(self) -> Iterator[str]:
        """Yield LAMMPS' commands for the groups; atoms are numbered 1, 2, …."""
        for axes in AXES:
            members = np.flatnonzero((self.held == [axis in axes for axis in "xyz"]).all(axis=1)) + 1
            for ids in _ranges(members):
                yield f"group {HELD}{axes} id {ids}"
        if self.center:
            yield f"group {CENTER} empty"


def constraints_of(atoms: ase.Atoms, turned: bool) -> Constraints:
    """Collect FixAtoms, FixCartesian and FixCom; others are refused.

    Args:
        turned: whether LAMMPS' axes differ from those of the atoms.
    """
    held = np.zeros((len(atoms), 3), dtype=bool)
    for constraint in atoms.constraints:
        if type(constraint) in (FixAtoms, FixCartesian):
            held |= _held_by(constraint, atoms)
        elif type(constraint) is not FixCom:
            name = type(constraint).__name__
            raise ValueError(f"run_md supports FixAtoms, FixCartesian and FixCom, not {name}: remove this constraint")
    center = any(type(constraint) is FixCom for constraint in atoms.constraints)
    if center and held.any():
        raise ValueError("FixCom cannot be combined with FixAtoms or FixCartesian: remove one of them")
    if turned and (held.any(axis=1) != held.all(axis=1)).any():
        raise ValueError(
            "FixCartesian needs LAMMPS' axes: a cell with its first vector along x, its second in the xy plane"
        )
    return Constraints(held, center)


def _held_by(constraint: FixConstraint, atoms: ase.Atoms) -> BoolArray:
    forces = np.ones((len(atoms), 3))
    constraint.adjust_forces(atoms, forces)
    return forces == 0


def _ranges(ids: IntArray) -> Iterator[str]:
    """Yield ids in LAMMPS' notation, 1:5 8 10:11, some hundreds at a time."""
    runs = np.split(ids, np.flatnonzero(np.diff(ids) > 1) + 1) if len(ids) else []
    words = [f"{run[0]}:{run[-1]}" for run in runs]
    for first in range(0, len(words), IDS_PER_COMMAND):
        yield " ".join(words[first : first + IDS_PER_COMMAND])


# --- in a LAMMPS that has the groups ----------------------------------------------------------------------------------


def hold(lmp: Any, ensemble: str) -> int:
    """Zero the forces along held axes, adjust the temperature, and return the number of degrees of freedom."""
    n, groups = lmp.get_natoms(), held_groups(lmp)
    if groups and ensemble == "npt":
        raise ValueError("npt moves every atom with the cell, but FixAtoms or FixCartesian hold some: use nvt or nve")
    free = np.array([n - sum(_count(lmp, axes) for axes in groups if axis in axes) for axis in "xyz"])
    dof = int(np.where(free == n, free - 1, free).sum())
    if not free.any():
        raise ValueError("every atom is held: there is nothing to move")
    if dof == 0 and ensemble != "nve":
        raise ValueError(f"{ensemble} needs a temperature, but all free atoms move as one: use nve, or a larger cell")
    lmp.command(f"compute_modify thermo_temp extra/dof {3 * n - (dof or int(free.sum()))}")
    for axes in groups:
        lmp.command(f"fix {HELD}{axes} {HELD}{axes} setforce {_zeros(axes)}")
    return dof


def still(lmp: Any) -> None:
    """Zero the velocities along held axes and, if it is fixed, that of the center of mass."""
    for axes in held_groups(lmp):
        lmp.command(f"velocity {HELD}{axes} set {_zeros(axes)} units box")
    if keeps_center(lmp):
        lmp.command("velocity all zero linear")


def keeps_center(lmp: Any) -> bool:
    """Return whether the center of mass is fixed."""
    return bool(lmp.has_id("group", CENTER))


def held_groups(lmp: Any) -> list[str]:
    """List the sets of axes along which atoms are held, such as "xy"."""
    return [axes for axes in AXES if lmp.has_id("group", HELD + axes)]


def ase_constraints(lmp: Any, masks: IntArray) -> list[FixConstraint]:
    """Convert the groups back to constraints along LAMMPS' axes; ``masks``: group bits of all atoms."""
    names, found = lmp.available_ids("group"), []
    for axes in held_groups(lmp):
        indices = np.flatnonzero(masks & (1 << names.index(HELD + axes)))
        mask = [axis in axes for axis in "xyz"]
        found.append(FixAtoms(indices) if axes == "xyz" else FixCartesian(indices, mask))
    return [*found, *([FixCom()] if keeps_center(lmp) else [])]


def _zeros(axes: str) -> str:
    return " ".join("0.0" if axis in axes else "NULL" for axis in "xyz")


def _count(lmp: Any, axes: str) -> int:
    lmp.command(f"variable acnn_count equal count({HELD}{axes})")
    return int(lmp.extract_variable("acnn_count"))
