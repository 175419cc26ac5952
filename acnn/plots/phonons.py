"""Figures of phonons: bands beside the density of states, thermodynamics, thermal expansion, thermal conductivity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from acnn.arrays import FloatArray
from acnn.plots.drawing import COLORS, LINE, logarithmic, panels
from acnn.plots.subjects import Expansion, PhononBands, PhononDensity

FREQUENCY = "frequency (THz)"


def bands_figure(bands: Mapping[str, PhononBands], densities: Mapping[str, PhononDensity]) -> Any:
    """Draw phonon bands of one or more models along the path of the first, and their densities of states.

    Paths are scaled to the length of the first, since lattice constants differ.
    """
    options = {"gridspec_kw": {"width_ratios": [4, 1]}, "sharey": True}
    with panels(1, 2, (3.2, 3.2), **options) as (figure, axes):
        path, density = axes[0]
        first = next(iter(bands.values()))
        length = first.ticks[-1][0]
        for color, (name, of) in zip(COLORS, bands.items(), strict=False):
            scale = length / of.ticks[-1][0]
            for distances, frequencies in zip(of.distances, of.frequencies, strict=True):
                lines = path.plot(scale * distances, frequencies, color=color, linewidth=1)
            lines[0].set_label(name)
            density.plot(densities[name].states, densities[name].frequencies, color=color, linewidth=1)
        _path_axis(path, first.ticks)
        ends = [end for of in bands.values() for f in of.frequencies for end in (float(f.min()), float(f.max()))]
        path.set_ylim(min(0.0, 1.05 * min(ends)), 1.05 * max(ends))
        if len(bands) > 1:
            path.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(bands))
        density.set_xlabel("states per THz")
        density.set_xlim(0)
    return figure


def _path_axis(axes: Any, ticks: Sequence[tuple[float, str]]) -> None:
    axes.set_xticks([distance for distance, _ in ticks], [label for _, label in ticks])
    axes.set_xlim(0, ticks[-1][0])
    axes.axhline(0, **LINE)
    axes.set_ylabel(FREQUENCY)


def thermodynamics_figure(
    temperatures: FloatArray,
    free_energy: FloatArray,
    heat: Mapping[str, FloatArray],
    displacements: Mapping[str, FloatArray],
    gruneisen: FloatArray | None = None,
) -> Any:
    """Draw free energy (eV/atom), entropy and heat capacity (J/K mol), displacements (Å²) and Grüneisen parameter."""
    count = 3 if gruneisen is None else 4
    with panels(1, count, (2.5, 2.4)) as (figure, axes):
        free, capacity, moved, *others = axes[0]
        free.plot(temperatures, free_energy, color=COLORS[0])
        free.set_ylabel("free energy (eV/atom)")
        _lines(capacity, temperatures, heat, "J/(K mol)")
        _lines(moved, temperatures, displacements, "⟨u²⟩ along an axis (Å²)")
        if gruneisen is not None:
            others[0].plot(temperatures, gruneisen, color=COLORS[0])
            others[0].set_ylabel("Grüneisen parameter")
        for axis in axes[0]:
            axis.set_xlabel("temperature (K)")
    return figure


def _lines(axes: Any, temperatures: FloatArray, values: Mapping[str, FloatArray], label: str) -> None:
    for color, (name, of) in zip(COLORS, values.items(), strict=False):
        axes.plot(temperatures, of, color=color, label=name)
    axes.set_ylabel(label)
    axes.legend()


def expansion_figure(found: Expansion) -> Any:
    """Draw volume, thermal expansion, bulk modulus and heat capacity against temperature."""
    drawn = {
        "volume (Å³/atom)": found.volume,
        "expansion (10⁻⁶/K)": 1e6 * found.expansion,
        "bulk modulus (GPa)": found.bulk_modulus,
        "C_p (J/(K mol))": found.heat_capacity,
    }
    with panels(1, 4, (2.5, 2.4)) as (figure, axes):
        for axis, (label, values) in zip(axes[0], drawn.items(), strict=True):
            axis.plot(found.temperatures, values, color=COLORS[0])
            axis.set_xlabel("temperature (K)")
            axis.set_ylabel(label)
            axis.ticklabel_format(axis="y", useOffset=False)
    return figure


def conductivity_figure(temperatures: FloatArray, kappa: Mapping[str, FloatArray]) -> Any:
    """Draw lattice thermal conductivities (W/K m) against temperature, with logarithmic axes."""
    with panels(1, 1, (3.4, 2.8)) as (figure, axes):
        for color, (name, values) in zip(COLORS, kappa.items(), strict=False):
            axes[0, 0].plot(temperatures, values, marker="o", markersize=3, color=color, label=name)
        logarithmic(axes[0, 0], "xy")
        axes[0, 0].set_xlabel("temperature (K)")
        axes[0, 0].set_ylabel("lattice thermal conductivity (W/(K m))")
        axes[0, 0].legend()
    return figure
