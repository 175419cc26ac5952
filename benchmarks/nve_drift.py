"""Energy drift of constant-energy molecular dynamics: 10 ps of 1 fs steps, 216 atoms.

The drift is the slope of a straight line through the total energy, extrapolated to one nanosecond.

    python benchmarks/nve_drift.py MODEL.acnn --temperature 1200 --json nve.json
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet
from fitting import add_arguments, print_rows, write_rows
from rich.progress import track

from acnn.data.structures import set_thermal_momenta
from ase_calculator import ACNNCalculator

CELLS = {"Si": (5.47, "diamond"), "Cu": (3.62, "fcc"), "Ni": (3.52, "fcc"), "Al": (4.0, "fcc")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--element", default="Si", choices=CELLS)
    parser.add_argument("--temperature", type=float, default=600.0, help="kelvin")
    parser.add_argument("--dtype", default="float64")
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    row = run(arguments, crystal(arguments.element), steps=500 if arguments.quick else 10_000)
    print_rows([row])
    write_rows(arguments.json, [row])


def crystal(element: str) -> Atoms:
    """216 atoms: 3x3x3 cubic diamond cells, or 6x6x6 primitive face-centered cubic cells."""
    a, structure = CELLS[element]
    if structure == "diamond":
        return bulk(element, structure, a=a, cubic=True) * 3
    return bulk(element, structure, a=a) * 6


def run(arguments: argparse.Namespace, atoms: Atoms, steps: int) -> dict:
    atoms.calc = ACNNCalculator(arguments.model, dtype=arguments.dtype)
    set_thermal_momenta(atoms, 2 * arguments.temperature, np.random.default_rng(0))
    Stationary(atoms)
    dynamics = VelocityVerlet(atoms, timestep=units.fs)
    dynamics.run(500)
    energies, temperatures = [], []
    start = time.perf_counter()
    for _ in track(dynamics.irun(steps), total=steps + 1, description="steps"):
        energies.append(atoms.get_total_energy() / len(atoms))
        temperatures.append(atoms.get_temperature())
    seconds = time.perf_counter() - start
    picoseconds = np.arange(len(energies)) * 1e-3
    slope = float(np.polyfit(picoseconds, energies, 1)[0])
    return {
        "model": arguments.model.name,
        "atoms": len(atoms),
        "steps": steps,
        "dtype": arguments.dtype,
        "mean_temperature_K": float(np.mean(temperatures)),
        "drift_meV_per_atom_per_ns": slope * 1e6,
        "energy_fluctuation_meV_per_atom": float(np.std(energies)) * 1e3,
        "ms_per_step": 1e3 * seconds / steps,
        "neighbor_searches": atoms.calc.neighbor_searches,
    }


if __name__ == "__main__":
    main()
