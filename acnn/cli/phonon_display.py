"""Tables of ``acnn phonons``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from acnn.arrays import FloatArray
from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.cli.property_options import print_rows
from acnn.wording import counted
from acnn.workflows.lattice_dynamics import Phonons
from acnn.workflows.phonon_bands import SMALLEST_IMAGINARY
from acnn.workflows.quasiharmonic import Expansion
from acnn.workflows.thermal_conductivity import Conductivity

SHOWN = (0.0, 300.0, 600.0, 1000.0)
"""K"""
MOST_BANDS, MOST_MODES = 12, 5


def print_phonons(found: Phonons) -> None:
    """Print frequencies, thermodynamics, what they have cost, and imaginary modes."""
    rows = [
        (label, *(f"{round(f, 3) + 0.0:.3f}" for f in values[:MOST_BANDS]))
        for label, values in found.bands.points.items()
    ]
    print_rows("phonons, THz", rows, ("q", *(str(k) for k in range(1, len(rows[0])))))
    heat, moved = found.thermodynamics, found.displacements.mean(axis=1)
    columns = {
        "free energy\neV/atom": (heat.free_energy, 5),
        "entropy\nJ/K mol": (heat.entropy, 3),
        "heat capacity\nJ/K mol": (heat.heat_capacity, 3),
        "⟨u²⟩\nÅ²": (moved, 5),
    }
    _by_temperature("thermodynamics of phonons", heat.temperatures, columns)
    effort = found.effort
    console.print(
        f"{counted(effort.evaluations, 'evaluation')} of forces in {counted(effort.supercells, 'supercell')} of up to "
        f"{effort.largest} atoms, {effort.seconds:.1f} s",
        highlight=False,
        soft_wrap=True,
    )
    if found.imaginary:
        named = [f"{mode.place}, band {mode.band}: {-mode.frequency:.2f}i THz" for mode in found.imaginary]
        more = f"; {len(named) - MOST_MODES} more" if len(named) > MOST_MODES else ""
        count = counted(len(named), "imaginary mode")
        warn(f"{count}, so that this crystal is not stable: {'; '.join(named[:MOST_MODES])}{more}")
    elif found.bands.lowest < -SMALLEST_IMAGINARY:
        warn(
            f"bands are imaginary, {-found.bands.lowest:.2f}i THz, but only between the q-points that the supercell "
            "holds, where they are interpolated: use a larger --supercell"
        )


def print_expansion(found: Expansion, highest: float) -> None:
    """Print the thermal expansion, and where it ends before the highest temperature (K)."""
    columns = {
        "volume\nÅ³/atom": (found.volume, 4),
        "expansion\n10⁻⁶/K": (1e6 * found.expansion, 3),
        "bulk modulus\nGPa": (found.bulk_modulus, 2),
        "C_p\nJ/K mol": (found.heat_capacity, 3),
    }
    _by_temperature("quasi-harmonic thermal expansion of the volume", found.temperatures, columns)
    if found.temperatures[-1] < highest:
        warn(f"above {found.temperatures[-1]:g} K the crystal is larger than the largest volume that was computed")


def print_conductivity(found: Conductivity) -> None:
    """Print the thermal conductivity at room temperature."""
    temperature, kappa = found.near(300.0)
    console.print(
        f"thermal conductivity at {temperature:g} K along x, y, z: {', '.join(f'{k:.2f}' for k in kappa)} W/(K m), by "
        f"{counted(sum(found.evaluations), 'evaluation')} of forces",
        highlight=False,
        soft_wrap=True,
    )


def _by_temperature(title: str, temperatures: FloatArray, columns: dict[str, tuple[FloatArray, int]]) -> None:
    chosen = sorted({int(np.argmin(np.abs(temperatures - t))) for t in SHOWN if t <= temperatures[-1]})
    rows = [(f"{temperatures[k]:g}", *_cells(columns, k)) for k in chosen]
    print_rows(title, rows, ("temperature\nK", *columns), texts=0)


def _cells(columns: dict[str, tuple[FloatArray, int]], k: int) -> Iterator[str]:
    for values, decimals in columns.values():
        yield f"{values[k]:.{decimals}f}"
