"""Units, signs and component orders: the only place that converts stress and virial.

Units are those of ASE: Å, eV, eV/Å for forces, eV/Å³ for stress, eV for virials, amu for masses, and fs for
times in the user interface. Row cell vectors. With ``r_ij`` the vector from center ``i`` to neighbor ``j`` and
``g_ij = dE/dr_ij``:

    virial  W = -Σ_ij r_ij ⊗ g_ij = -dE/dε            (eV, 3x3)
    stress  σ = -W / V = (1/V) dE/dε                   (eV/Å³; ASE's sign: positive under tension)

Voigt order is ASE's: xx, yy, zz, yz, xz, xy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from acnn.arrays import FloatArray

VOIGT_ROWS = (0, 1, 2, 1, 0, 0)
VOIGT_COLUMNS = (0, 1, 2, 2, 2, 1)
VOIGT_NAMES = ("xx", "yy", "zz", "yz", "xz", "xy")

MEV_PER_EV = 1000.0
QUANTITIES = ("energy", "forces", "virial")
"""What labels and errors are of."""
MEASURES = ("mae", "rmse")
ERROR_UNITS = {"energy": "meV/atom", "forces": "eV/Å", "virial": "meV/atom"}
"""Units of errors by quantity."""
CLOSEST_APPROACH = 1e-6
"""Å; atoms closer than this are a mistake in the structure."""
FARTHEST = 1e8
"""Å, the largest coordinate; double precision resolves it to 1.5e-8 Å."""


def stress_from_virial(virial: ArrayLike, volume: float | FloatArray) -> FloatArray:
    """Return the stress σ = -W/V in eV/Å³ from a virial W in eV (any shape) and a volume in Å³, or as many."""
    stress: FloatArray = -np.asarray(virial, dtype=float) / volume
    return stress


def virial_from_stress(stress: ArrayLike, volume: float) -> FloatArray:
    """Return the virial W = -V σ in eV from a stress σ in eV/Å³ (any shape) and a volume in Å³."""
    return -np.asarray(stress, dtype=float) * volume


def voigt_from_full(tensor: ArrayLike) -> FloatArray:
    """Return the Voigt components (..., 6) of tensors (..., 3, 3), averaging the off-diagonal pairs."""
    full = np.asarray(tensor, dtype=float)
    symmetric = 0.5 * (full + np.swapaxes(full, -1, -2))
    return symmetric[..., VOIGT_ROWS, VOIGT_COLUMNS]


def full_from_voigt(voigt: ArrayLike) -> FloatArray:
    """Return symmetric tensors (..., 3, 3) from components (..., 6) in Voigt order."""
    components = np.asarray(voigt, dtype=float)
    full = np.empty(components.shape[:-1] + (3, 3))
    full[..., VOIGT_ROWS, VOIGT_COLUMNS] = components
    full[..., VOIGT_COLUMNS, VOIGT_ROWS] = components
    return full


def tensor_from_components(components: ArrayLike) -> FloatArray:
    """Return a (3, 3) tensor from 6 Voigt components, 9 row-major components, or a (3, 3) array."""
    values = np.asarray(components, dtype=float)
    if values.size == 9:
        return values.reshape(3, 3)
    if values.shape == (6,):
        return full_from_voigt(values)
    raise ValueError(f"a stress or virial must have 6 or 9 components, but this one has shape {values.shape}")
