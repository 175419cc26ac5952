"""Thermal expansion in the quasi-harmonic approximation: phonons at several volumes, the least free energy.

    G(T) = min_V [E(V) + F_phonons(V, T) + pV]        α = (1/V) dV/dT        C_p = C_V + T V B α²

The curve through the free energies at a temperature is that of Birch and Murnaghan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units

from acnn.arrays import FloatArray
from acnn.workflows.crystal import Model, at_volume, per_atom, relaxed, require_crystal
from acnn.workflows.eos import fitted
from acnn.workflows.force_constants import exact_points
from acnn.workflows.lattice_dynamics import FMAX, Sampling, default_mesh, force_constants
from acnn.workflows.phonon_bands import SMALLEST_IMAGINARY
from acnn.workflows.phonon_thermodynamics import Thermodynamics, thermodynamics_of

CHANGES = (-0.02, 0.0, 0.02, 0.04, 0.06, 0.08)
"""Of the volume."""
GAS = 8.31446261815324
"""J/(K mol), in one k."""


@dataclass(frozen=True)
class Expansion:
    """By temperature, as far as the volumes reach.

    Attributes:
        temperatures: K.
        volume: Å³/atom.
        expansion: α of the volume, 1/K.
        bulk_modulus: isothermal, GPa.
        heat_capacity: at constant pressure, J/(K mol of atoms).
        gibbs: energy with phonons, eV/atom.
        pressure: GPa.
    """

    temperatures: FloatArray
    volume: FloatArray
    expansion: FloatArray
    bulk_modulus: FloatArray
    heat_capacity: FloatArray
    gibbs: FloatArray
    pressure: float

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}


def thermal_expansion(
    atoms: Atoms,
    model: Model,
    sampling: Sampling | None = None,
    pressure: float = 0.0,
    changes: tuple[float, ...] = CHANGES,
) -> Expansion:
    """Return the thermal expansion of a crystal.

    Args:
        changes: relative, of the volume without phonons; at least five.

    Raises:
        ValueError: phonons are imaginary at one of the volumes, or the volumes are too few.
    """
    require_crystal(atoms, "thermal expansion and phonons")
    given = sampling or Sampling()
    middle = relaxed(atoms, model, pressure, FMAX)
    crystals = [at_volume(middle, 1 + change, FMAX) for change in changes]
    heat = [_thermodynamics(crystal, given) for crystal in crystals]
    volumes = np.array([crystal.get_volume() / len(crystal) for crystal in crystals])
    energies = np.array([per_atom(crystal) for crystal in crystals]) + pressure * units.GPa * volumes
    return expansion_of(volumes, energies, heat, pressure)


def _thermodynamics(crystal: Atoms, sampling: Sampling) -> Thermodynamics:
    phonopy, _, _ = force_constants(crystal, sampling)
    phonopy.run_qpoints(exact_points(phonopy))
    lowest = float(np.min(phonopy.qpoints.frequencies))
    if lowest < -SMALLEST_IMAGINARY:
        volume = crystal.get_volume() / len(crystal)
        raise ValueError(
            f"phonons are imaginary ({lowest:.2f} THz) at {volume:.3f} Å³/atom, so that there is no free energy there: "
            "use smaller changes of volume, or a structure that is stable"
        )
    phonopy.run_mesh(sampling.mesh or default_mesh(phonopy.primitive.cell), is_gamma_center=True)
    return thermodynamics_of(phonopy, sampling.temperatures)


def expansion_of(
    volumes: FloatArray, enthalpies: FloatArray, heat: list[Thermodynamics], pressure: float = 0.0
) -> Expansion:
    """Return the expansion by enthalpies (eV/atom) and thermodynamics at volumes (Å³/atom)."""
    temperatures = heat[0].temperatures
    free = np.array([of.free_energy for of in heat]).T + enthalpies
    curves = []
    for energies in free:
        curve = fitted(volumes, energies)
        if curve.volume > volumes[-1] or curve.volume < volumes[0]:
            break
        curves.append(curve)
    if len(curves) < 2:
        raise ValueError(
            f"the volumes, {volumes[0]:.3f} to {volumes[-1]:.3f} Å³/atom, do not contain that of least free energy: "
            "use other changes of volume"
        )
    reached = temperatures[: len(curves)]
    volume, modulus, gibbs = (np.array([getattr(c, of) for c in curves]) for of in ("volume", "bulk_modulus", "energy"))
    expansion = np.gradient(volume, reached) / volume
    at_constant_volume = np.array(
        [np.interp(v, volumes, [of.heat_capacity[k] for of in heat]) for k, v in enumerate(volume)]
    )
    extra = reached * volume * modulus * units.GPa * expansion**2 / units.kB * GAS
    return Expansion(reached, volume, expansion, modulus, at_constant_volume + extra, gibbs, pressure)
