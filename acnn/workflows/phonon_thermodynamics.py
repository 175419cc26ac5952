"""Thermodynamics of phonons on a mesh of q-points.

    F = Σ [ħω/2 + kT ln(1 − exp(−ħω/kT))]        ⟨u_κ²⟩ = ħ/(2 N m_κ) Σ |e_κ|² (2n + 1)/ω
    γ = −d ln ω / d ln V                          γ(T) = Σ γ c_V / Σ c_V

Sums are over modes, per atom; u is a displacement along one axis, averaged over the axes and over equivalent atoms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from acnn.arrays import FloatArray
from acnn.extras import optional

LEAST_FREQUENCY = 0.01
"""THz; slower modes are left out: translations, and imaginary ones."""
HBAR, BOLTZMANN, ATOMIC_MASS = 1.054571817e-34, 1.380649e-23, 1.66053906892e-27
"""J s, J/K, kg."""
KJ_PER_MOL = 96.48533212331
"""In one eV."""


@dataclass(frozen=True)
class Thermodynamics:
    """By temperature.

    Attributes:
        temperatures: K.
        free_energy: Helmholtz free energy of the phonons, eV/atom.
        entropy: J/(K mol of atoms).
        heat_capacity: at constant volume, J/(K mol of atoms).
    """

    temperatures: FloatArray
    free_energy: FloatArray
    entropy: FloatArray
    heat_capacity: FloatArray


class Gruneisen(NamedTuple):
    """Grüneisen parameters of the modes [q, band], frequencies (THz) and weights [q] of the mesh."""

    parameters: FloatArray
    frequencies: FloatArray
    weights: FloatArray

    def average(self, temperatures: FloatArray) -> FloatArray:
        """Return the average by heat capacity [temperature], NaN at 0 K."""
        counted = self.frequencies > LEAST_FREQUENCY
        weights = np.broadcast_to(self.weights[:, None], self.frequencies.shape)[counted]
        capacities = weights * _mode_heat_capacity(self.frequencies[counted], temperatures)
        with np.errstate(invalid="ignore"):
            return np.array(capacities @ self.parameters[counted] / capacities.sum(axis=1))


def _mode_heat_capacity(frequencies: FloatArray, temperatures: FloatArray) -> FloatArray:
    """Return c_V / k = (x / 2 sinh(x/2))², x = ħω/kT [temperature, mode]."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        x = HBAR * 2e12 * np.pi * frequencies / (BOLTZMANN * temperatures[:, None])
        return np.nan_to_num(np.where(x > 600, 0.0, (x / (2 * np.sinh(np.minimum(x, 600) / 2))) ** 2))


def thermodynamics_of(phonopy: Any, temperatures: FloatArray) -> Thermodynamics:
    """Return the thermodynamics on the mesh that was computed last."""
    phonopy.run_thermal_properties(temperatures=temperatures, cutoff_frequency=LEAST_FREQUENCY)
    _, free_energy, entropy, heat_capacity = phonopy.thermal_properties.thermal_properties  # kJ/mol and J/(K mol)
    n = len(phonopy.primitive)
    per_atom = np.array(free_energy) / KJ_PER_MOL / n
    return Thermodynamics(temperatures, per_atom, np.array(entropy) / n, np.array(heat_capacity) / n)


def square_displacements(phonopy: Any, temperatures: FloatArray) -> FloatArray:
    """Return mean square displacements along an axis [temperature, atom], Å², of the mesh, which has eigenvectors."""
    mesh, n = phonopy.mesh, len(phonopy.primitive)
    frequencies = np.array(mesh.frequencies)
    counted = frequencies > LEAST_FREQUENCY
    omega = 2e12 * np.pi * np.where(counted, frequencies, 1.0)
    shares = (np.abs(np.array(mesh.eigenvectors)) ** 2).reshape(len(omega), n, 3, -1).sum(axis=2) / 3  # [q, atom, band]
    weights = np.array(mesh.weights) / np.sum(mesh.weights)
    with np.errstate(divide="ignore", over="ignore"):
        coth = 1 / np.tanh(HBAR * omega / (2 * BOLTZMANN * temperatures[:, None, None]))
    amplitudes = HBAR / 2 * coth * counted / omega * weights[:, None] * 1e20  # [temperature, q, band]
    found = np.einsum("tqb,qab->ta", amplitudes, shares) / (np.array(phonopy.primitive.masses) * ATOMIC_MASS)
    return _over_equivalent(found, np.array(phonopy.primitive_symmetry.get_map_atoms()))


def _over_equivalent(values: FloatArray, equivalent: Any) -> FloatArray:
    """Return values [temperature, atom] averaged over equivalent atoms."""
    averaged = np.empty_like(values)
    for first in np.unique(equivalent):
        averaged[:, equivalent == first] = values[:, equivalent == first].mean(axis=1, keepdims=True)
    return averaged


def gruneisen_of(phonopy: Any, larger: Any, smaller: Any, mesh: tuple[int, int, int]) -> Gruneisen:
    """Return Grüneisen parameters from force constants at a larger and at a smaller volume."""
    found = optional("phonopy", "phonons").PhonopyGruneisen(phonopy, larger, smaller)
    found.set_mesh(mesh, is_gamma_center=True)
    _, weights, frequencies, _, parameters = found.get_mesh()
    return Gruneisen(np.array(parameters), np.array(frequencies), np.array(weights, dtype=float))
