"""Flexible water of finite range, as an ASE calculator, which plays the role of DFT in the water example.

Parameters of SPC/Fw (Wu, Tepper and Voth, J. Chem. Phys. 124, 024503 (2006)): harmonic O-H bonds and H-O-H angle,
Lennard-Jones between oxygens, charges. So that a local model can learn it, charges act up to `CUTOFF` only, with energy
and force shifted to zero there (Fennell and Gezelter, J. Chem. Phys. 124, 234104 (2006), without damping).

Atoms are ordered O, H, H, O, H, H, ...; Å, eV.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from numpy.typing import NDArray

import acnn

Array = NDArray[np.float64]

KCAL = units.kcal / units.mol
BOND, BOND_STIFFNESS = 1.012, 1059.162 * KCAL
ANGLE, ANGLE_STIFFNESS = np.deg2rad(113.24), 75.90 * KCAL
SIGMA, EPSILON = 3.165492, 0.1554253 * KCAL
CHARGES = {8: -0.82, 1: 0.41}
COULOMB = 14.399645
"""eV Å, of two unit charges."""
CUTOFF = 6.0


class FlexibleWater(Calculator):
    """Energy, forces and stress (periodic boxes longer than a molecule)."""

    implemented_properties = ["energy", "forces", "stress"]

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy, forces, virial = 0.0, np.zeros((len(atoms), 3)), np.zeros((3, 3))
        for e, i, j, r_pc, g_pc in (bonds(atoms), angles(atoms), between_molecules(atoms)):
            energy += float(e.sum())
            np.add.at(forces, i, g_pc)
            np.add.at(forces, j, -g_pc)
            virial -= r_pc.T @ g_pc
        self.results = {"energy": energy, "forces": forces}
        if atoms.pbc.all():
            stress = -virial / atoms.get_volume()
            self.results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


# Each term: energies, and pairs i, j with r_ij = r_j - r_i and g = dE/dr_ij.
Term = tuple[Array, NDArray[np.int64], NDArray[np.int64], Array, Array]


def hydrogens(atoms: Atoms) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Oxygen, hydrogen and r_OH of every bond."""
    oxygen = np.repeat(np.arange(0, len(atoms), 3), 2)
    hydrogen = oxygen + np.tile([1, 2], len(atoms) // 3)
    r_pc = atoms.positions[hydrogen] - atoms.positions[oxygen]
    if atoms.pbc.any():
        fractional = r_pc @ np.linalg.inv(atoms.cell.array)
        r_pc = (fractional - np.round(fractional) * atoms.pbc) @ atoms.cell.array
    return oxygen, hydrogen, r_pc


def bonds(atoms: Atoms) -> Term:
    """½ k (r - r0)²"""
    oxygen, hydrogen, r_pc = hydrogens(atoms)
    r = np.linalg.norm(r_pc, axis=1)
    slope = BOND_STIFFNESS * (r - BOND)
    return 0.5 * slope * (r - BOND), oxygen, hydrogen, r_pc, (slope / r)[:, None] * r_pc


def angles(atoms: Atoms) -> Term:
    """½ k (θ - θ0)²; the gradients with respect to both bonds of every molecule."""
    oxygen, hydrogen, r_pc = hydrogens(atoms)
    r = np.linalg.norm(r_pc, axis=1, keepdims=True)
    unit = r_pc / r
    other = unit.reshape(-1, 2, 3)[:, ::-1].reshape(-1, 3)
    cosine = np.sum(unit * other, axis=1, keepdims=True)
    bend = np.arccos(cosine) - ANGLE
    g_pc = ANGLE_STIFFNESS * bend * -1.0 / np.sqrt(1.0 - cosine**2) * (other - cosine * unit) / r
    return 0.25 * ANGLE_STIFFNESS * bend[:, 0] ** 2, oxygen, hydrogen, r_pc, g_pc  # each angle is counted twice


def between_molecules(atoms: Atoms) -> Term:
    """Lennard-Jones of oxygens, and q_i q_j (1/r - 1/r_c + (r - r_c)/r_c²)."""
    graph = acnn.atomic_graph(atoms, CUTOFF)
    i, j, r_pc = graph.pair_i.numpy(), graph.pair_j.numpy(), graph.pair_vectors.numpy()
    r = np.linalg.norm(r_pc, axis=1)
    apart = (i // 3 != j // 3) | (r > 2.5)  # farther away is another image of the molecule
    i, j, r_pc, r = i[apart], j[apart], r_pc[apart], r[apart]
    charges = np.array([CHARGES[number] for number in atoms.numbers])
    strength = COULOMB * charges[i] * charges[j]
    energies = strength * (1 / r - 1 / CUTOFF + (r - CUTOFF) / CUTOFF**2)
    slopes = strength * (1 / CUTOFF**2 - 1 / r**2)
    oxygens = (atoms.numbers[i] == 8) & (atoms.numbers[j] == 8)
    power = (SIGMA / r[oxygens]) ** 6
    at_cutoff = (SIGMA / CUTOFF) ** 6
    energies[oxygens] += 4 * EPSILON * (power**2 - power - at_cutoff**2 + at_cutoff)
    slopes[oxygens] += 4 * EPSILON * (6 * power - 12 * power**2) / r[oxygens]
    return 0.5 * energies, i, j, r_pc, 0.5 * (slopes / r)[:, None] * r_pc  # each pair is counted twice
