"""Hyperactive learning against snapshots of molecular dynamics, with the same number of reference calculations.

An alloy of aluminum and copper, of ASE's EMT, from three structures of 32 atoms; for every seed

    hal        `acnn hal`: biased dynamics from 300 to 1500 K, until CALLS structures are labeled
    snapshots  structures of molecular dynamics of the reference itself from 300 to 1500 K, at equal intervals

Both are fitted alike. Errors are those on snapshots of other runs of the reference: at 300 to 1500 K (`within`), and at
2250 K (`hot`). `survived` is the number of steps of unbiased dynamics of the model at 2250 K, in a cell that has half
as many atoms again, before two atoms are closer than 0.6 bond lengths; at most STEPS.

    python benchmarks/hal.py --json hal.json
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.md.langevin import Langevin
from fitting import add_arguments, print_rows, write_rows

from acnn.data.dataset import LabeledStructure
from acnn.data.labeling import calculated
from acnn.data.structures import set_thermal_momenta, unlabeled
from acnn.data.weights import Weights
from acnn.fit.growing import GrowingFit
from acnn.fit.linear import LinearProblem
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.settings.hal import HALSettings, hal_settings
from acnn.workflows.hal import run_hal
from acnn.workflows.hal.beginning import largest_basis
from acnn.workflows.hal.biased import shortest_in_bonds
from ase_calculator import ACNNCalculator

CALLS, STEPS, FUNCTIONS = 15, 1500, 120
TARGET, HOT = (300.0, 1500.0), 2250.0
CLOSEST = 0.6
E0 = {"Al": 3.28, "Cu": 3.51}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add_arguments(parser)
    arguments = parser.parse_args()
    rows = [row for seed in arguments.seeds for row in measured(seed)]
    print_rows(rows)
    write_rows(arguments.json, rows)


def measured(seed: int) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        settings = settings_of(folder, seed)
        found = run_hal(settings)
        by_hal = [row.structure(settings.fit.weight_table()) for row in found.rows if row.kind in ("start", "labeled")]
        starts = by_hal[: len(starting(seed))]
        random = [*starts, *snapshots(starting(seed)[1], TARGET, len(by_hal) - len(starts), seed)]
        tests = {
            "within": snapshots(starting(seed + 100)[1], TARGET, 20, seed + 100),
            "hot": snapshots(starting(seed + 200)[1], (HOT, HOT), 20, seed + 200),
        }
        sets = {"hal": by_hal, "snapshots": random}
        models = {name: fitted(folder / f"{name}.factor", settings, data) for name, data in sets.items()}
        return [row(seed, name, models[name], data, tests) for name, data in sets.items()]


def row(
    seed: int, name: str, model: LinearACE, data: list[LabeledStructure], tests: dict[str, list[LabeledStructure]]
) -> dict[str, Any]:
    errors = {f"{test}_{key}": value for test, known in tests.items() for key, value in errors_on(model, known).items()}
    return {"seed": seed, "data": name, "calls": len(data), **errors, "survived": survived(model, seed)}


def settings_of(folder: Path, seed: int) -> HALSettings:
    ase.io.write(folder / "start.xyz", starting(seed))
    return hal_settings(
        {
            "structures": folder / "start.xyz",
            "output": folder / "hal",
            "reference": {"calculator": "ase.calculators.emt:EMT"},
            "fit": {"order": 2, "members": 16, "e0": E0},
            "growth": {"functions": FUNCTIONS, "every": 5},
            "bias": {"strength": 0.2, "tolerance": 0.1},
            "dynamics": {"temperature": TARGET, "steps": 2000, "timestep": 2.0, "swap": 20, "cell": 10},
            "stop": {"iterations": CALLS, "quiet": 3},
            "seed": seed,
        }
    )


def starting(seed: int) -> list[Atoms]:
    rng, found = np.random.default_rng(seed), []
    for stretch in (0.97, 1.0, 1.04):
        atoms = bulk("Al", cubic=True, a=3.95) * (2, 2, 2)
        atoms.set_cell(atoms.cell * stretch, scale_atoms=True)
        atoms.symbols[rng.choice(len(atoms), 8, replace=False)] = "Cu"
        atoms.rattle(0.02, rng=rng)
        found.append(atoms)
    return found


def snapshots(
    start: Atoms, ends: tuple[float, float], n: int, seed: int, interval: int = 150
) -> list[LabeledStructure]:
    """Structures of dynamics of the reference at constant volume, at a temperature that rises."""
    rng, atoms = np.random.default_rng(seed), start.copy()
    atoms.calc = EMT()
    set_thermal_momenta(atoms, ends[0], rng)
    found = []
    for temperature in np.linspace(*ends, n):
        Langevin(atoms, 2 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, fixcm=False, rng=rng).run(
            interval
        )
        labels = calculated(atoms, EMT())
        of_structure = (labels.energy, labels.forces, labels.virial)
        found.append(LabeledStructure(unlabeled(atoms), *of_structure, "md", Weights(), f"{temperature:.0f} K"))
    return found


def fitted(path: Path, settings: HALSettings, data: list[LabeledStructure]) -> LinearACE:
    largest = largest_basis(settings.fit, ("Al", "Cu"), FUNCTIONS)
    growing = GrowingFit(LinearProblem.of(settings.fit, largest, E0).with_basis(largest), path)
    growing.add(data)
    return growing.fit(growing.chosen_basis("evidence", FUNCTIONS)).model


def errors_on(model: LinearACE, known: list[LabeledStructure]) -> dict[str, float]:
    found = [model.pair_gradients(atomic_graph(s.atoms, model.cutoff)) for s in known]
    energies = [(float(f.energies[0]) - (s.energy or 0)) / len(s) for f, s in zip(found, known, strict=True)]
    forces = [f.forces.numpy() - s.forces for f, s in zip(found, known, strict=True)]
    return {
        "energy_meV_per_atom": 1000 * float(np.sqrt(np.mean(np.square(energies)))),
        "forces_eV_per_A": float(np.sqrt(np.mean(np.square(forces)))),
    }


def survived(model: LinearACE, seed: int) -> int:
    rng = np.random.default_rng(seed + 300)
    atoms = starting(seed + 300)[2]
    atoms = atoms * (1, 1, 2)
    del atoms[rng.choice(len(atoms), len(atoms) // 4, replace=False)]
    atoms.calc = ACNNCalculator(model)
    set_thermal_momenta(atoms, HOT, rng)
    dynamics = Langevin(atoms, 2 * units.fs, temperature_K=HOT, friction=0.02 / units.fs, fixcm=False, rng=rng)
    for step in range(0, STEPS, 10):
        dynamics.run(10)
        if not shortest_in_bonds(atomic_graph(atoms, model.cutoff)) > CLOSEST:
            return step
    return STEPS


if __name__ == "__main__":
    main()
