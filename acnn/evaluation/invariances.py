"""Symmetries of energy and forces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import ase
import numpy as np
from numpy.random import Generator

from acnn.arrays import FloatArray
from acnn.evaluation.comparison import ENERGY_SCALE, FORCE_SCALE, bare, evaluate, relative_deviation
from acnn.potential import Potential


@dataclass(frozen=True)
class Deviation:
    """Relative deviations of energy and forces from their transforms under a symmetry operation."""

    operation: str
    energy: float
    forces: float

    @property
    def largest(self) -> float:
        """The largest of the deviations; NaN if one is."""
        return float(np.max([self.energy, self.forces]))


def check_invariances(potential: Potential, atoms: ase.Atoms, seed: int = 0) -> list[Deviation]:
    """Measure deviations under a random rotation, reflection, permutation and translation, and in a doubled cell."""
    rng = np.random.default_rng(seed)
    energy, forces = _energy_and_forces(potential, atoms)
    return [
        Deviation(
            name,
            relative_deviation(np.array([found[0]]), np.array([multiple * energy]), ENERGY_SCALE),
            relative_deviation(found[1], expected, FORCE_SCALE),
        )
        for name, image, expected, multiple in _images(atoms, forces, rng)
        for found in [_energy_and_forces(potential, image)]
    ]


def _images(atoms: ase.Atoms, forces: FloatArray, rng: Generator) -> Iterator[tuple[str, ase.Atoms, FloatArray, int]]:
    """Yield (name, transformed structure, transformed forces, number of copies)."""
    rotation, order = random_rotation(rng), rng.permutation(len(atoms))
    yield "rotation", _transformed(atoms, rotation), forces @ rotation, 1
    yield "reflection", _transformed(atoms, -rotation), forces @ -rotation, 1
    yield "permutation", bare(atoms)[order], forces[order], 1
    translated = bare(atoms)
    translated.positions += rng.normal(scale=5.0, size=3)
    yield "translation", translated, forces, 1
    if atoms.pbc.any():
        doubled = [1, 1, 1]
        doubled[int(np.argmax(atoms.pbc))] = 2
        yield "supercell", bare(atoms) * doubled, np.tile(forces, (2, 1)), 2


def random_rotation(rng: Generator) -> FloatArray:
    """Return a proper rotation [3, 3], uniformly distributed."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def _transformed(atoms: ase.Atoms, matrix: FloatArray) -> ase.Atoms:
    copy = bare(atoms)
    copy.set_cell(atoms.cell.array @ matrix)
    copy.positions = atoms.positions @ matrix
    return copy


def _energy_and_forces(potential: Potential, atoms: ase.Atoms) -> tuple[float, FloatArray]:
    found = evaluate(potential, [atoms])
    return float(found.energies[0]), found.forces.numpy()
