"""Structures for training sets: strained, rattled, hot and defective crystals from a seeded generator.

Lengths in Å, temperatures in K, times in fs. No function changes its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.langevin import Langevin
from ase.symbols import Symbols
from numpy.random import Generator

from acnn.arrays import FloatArray

FRICTION_PER_FS = 0.02
PLACES = 3000
"""Tried before a packing starts anew."""
CHARGE_AND_SPIN = {"initial_charges", "initial_magmoms"}
LEAST_SHARE = 0.2
"""The standard deviation of displacements of a copy lies between this share of ``rattle`` and all of it."""


def deformed(atoms: Atoms, deformation: FloatArray) -> Atoms:
    """Return a copy whose cell vectors and positions are multiplied by a matrix F [3, 3] from the right."""
    copy: Atoms = atoms.copy()
    copy.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    return copy


def strained(atoms: Atoms, rng: Generator, strain: float, volume: float = 0.0) -> Atoms:
    """Return a copy under a random symmetric strain (components up to ±strain) and a relative change of volume."""
    components = rng.uniform(-strain, strain, (3, 3))
    stretch = (1.0 + rng.uniform(-volume, volume)) ** (1 / 3)
    return deformed(atoms, stretch * (np.eye(3) + 0.5 * (components + components.T)))


def rattled(atoms: Atoms, rng: Generator, amplitude: float) -> Atoms:
    """Return a copy with normal displacements of standard deviation ``amplitude`` added to every coordinate."""
    copy: Atoms = atoms.copy()
    copy.positions += rng.normal(0.0, amplitude, copy.positions.shape)
    return copy


def unlabeled(atoms: Atoms) -> Atoms:
    """Return a copy without labels, velocities and constraints, but with initial charges and magnetic moments."""
    copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    for name in CHARGE_AND_SPIN & atoms.arrays.keys():
        copy.set_array(name, atoms.arrays[name])
    copy.info = {name: atoms.info[name] for name in ("charge", "spin") if name in atoms.info}
    return copy


def displaced(atoms: Atoms, rattle: float, strain: float, rng: Generator) -> Atoms:
    """Return a copy with every coordinate displaced and, if periodic in three directions, the cell strained.

    Args:
        rattle: largest standard deviation of displacements, Å.
        strain: standard deviation of the components of a symmetric strain.
    """
    copy = unlabeled(atoms)
    if copy.pbc.all():
        random = rng.normal(scale=strain, size=(3, 3))
        copy = deformed(copy, np.eye(3) + (random + random.T) / 2)
    copy.positions += rng.normal(scale=rattle * rng.uniform(LEAST_SHARE, 1.0), size=(len(copy), 3))
    return copy


def without_random_atom(atoms: Atoms, rng: Generator) -> Atoms:
    """Return a copy with one vacancy."""
    copy: Atoms = atoms.copy()
    del copy[int(rng.integers(len(copy)))]
    return copy


def random_alloy(atoms: Atoms, rng: Generator, elements: tuple[str, str]) -> Atoms:
    """Return a copy with two elements randomly distributed, at a random composition including the pure ones."""
    copy: Atoms = atoms.copy()
    fraction = rng.uniform(0.0, 1.0)
    copy.symbols[:] = np.where(rng.random(len(copy)) < fraction, *elements).tolist()
    return copy


def random_packing(symbols: Symbols, edge: float, shortest: float, rng: Generator) -> Atoms:
    """Place atoms one after the other at random in a periodic cube, none nearer to another than ``shortest``.

    Starts anew when there is no room left; hard spheres of this diameter must fill less than a third of the cube.
    """
    positions: list[FloatArray] = []
    while len(positions) < len(symbols):
        positions = []
        for place in rng.uniform(0.0, edge, (PLACES, 3)):
            if len(positions) < len(symbols) and _is_free(place, positions, edge, shortest):
                positions.append(place)
    return Atoms(list(symbols), positions=positions, cell=edge * np.eye(3), pbc=True)


def _is_free(place: FloatArray, positions: list[FloatArray], edge: float, shortest: float) -> bool:
    vectors = np.array(positions).reshape(-1, 3) - place
    vectors -= edge * np.round(vectors / edge)
    return bool((np.einsum("ij,ij->i", vectors, vectors) >= shortest**2).all())


def rounded(atoms: Atoms, decimals: int = 8) -> Atoms:
    """Return a copy at the coordinates that extended XYZ keeps, so that labels belong to what is written."""
    copy: Atoms = atoms.copy()
    copy.positions = np.round(copy.positions, decimals)
    return copy


def set_thermal_momenta(atoms: Atoms, temperature: float, rng: Generator) -> None:
    """Draw momenta from the Maxwell-Boltzmann distribution at a temperature in K."""
    spread = np.sqrt(units.kB * temperature * atoms.get_masses())
    atoms.set_momenta(spread[:, None] * rng.standard_normal((len(atoms), 3)))


def molecular_dynamics(
    atoms: Atoms,
    calculator: Calculator,
    rng: Generator,
    *,
    temperature: float,
    snapshots: int,
    timestep: float = 3.0,
    equilibration: int = 60,
    interval: int = 20,
) -> Iterator[Atoms]:
    """Yield ``snapshots`` structures of a Langevin trajectory, ``interval`` steps apart after ``equilibration``."""
    moving = atoms.copy()
    moving.calc = calculator
    set_thermal_momenta(moving, temperature, rng)
    dynamics = Langevin(
        moving,
        timestep * units.fs,
        temperature_K=temperature,
        friction=FRICTION_PER_FS / units.fs,
        fixcm=False,
        rng=rng,
    )
    dynamics.run(equilibration)
    for _ in range(snapshots):
        dynamics.run(interval)
        snapshot = unlabeled(moving)
        snapshot.wrap()
        yield snapshot
