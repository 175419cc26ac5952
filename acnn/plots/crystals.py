"""Figures of the properties of crystals: equation of state, Young's modulus by direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, panels
from acnn.plots.subjects import Curve, Opening


def eos_figure(curve: Curve) -> Any:
    """Draw energies and the curve through them, and its pressure, against volume."""
    fine = np.linspace(curve.volumes[0], curve.volumes[-1], 200)
    with panels(1, 2) as (figure, axes):
        energy, pressure = axes[0]
        energy.plot(fine, curve.energy_at(fine), color=COLORS[0])
        energy.plot(curve.volumes, curve.energies, "o", markersize=4, color=COLORS[1])
        energy.set_ylabel("energy (eV/atom)")
        energy.ticklabel_format(axis="y", useOffset=False)
        pressure.plot(fine, curve.pressure_at(fine), color=COLORS[0])
        pressure.set_ylabel("pressure (GPa)")
        for axis in axes[0]:
            axis.set_xlabel("volume (Å³/atom)")
    return figure


def decohesion_figure(curves: Mapping[str, Opening]) -> Any:
    """Draw energy and stress of rigid decohesion against the opening, a color for each plane."""
    with panels(1, 2) as (figure, axes):
        energy, stress = axes[0]
        for color, (name, curve) in zip(COLORS, curves.items(), strict=False):
            energy.plot(curve.openings, curve.energies, color=color, label=name)
            stress.plot(curve.openings, curve.stresses, color=color)
        energy.set_ylabel("energy (J/m²)")
        stress.set_ylabel("stress (GPa)")
        energy.legend()
        for axis in axes[0]:
            axis.set_xlabel("opening (Å)")
    return figure


def young_figure(planes: Mapping[str, FloatArray]) -> Any:
    """Draw Young's modulus (GPa) against the direction in several planes; angles are equidistant over the circle."""
    most = max(values.max() for values in planes.values())
    with panels(1, len(planes), (2.6, 3.1), subplot_kw={"projection": "polar"}) as (figure, axes):
        for axis, (plane, values) in zip(axes[0], planes.items(), strict=True):
            angles = np.linspace(0, 2 * np.pi, len(values))
            axis.plot(angles, values, color=COLORS[0])
            axis.fill(angles, values, color=COLORS[0], alpha=0.15)
            axis.set_ylim(0, 1.05 * most)
            axis.set_xticks(np.arange(4) * np.pi / 2, [plane[0], plane[1], f"−{plane[0]}", f"−{plane[1]}"])
            axis.set_rlabel_position(22)
            axis.set_yticks(np.linspace(0, most, 5)[1:].round())
            axis.tick_params(axis="y", labelsize=6)
            axis.set_title(f"Young's modulus in {plane}, GPa", pad=8)
    return figure
