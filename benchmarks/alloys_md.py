"""Molecular dynamics of a seven-component melt whose potential was fitted to elements and binaries only.

The data are those of `alloys.py` with --liquids: solid solutions and hot snapshots of Cu, Ag, Au, Ni, Pd, Pt, Al and
their binaries, labeled with ASE's effective medium theory. LAMMPS runs 108 atoms of all seven at 2000 K and constant
volume; frames after the first 2 ps are then labeled with effective medium theory, too.

    python benchmarks/alloys_md.py --json alloys_md.json
    python benchmarks/alloys_md.py --model seven.acnn --picoseconds 50
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from alloys import disordered, labeled, write_data
from ase import Atoms
from ase.data import atomic_numbers, reference_states
from fitting import add_arguments, fit_with_cli, print_rows, write_rows

from acnn import load_model
from acnn.arrays import FloatArray
from acnn.potential import Potential
from ase_calculator import ACNNCalculator
from lammps_plugin import run_md

ELEMENTS = ("Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Al")
EXPANSION = 1.08
"""Of the edge of the cell, relative to the mean lattice constant of the elements."""
TIMESTEP = 2.0
"""fs"""
FRAMES = 50
EQUILIBRATION = 1000
"""Steps before the first frame."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="of these elements [default: fit it first]")
    parser.add_argument("--order", default="2")
    parser.add_argument("--degree", default="6")
    parser.add_argument("--correlation", default="auto")
    parser.add_argument("--temperature", type=float, default=2000.0, help="K")
    parser.add_argument("--picoseconds", type=float, default=10.0)
    add_arguments(parser)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = arguments.model or fitted(Path(scratch), arguments)
        rows = [measure(path, arguments.temperature, arguments.picoseconds, Path(scratch))]
    print_rows(rows)
    write_rows(arguments.json, rows)


def fitted(folder: Path, arguments: argparse.Namespace) -> Path:
    train, _ = write_data(folder, ELEMENTS, liquids=4, tests=0)
    flags = ["--order", arguments.order, "--degree", arguments.degree, "--cutoff", "5.5", "--e0", "lstsq"]
    fit_with_cli(train, folder / "m.acnn", arguments.threads, *flags, "--element-correlation", arguments.correlation)
    return folder / "m.acnn"


def measure(path: Path, temperature: float, picoseconds: float, folder: Path) -> dict[str, Any]:
    """Run, and compare energies and forces along the trajectory with those of effective medium theory."""
    model, steps = load_model(path), round(1000 * picoseconds / TIMESTEP)
    every = max(1, steps // FRAMES)
    common = {"temperature": temperature, "timestep": TIMESTEP, "thermo_every": every, "progress": False}
    atoms = run_md(melt(np.random.default_rng(0)), model, steps=EQUILIBRATION, **common).atoms
    run = run_md(atoms, model, steps=steps, trajectory=folder / "melt.dump", trajectory_every=every, **common)
    frames = ase.io.read(folder / "melt.dump", ":")
    energy, forces = errors(model, frames)
    half = len(frames) // 2
    return {
        **model.summary(),
        "atoms": len(atoms),
        "ps": picoseconds,
        "temperature_K": float(run.thermo["temperature"][half:].mean()),
        "pressure_GPa": float(run.thermo["pressure"][half:].mean()),
        "shortest_A": min(shortest(frame) for frame in frames),
        "displacement_A": float(np.sqrt(np.square(wanderings(frames)).sum(axis=1).mean())),
        "energy_mean_error_meV_per_atom": float(energy.mean()),
        "energy_scatter_meV_per_atom": float(energy.std()),
        "energy_drift_meV_per_atom": float(energy[half:].mean() - energy[:half].mean()),
        "forces_mae_eV_per_A": float(np.abs(forces).mean()),
        "forces_rms_eV_per_A": float(np.sqrt(np.square(true_forces(frames)).mean())),
    }


def melt(rng: np.random.Generator) -> Atoms:
    """Return a cube of 108 atoms, far from a crystal."""
    atoms = disordered(rng, ELEMENTS, repeat=3)
    edge = EXPANSION * 3 * np.mean([reference_states[atomic_numbers[symbol]]["a"] for symbol in atoms.symbols])
    atoms.set_cell(np.eye(3) * edge, scale_atoms=True)
    atoms.positions += rng.normal(scale=0.3, size=atoms.positions.shape)
    return atoms


def errors(model: Potential, frames: Sequence[Atoms]) -> tuple[FloatArray, FloatArray]:
    """Return those of energies, meV/atom [n_frames], and of forces, eV/Å."""
    energies, forces = [], []
    calculator = ACNNCalculator(model)
    for frame in frames:
        truth, frame.calc = labeled(frame, "melt"), calculator
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the data lack most of it is the point
            energies.append(1000 * (frame.get_potential_energy() - truth.get_potential_energy()) / len(frame))
        forces.append(frame.get_forces() - truth.get_forces())
    return np.array(energies), np.array(forces)


def true_forces(frames: Sequence[Atoms]) -> FloatArray:
    return np.array([labeled(frame, "melt").get_forces() for frame in frames])


def shortest(frame: Atoms) -> float:
    distances = frame.get_all_distances(mic=True)
    return float(distances[np.triu_indices(len(frame), 1)].min())


def wanderings(frames: Sequence[Atoms]) -> FloatArray:
    """Return how far each atom went from the first to the last frame, without jumps across the cell [n_atoms, 3]."""
    inverse = np.linalg.inv(frames[0].cell.array)
    places = np.array([frame.positions @ inverse for frame in frames])
    steps = np.diff(places, axis=0)
    return (steps - np.round(steps)).sum(axis=0) @ frames[0].cell.array


if __name__ == "__main__":
    main()
