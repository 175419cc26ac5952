"""Forces and virials beside finite differences of the energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np

from acnn.arrays import FloatArray
from acnn.evaluation.comparison import FORCE_SCALE, bare, evaluate, relative_deviation
from acnn.potential import Potential

SHORTEST_STEP = 3e-5
"""Å, and strain: so short that a pair hardly ever crosses the cutoff, where third derivatives jump."""
STENCIL = (1.0, -1.0, 0.5, -0.5)


def finite_difference_forces(
    potential: Potential, atoms: ase.Atoms, indices: Sequence[int] | None = None, step: float | None = None
) -> FloatArray:
    """Return -dE/dx in eV/Å [n, 3] of all atoms, or of ``indices``, from central differences extrapolated to step 0.

    Args:
        step: the longer of two steps, in Å (see `finite_difference_step`).
    """
    h = finite_difference_step(potential, atoms) if step is None else step
    chosen = range(len(atoms)) if indices is None else indices
    directions = [(i, axis) for i in chosen for axis in range(3)]

    def moved(direction: tuple[int, int], distance: float) -> ase.Atoms:
        displaced = bare(atoms)
        displaced.positions[direction] += distance
        return displaced

    slopes = [_slope(potential, [moved(d, s * h) for s in STENCIL], h) for d in directions]
    return -np.array(slopes).reshape(-1, 3)


def finite_difference_virial(potential: Potential, atoms: ase.Atoms, step: float | None = None) -> FloatArray:
    """Return -dE/dε in eV [3, 3] for r → r (1 + ε) of positions and cell, ε any matrix, like the forces above."""
    h = finite_difference_step(potential, atoms) if step is None else step

    def strained(component: tuple[int, int], strain: float) -> ase.Atoms:
        deformation = np.eye(3)
        deformation[component] += strain
        copy = bare(atoms)
        copy.set_cell(atoms.cell.array @ deformation)
        copy.positions = atoms.positions @ deformation
        return copy

    components = list(np.ndindex(3, 3))
    slopes = [_slope(potential, [strained(c, s * h) for s in STENCIL], h) for c in components]
    return -np.array(slopes).reshape(3, 3)


def finite_difference_step(potential: Potential, atoms: ase.Atoms) -> float:
    """Return `SHORTEST_STEP`, or a longer step for large site energies (all-electron E0), which lose more digits."""
    largest = float(evaluate(potential, [atoms]).site_energies.abs().max()) if len(atoms) else 0.0
    return SHORTEST_STEP * max(1.0, largest / 1000.0) ** 0.5


def _slope(potential: Potential, structures: list[ase.Atoms], step: float) -> float:
    """Return dE/dh from structures at `STENCIL` · step: (4 D(step/2) - D(step)) / 3, D(h) = (E(h) - E(-h)) / 2h."""
    site = evaluate(potential, structures).site_energies.reshape(4, -1)
    # Atom by atom first, so that constant parts, such as E0, cost no precision.
    long, short = float((site[0] - site[1]).sum()), float((site[2] - site[3]).sum())
    return (4 * short / step - long / (2 * step)) / 3


@dataclass(frozen=True)
class GradientReport:
    """Relative deviations of forces and virial from finite differences of the energy."""

    forces: float
    virial: float

    @property
    def largest(self) -> float:
        """The largest of the deviations; NaN if one is."""
        return float(np.max([self.forces, self.virial]))


def check_gradients(potential: Potential, atoms: ase.Atoms, indices: Sequence[int] | None = None) -> GradientReport:
    """Compare forces (of ``indices``, or of all atoms) and virial with finite differences."""
    found = evaluate(potential, [atoms])
    forces = found.forces.numpy()
    chosen = slice(None) if indices is None else list(indices)
    differences = finite_difference_forces(potential, atoms, indices)
    scale = np.abs(forces).max(initial=FORCE_SCALE)
    virial = finite_difference_virial(potential, atoms)
    return GradientReport(
        relative_deviation(forces[chosen], differences, scale),
        relative_deviation(found.virials[0].numpy(), virial, FORCE_SCALE),
    )
