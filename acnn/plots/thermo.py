"""Thermodynamic output of LAMMPS against steps, a color for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, grid

UNITS = {
    "metal": {"Temp": "K", "Press": "bar", "Volume": "Å³", "Density": "g/cm³", "Time": "ps"},
    "real": {"Temp": "K", "Press": "atm", "Volume": "Å³", "Density": "g/cm³", "Time": "fs"},
}
ENERGY = {"metal": "eV", "real": "kcal/mol"}
ENERGIES = ("PotEng", "KinEng", "TotEng", "Enthalpy", "E_pair", "E_mol", "E_vdwl", "E_coul", "E_long")
LENGTHS = ("Lx", "Ly", "Lz", "Xlo", "Xhi", "Ylo", "Yhi", "Zlo", "Zhi")
PRESSURES = ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz")


def thermo_figure(runs: Sequence[Mapping[str, FloatArray]], names: Sequence[str], units: str | None = None) -> Any:
    """Draw columns of one or more runs of a log, each in a panel, against the step.

    Args:
        runs: values by keyword.
        units: LAMMPS' name of its units.
    """
    with grid(len(names)) as (figure, axes):
        for axis, name in zip(axes, names, strict=True):
            for number, run in enumerate(runs):
                if name in run:
                    x = run.get("Step", range(len(run[name])))
                    axis.plot(
                        x, run[name], linewidth=0.9, color=COLORS[number % len(COLORS)], label=f"run {number + 1}"
                    )
            unit = unit_of(name, units)
            axis.set_ylabel(f"{name} ({unit})" if unit else name)
            axis.set_xlabel("step")
        if len(runs) > 1:
            axes[0].legend()
    return figure


def unit_of(name: str, units: str | None) -> str:
    """Return the unit of a keyword, or nothing where it is not known."""
    if units not in UNITS:
        return ""
    if name in ENERGIES:
        return ENERGY[units]
    if name in PRESSURES:
        return UNITS[units]["Press"]
    return "Å" if name in LENGTHS else UNITS[units].get(name, "")
