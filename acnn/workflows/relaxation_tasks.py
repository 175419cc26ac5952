"""What a relaxation is asked to do, its structures before it begins, and what they are when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.units import GPa

from acnn.arrays import BoolArray, FloatArray
from acnn.conventions import full_from_voigt
from acnn.data.structures import deformed, rattled, unlabeled
from acnn.evaluation.many import evaluate_many
from acnn.neighbors import require_usable
from acnn.potential import Potential
from acnn.workflows.crystal_symmetry import symmetry_projection
from acnn.workflows.guards import Limits

State = Literal["converged", "unconverged", "stopped", "failed"]
RATTLE, STRAIN = 0.02, 0.005
"""Standard deviations of displacements (Å) and strains that break a symmetry."""


@dataclass(frozen=True)
class Relaxation:
    """What is done to every structure.

    Attributes:
        pressure: GPa.
        fmax: eV/Å; no force is larger at the end.
        smax: GPa; no component of the stress differs more from the pressure at the end.
        steps: evaluations of a structure, at most.
        method: "lbfgs" or "fire", see `acnn.workflows.minimizers`.
        symmetry: "keep" holds the space group of the beginning; "break" displaces atoms and cell at random.
        fixed_cell: only atoms move.
        limits: where a structure is stopped.
        seed: of displacements.
        records: keep the structure after every step.
    """

    pressure: float = 0.0
    fmax: float = 0.01
    smax: float = 0.1
    steps: int = 500
    method: Literal["lbfgs", "fire"] = "lbfgs"
    symmetry: Literal["keep", "break"] | None = None
    fixed_cell: bool = False
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    records: bool = False

    def __post_init__(self) -> None:
        if self.fixed_cell and self.pressure:
            raise ValueError("a pressure acts on the cell, which is fixed: leave out one of them")


@dataclass(frozen=True)
class Relaxed:
    """How a structure ended.

    Attributes:
        place: its index among the given ones.
        atoms: at the end, with energy, forces and stress as far as they are known, and its name in ``info``.
        state: "converged"; "unconverged" after all steps; "stopped" by a limit, at the last geometry that kept to it;
            "failed", unchanged.
        reason: why it was stopped or failed.
        steps: evaluations.
        pressure: the one that was asked for, GPa.
        fmax, smax: largest force in eV/Å and deviation from the pressure in GPa; NaN where they are unknown.
        frames: structures after every step, if they were to be kept.
    """

    place: int
    atoms: Atoms
    state: State
    reason: str = ""
    steps: int = 0
    pressure: float = 0.0
    fmax: float = np.nan
    smax: float = np.nan
    frames: list[Atoms] = field(default_factory=list)

    @property
    def enthalpy(self) -> float:
        """H = E + P V in eV; NaN where the energy is unknown."""
        energy = self.atoms.calc.results["energy"] if self.atoms.calc is not None else np.nan
        return float(energy) + (self.pressure * GPa * self.atoms.get_volume() if self.pressure else 0.0)


@dataclass
class Task:
    """A structure that relaxes.

    Attributes:
        place: its index among the given ones.
        atoms: at the beginning.
        relaxes_cell: whether the cell changes.
        free: which atoms move [n_atoms].
        projection: see `acnn.workflows.crystal_symmetry.symmetry_projection`; None without symmetry.
        steps, frames: see `Relaxed`.
    """

    place: int
    atoms: Atoms
    relaxes_cell: bool
    free: BoolArray
    projection: FloatArray | None = None
    steps: int = 0
    frames: list[Atoms] = field(default_factory=list)


def prepared(place: int, atoms: Atoms, model: Potential, relaxation: Relaxation) -> Task:
    """Return a structure that can be relaxed.

    Raises:
        ValueError: it cannot.
    """
    _require_relaxable(atoms, model, relaxation)
    relaxes_cell = bool(atoms.pbc.all()) and not relaxation.fixed_cell
    start = bare_copy(atoms)
    if relaxation.symmetry == "break":
        start = _displaced(start, relaxes_cell, np.random.default_rng([relaxation.seed, place]))
    keeps = relaxation.symmetry == "keep" and atoms.cell.rank == 3
    projection = symmetry_projection(start) if keeps else None
    free = np.ones(len(atoms), dtype=bool)
    for constraint in atoms.constraints:
        free[constraint.index] = False
    return Task(place, start, relaxes_cell, free, projection)


def _require_relaxable(atoms: Atoms, model: Potential, relaxation: Relaxation) -> None:
    if len(atoms) == 0:
        raise ValueError("it has no atoms")
    require_usable(atoms)
    unknown = sorted(set(atoms.symbols) - set(model.elements))
    if unknown:
        raise ValueError(f"it contains {', '.join(unknown)}, which the model does not know")
    if relaxation.pressure and not atoms.pbc.all():
        raise ValueError("a pressure needs a structure that is periodic in three directions")
    other = [type(one).__name__ for one in atoms.constraints if not isinstance(one, FixAtoms)]
    if other:
        raise ValueError(f"it has the constraint {other[0]}: only fixed atoms (FixAtoms) are possible")


def _displaced(atoms: Atoms, strains: bool, rng: np.random.Generator) -> Atoms:
    if strains:
        strain = rng.normal(scale=STRAIN, size=(3, 3))
        atoms = deformed(atoms, np.eye(3) + 0.5 * (strain + strain.T))
    return rattled(atoms, rng, RATTLE)


def bare_copy(atoms: Atoms) -> Atoms:
    """Return the structure with its name, without labels and constraints."""
    bare = unlabeled(atoms)
    bare.info |= {key: str(atoms.info[key]) for key in ("name", "config_type") if key in atoms.info}
    return bare


def finished(
    task: Task, positions: FloatArray, cell: FloatArray, model: Potential, relaxation: Relaxation, kernel: str | None
) -> Relaxed:
    """Return a structure at its last safe geometry, with energy, forces and stress; it still has no state."""
    atoms = task.atoms.copy()
    atoms.set_cell(cell)
    atoms.positions = positions
    found = Relaxed(task.place, atoms, "failed", "", task.steps, relaxation.pressure, frames=task.frames)
    try:
        energies, (forces,), (stress,) = evaluate_many(model, [atoms], kernel=kernel)
    except ValueError:  # two atoms coincide, and the limits on bonds have said so
        return found
    results = {"energy": float(energies[0]), "forces": forces} | ({} if np.isnan(stress).any() else {"stress": stress})
    atoms.calc = SinglePointCalculator(atoms, **results)
    fmax = longest(forces[task.free])
    apart = full_from_voigt(stress) / GPa + relaxation.pressure * np.eye(3)
    smax = float(np.abs(apart).max()) if task.relaxes_cell else np.nan
    return replace(found, fmax=fmax, smax=smax)


def longest(vectors: FloatArray) -> float:
    """Return the length of the longest of some vectors [n, 3]; 0 without any."""
    return float(np.sqrt(np.einsum("ic,ic->i", vectors, vectors).max(initial=0.0)))
