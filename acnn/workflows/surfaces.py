"""Surfaces: energies of slabs, and rigid decohesion, of any plane of any crystal.

    γ = (E_slab − E_crystal of as many atoms) / 2A

Miller indices refer to the cell of the crystal that is given: use the conventional one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.cell import Cell

from acnn.arrays import FloatArray, IntArray
from acnn.workflows.crystal import Model, primitive_of, relax, relaxed, require_crystal

Miller = tuple[int, int, int]
FMAX = 1e-3
"""eV/Å"""
THICKNESS, VACUUM = 15.0, 10.0
"""Å, at least."""
SAME_PLANE = 1e-3
RATTLE = 0.05
"""Å"""
J_PER_M2 = units.m**2 / units.J
"""In one eV/Å²."""


@dataclass(frozen=True)
class Surface:
    """A surface.

    Attributes:
        unrelaxed: γ with positions of the crystal, J/m².
        relaxed: γ, J/m².
        slab: relaxed, with the vacuum along z.
    """

    miller: Miller
    unrelaxed: float
    relaxed: float
    slab: Atoms

    def as_dict(self) -> dict[str, Any]:
        """Return the energies as plain numbers."""
        energies = {"unrelaxed_J_per_m2": self.unrelaxed, "relaxed_J_per_m2": self.relaxed}
        return {"miller": list(self.miller), **energies, "atoms": len(self.slab), "area_A2": area(self.slab)}


@dataclass(frozen=True)
class Decohesion:
    """Two rigid halves of a crystal that part.

    Attributes:
        openings: Å.
        energies: γ(opening) of both surfaces together, J/m².
        stresses: dγ/d opening, GPa.
    """

    miller: Miller
    openings: FloatArray
    energies: FloatArray
    stresses: FloatArray

    @property
    def strength(self) -> float:
        """The largest stress, GPa."""
        return float(self.stresses.max())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        found = {name: getattr(self, name).tolist() for name in ("openings", "energies", "stresses")}
        return {"miller": list(self.miller), "strength": self.strength, **found}


def surface(
    atoms: Atoms,
    model: Model,
    miller: Miller,
    thickness: float = THICKNESS,
    vacuum: float = VACUUM,
    rattle: float = RATTLE,
) -> Surface:
    """Return the energy of an unreconstructed surface of a crystal, which is relaxed first.

    Args:
        thickness: of the slab, at least, Å.
        vacuum: Å.
        rattle: random displacements (Å) before the slab relaxes, which break its symmetry.
    """
    require_crystal(atoms, "surfaces")
    crystal = relaxed(atoms, model)
    slab = cleaved(crystal, miller, thickness)
    return surface_of(slab, miller, vacuum, rattle)


def surface_of(block: Atoms, miller: Miller, vacuum: float = VACUUM, rattle: float = RATTLE) -> Surface:
    """Return the energy of the surfaces of a periodic block, cut at z = 0; it has a calculator."""
    slab, perfect = with_vacuum(block, vacuum), block.get_potential_energy()
    unrelaxed = slab.get_potential_energy()
    if rattle:
        slab.rattle(rattle, seed=0)
    relax(slab, FMAX)
    per_area = J_PER_M2 / (2 * area(slab))
    return Surface(miller, per_area * (unrelaxed - perfect), per_area * (slab.get_potential_energy() - perfect), slab)


def decohesion(
    atoms: Atoms, model: Model, miller: Miller, openings: Sequence[float] | FloatArray, thickness: float = THICKNESS
) -> Decohesion:
    """Return energies and stresses while two rigid halves of a crystal part by the openings (Å)."""
    require_crystal(atoms, "surfaces")
    return decohesion_of(cleaved(relaxed(atoms, model), miller, thickness), miller, np.asarray(openings, dtype=float))


def decohesion_of(block: Atoms, miller: Miller, openings: FloatArray) -> Decohesion:
    """Return the same of a block, cut at z = 0.

    With L the period along z and all positions held, dE/dL = (V σ_zz + Σ_i z_i F_iz) / L.
    """
    perfect, energies, stresses = block.get_potential_energy(), [], []
    for opening in openings:
        atoms = with_vacuum(block, float(opening))
        slope = atoms.get_volume() * atoms.get_stress()[2] + atoms.positions[:, 2] @ atoms.get_forces()[:, 2]
        energies.append((atoms.get_potential_energy() - perfect) / area(atoms) * J_PER_M2)
        stresses.append(slope / (atoms.cell[2, 2] * area(atoms) * units.GPa))
    return Decohesion(miller, openings, np.array(energies), np.array(stresses))


def with_vacuum(block: Atoms, vacuum: float) -> Atoms:
    """Return a block whose cell is longer along z, with its calculator."""
    slab: Atoms = block.copy()
    slab.calc = block.calc
    slab.cell[2, 2] += vacuum
    return slab


def area(atoms: Atoms) -> float:
    """Return the area of the cell in the plane of its first two vectors, Å²."""
    return float(np.linalg.norm(np.cross(atoms.cell[0], atoms.cell[1])))


def cleaved(crystal: Atoms, miller: Miller, thickness: float = THICKNESS) -> Atoms:
    """Return a periodic block with the plane in x and y, and the widest gap between atomic planes at z = 0.

    It has the calculator of the crystal.
    """
    one = oriented(crystal, miller)
    block: Atoms = one * (1, 1, max(1, math.ceil(thickness / one.cell[2, 2] - 1e-6)))
    heights = np.unique(np.round((block.get_scaled_positions()[:, 2] % 1) * block.cell[2, 2], 4))
    gaps = np.diff(heights, append=heights[0] + block.cell[2, 2])
    widest = int(np.argmax(gaps > gaps.max() - SAME_PLANE))
    block.positions[:, 2] -= heights[widest] + gaps[widest] / 2
    plane = block.cell.array[:2]
    tilt = np.linalg.lstsq(plane.T, block.cell.array[2] * [1, 1, 0], rcond=None)[0]
    block.cell[2] -= np.round(tilt) @ plane
    block.wrap()
    block.calc = crystal.calc
    return block


def oriented(crystal: Atoms, miller: Miller) -> Atoms:
    """Return the primitive cell with two vectors in the plane, the first along x, and z along its normal."""
    if not any(miller):
        raise ValueError("(0, 0, 0) are no Miller indices")
    primitive = primitive_of(crystal)
    normal = np.array(miller) @ np.linalg.inv(crystal.cell.array).T
    rows = _plane_basis(_whole(primitive.cell.array @ normal), primitive.cell.array)
    turned = Atoms(primitive.numbers, positions=primitive.positions, cell=rows @ primitive.cell.array, pbc=True)
    turned.set_cell(Cell(turned.cell.array).standard_form()[0], scale_atoms=True)
    turned.wrap()
    return turned


def _whole(ratios: FloatArray) -> IntArray:
    """Return the smallest whole numbers in these ratios."""
    scaled = ratios / np.abs(ratios).max()
    parts = [Fraction(float(ratio)).limit_denominator(200) for ratio in scaled]
    common = math.lcm(*(part.denominator for part in parts))
    numbers = [int(part * common) for part in parts]
    return np.array(numbers) // math.gcd(*numbers)


def _plane_basis(h: IntArray, cell: FloatArray) -> IntArray:
    """Return rows u, v, w with h·u = h·v = 0 and h·w = 1, reduced for the cell, right-handed."""
    a, b, c = (int(x) for x in h)
    g, p, q = _bezout(a, b)
    if g == 0:
        u, v, w = np.array([1, 0, 0]), np.array([0, 1, 0]), np.array([0, 0, c])
    else:
        _, r, s = _bezout(g, c)
        u, v, w = np.array([b // g, -a // g, 0]), np.array([c * p, c * q, -g]), np.array([r * p, r * q, s])
    u, v = _reduced(u, v, cell)
    if np.linalg.det(np.array([u, v, w]) @ cell) < 0:
        v = -v
    plane = np.array([u, v])
    across = np.linalg.lstsq((plane @ cell).T, w @ cell, rcond=None)[0]
    return np.array([u, v, w - np.round(across).astype(int) @ plane])


def _bezout(a: int, b: int) -> tuple[int, int, int]:
    """Return g, p, q with g = gcd(a, b) = p a + q b."""
    old, new = (a, 1, 0), (b, 0, 1)
    while new[0]:
        times = old[0] // new[0]
        old, new = new, (old[0] - times * new[0], old[1] - times * new[1], old[2] - times * new[2])
    return old if old[0] >= 0 else (-old[0], -old[1], -old[2])


def _reduced(u: IntArray, v: IntArray, cell: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the shortest vectors of the same plane lattice (Gauss)."""
    while True:
        if np.linalg.norm(u @ cell) > np.linalg.norm(v @ cell) + 1e-9:
            u, v = v, u
        times = round(float((u @ cell) @ (v @ cell) / ((u @ cell) @ (u @ cell))))
        if times == 0:
            return u, v
        v = v - times * u
