"""Energy against volume, fitted by the equation of state of Birch and Murnaghan.

E(V) = E0 + 9/16 V0 B0 [(x² − 1)³ B0' + (x² − 1)² (6 − 4x²)],    x = (V0 / V)^(1/3)
p(V) = 3/2 B0 (x⁷ − x⁵) [1 + 3/4 (B0' − 4)(x² − 1)]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.eos import birchmurnaghan
from numpy.polynomial import Polynomial

from acnn.arrays import FloatArray
from acnn.workflows.crystal import Model, at_volume, per_atom, relaxed, require_crystal

REAL = 1e-6
"""Largest imaginary part of a real root."""


@dataclass(frozen=True)
class EquationOfState:
    """Energies at fixed volumes, and the curve through them.

    Attributes:
        volumes: Å³/atom, ascending.
        energies: eV/atom.
        volume: V0, Å³/atom.
        energy: E0, eV/atom.
        bulk_modulus: B0, GPa.
        derivative: B0' = dB/dp.
    """

    volumes: FloatArray
    energies: FloatArray
    volume: float
    energy: float
    bulk_modulus: float
    derivative: float

    def energy_at(self, volume: FloatArray) -> FloatArray:
        """Return E in eV/atom."""
        of_curve = (self.energy, self.bulk_modulus * units.GPa, self.derivative, self.volume)
        return np.asarray(birchmurnaghan(volume, *of_curve))

    def pressure_at(self, volume: FloatArray) -> FloatArray:
        """Return p in GPa."""
        x = (self.volume / np.asarray(volume)) ** (1 / 3)
        return np.asarray(1.5 * self.bulk_modulus * (x**7 - x**5) * (1 + 0.75 * (self.derivative - 4) * (x**2 - 1)))

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        found = {"volumes": self.volumes.tolist(), "energies": self.energies.tolist()}
        found |= {"pressures": self.pressure_at(self.volumes).tolist()}
        names = ("volume", "energy", "bulk_modulus", "derivative", "misfit")
        return found | {name: getattr(self, name) for name in names}

    @property
    def misfit(self) -> float:
        """RMS of the deviations from the curve, eV/atom."""
        return float(np.sqrt(np.mean((self.energies - self.energy_at(self.volumes)) ** 2)))


def equation_of_state(
    atoms: Atoms, model: Model, span: float = 0.08, points: int = 9, pressure: float = 0.0
) -> EquationOfState:
    """Return the equation of state of a crystal; positions and shape of the cell relax at every volume.

    Args:
        span: largest change of the volume, relative to that at the pressure.
        pressure: GPa, in the middle of the volumes.
    """
    require_crystal(atoms, "equations of state")
    middle = relaxed(atoms, model, pressure)
    crystals = [at_volume(middle, 1 + change) for change in np.linspace(-span, span, points)]
    volumes = np.array([crystal.get_volume() / len(crystal) for crystal in crystals])
    energies = np.array([per_atom(crystal) for crystal in crystals])
    return fitted(volumes, energies)


def fitted(volumes: FloatArray, energies: FloatArray) -> EquationOfState:
    """Return the curve through energies (eV/atom) at volumes (Å³/atom): a cubic polynomial in y = V^(−2/3).

    Raises:
        ValueError: it has no minimum.
    """
    unit = float(np.mean(volumes))
    polynomial = Polynomial.fit((volumes / unit) ** (-2 / 3), energies, 3).convert()
    slope, curvature, third = (polynomial.deriv(k) for k in (1, 2, 3))
    minima = [y.real for y in slope.roots() if abs(y.imag) < REAL and y.real > 0 and curvature(y.real) > 0]
    if not minima or curvature(1.0) <= 0:
        raise ValueError("the energies have no minimum over the volume: start from a structure nearer to one")
    y = min(minima, key=lambda y: abs(y - 1.0))
    volume = unit * y**-1.5
    modulus = 4 / 9 * y**2 * curvature(y) / volume
    derivative = 4 + 2 / 3 * y * third(y) / curvature(y)
    energy = float(polynomial(y))
    return EquationOfState(volumes, energies, volume, energy, float(modulus / units.GPa), float(derivative))
