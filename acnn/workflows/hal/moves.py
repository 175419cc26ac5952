"""Monte Carlo moves of biased dynamics: exchanges of atoms, and changes of volume and shape of the cell.

A move is accepted with the probability min(1, exp(-Δ/kT)), where Δ is ΔE of an exchange and, of a cell,
ΔE + P ΔV - (N + 1) kT ln(V'/V): trials are symmetric in ln V.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from ase import Atoms, units
from numpy.random import Generator

from acnn.data.structures import deformed

STRAIN = 0.02
"""Largest strain of a trial, logarithmic."""


def swapped(atoms: Atoms, rng: Generator) -> Atoms | None:
    """Return a copy with two atoms of different elements exchanged; None if there is one element only."""
    numbers = atoms.numbers
    first = int(rng.integers(len(atoms)))
    others = np.flatnonzero(numbers != numbers[first])
    if len(others) == 0:
        return None
    second = int(rng.choice(others))
    copy = atoms.copy()
    copy.positions[[first, second]] = atoms.positions[[second, first]]
    return copy


def scaled(atoms: Atoms, rng: Generator) -> Atoms:
    """Return a copy with another volume."""
    return deformed(atoms, np.eye(3) * np.exp(rng.uniform(-STRAIN, STRAIN)))


def sheared(atoms: Atoms, rng: Generator) -> Atoms:
    """Return a copy sheared at constant volume in one plane."""
    deformation = np.eye(3)
    first, second = rng.choice(3, 2, replace=False)
    deformation[first, second] = rng.uniform(-STRAIN, STRAIN)
    return deformed(atoms, deformation)


def stretched(atoms: Atoms, rng: Generator) -> Atoms:
    """Return a copy stretched along one axis and shrunk along another, at constant volume."""
    deformation = np.eye(3)
    first, second = rng.choice(3, 2, replace=False)
    deformation[first, first] = np.exp(rng.uniform(-STRAIN, STRAIN))
    deformation[second, second] = 1 / deformation[first, first]
    return deformed(atoms, deformation)


CELL_MOVES: tuple[Callable[[Atoms, Generator], Atoms], ...] = (scaled, sheared, stretched)
"""Tried in turn."""


def enthalpy(atoms: Atoms, pressure: float, temperature: float) -> float:
    """Return E + P V - (N + 1) kT ln V in eV, E only without a volume; pressure in GPa, temperature in K."""
    energy = float(atoms.get_potential_energy())
    if atoms.cell.rank < 3 or not atoms.pbc.all():
        return energy
    volume = atoms.get_volume()
    return energy + pressure * units.GPa * volume - (len(atoms) + 1) * units.kB * temperature * math.log(volume)


def tried(atoms: Atoms, trial: Atoms | None, pressure: float, temperature: float, rng: Generator) -> bool:
    """Accept a trial by the Metropolis criterion, and give its positions and cell to the atoms if it is."""
    if trial is None:
        return False
    trial.calc = atoms.calc
    before = enthalpy(atoms, pressure, temperature)
    change = enthalpy(trial, pressure, temperature) - before
    if change > 0 and rng.random() >= math.exp(-change / (units.kB * temperature)):
        return False
    atoms.set_cell(trial.cell)
    atoms.positions[:] = trial.positions
    return True
