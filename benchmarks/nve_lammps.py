"""Constant-energy dynamics in LAMMPS and in ASE from the same start: drift and fluctuation of the total energy.

20 ps of 1 fs steps at about 600 K, 216 atoms. The drift is the slope of a straight line through the total energy,
extrapolated to one nanosecond; the fluctuation is the standard deviation of the total energy.

    python benchmarks/nve_lammps.py MODEL.acnn --json nve.json --plot nve.png
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet
from fitting import add_arguments, print_rows, write_rows
from nve_drift import CELLS, crystal
from rich.progress import track

from acnn.data.structures import set_thermal_momenta
from ase_calculator import ACNNCalculator
from lammps_plugin import run_md

EVERY = 10
"""Steps between two readings of the energy."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--element", default="Si", choices=CELLS)
    parser.add_argument("--temperature", type=float, default=600.0, help="kelvin")
    parser.add_argument("--plot", type=Path, help="draw both total energies here")
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    steps = 1000 if arguments.quick else 20_000
    start = equilibrated(arguments)
    curves, rows = {}, []
    for name, run in (("ASE", in_ase), ("LAMMPS", in_lammps)):
        before = time.perf_counter()
        energies, temperatures = run(start.copy(), arguments.model, steps)
        seconds = time.perf_counter() - before
        curves[name] = energies
        rows.append({"engine": name, **summary(energies, temperatures, start, steps, seconds)})
    print_rows(rows)
    write_rows(arguments.json, rows)
    if arguments.plot:
        draw(arguments.plot, curves)


def equilibrated(arguments: argparse.Namespace) -> Atoms:
    """The common start: 0.5 ps after velocities of twice the temperature were drawn."""
    atoms = crystal(arguments.element)
    atoms.calc = ACNNCalculator(arguments.model)
    set_thermal_momenta(atoms, 2 * arguments.temperature, np.random.default_rng(0))
    Stationary(atoms)
    VelocityVerlet(atoms, timestep=units.fs).run(500)
    return atoms


def in_ase(atoms: Atoms, model: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Total energy (eV) and temperature (K) every `EVERY` steps."""
    atoms.calc = ACNNCalculator(model)
    dynamics = VelocityVerlet(atoms, timestep=units.fs)
    readings = []
    for step in track(range(0, steps + 1, EVERY), description="ASE"):
        dynamics.run(EVERY if step else 0)
        readings.append((atoms.get_total_energy(), atoms.get_temperature()))
    energies, temperatures = np.array(readings).T
    return energies, temperatures


def in_lammps(atoms: Atoms, model: Path, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The same in LAMMPS."""
    thermo = run_md(atoms, model, steps=steps, ensemble="nve", timestep=1.0, thermo_every=EVERY).thermo
    return thermo["total_energy"], thermo["temperature"]


def summary(energies: np.ndarray, temperatures: np.ndarray, atoms: Atoms, steps: int, seconds: float) -> dict:
    per_atom = energies / len(atoms) * 1e3
    picoseconds = np.arange(len(energies)) * EVERY * 1e-3
    return {
        "atoms": len(atoms),
        "steps": steps,
        "mean_temperature_K": float(np.mean(temperatures)),
        "drift_meV_per_atom_per_ns": float(np.polyfit(picoseconds, per_atom, 1)[0]) * 1e3,
        "energy_fluctuation_meV_per_atom": float(np.std(per_atom)),
        "ms_per_step": 1e3 * seconds / steps,
    }


def draw(path: Path, curves: dict[str, np.ndarray]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    for name, energies in curves.items():
        axes.plot(np.arange(len(energies)) * EVERY * 1e-3, 1e3 * (energies - energies[0]), label=name, linewidth=0.7)
    axes.set(xlabel="time (ps)", ylabel="change of the total energy (meV)")
    axes.legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
