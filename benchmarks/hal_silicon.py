"""Silicon from two cells by hyperactive learning on density functional theory: the errors where it was not asked.

In examples/workflows/silicon_dft run start.py and `acnn hal hal.yaml`; then, with `pw.x` of Quantum ESPRESSO,

    python benchmarks/hal_silicon.py examples/workflows/silicon_dft --json hal_silicon.json

labels, like that example, structures of eight atoms that it has not seen: diamond at several volumes, atoms displaced
by 0.1 Å, and unbiased dynamics of the model at 2500 K and two volumes. RMSE.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.md.langevin import Langevin
from fitting import add_arguments, print_rows, write_rows

from acnn.data.structures import set_thermal_momenta, unlabeled
from acnn.workflows.hal.reference import Reference
from acnn.workflows.hal.store import Store
from ase_calculator import ACNNCalculator


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", type=Path)
    add_arguments(parser)
    arguments = parser.parse_args()
    folder = arguments.example.resolve()
    settings = json.loads((folder / "hal" / "settings.json").read_text())
    command = settings["reference"]["command"].replace("label.py", str(folder / "label.py"))
    calls = sum(row.labels is not None for row in Store(folder / "hal" / "labels.db").rows())
    model = ACNNCalculator(folder / "hal" / "model.acnn")
    sets = {"crystal": crystals(), "melt": melts(model)}
    rows = [
        {"structures": name, "calls": calls, **errors(model, Reference(None, {}, command), found)}
        for name, found in sets.items()
    ]
    print_rows(rows)
    write_rows(arguments.json, rows)


def crystals() -> list[Atoms]:
    rng, found = np.random.default_rng(7), []
    for stretch in (0.97, 0.985, 1.0, 1.015, 1.03):
        atoms = bulk("Si", cubic=True, a=5.40 * stretch)
        atoms.rattle(0.1, rng=rng)
        found.append(atoms)
    return found


def melts(model: ACNNCalculator) -> list[Atoms]:
    rng, found = np.random.default_rng(8), []
    for edge in (5.2, 5.4):
        atoms = bulk("Si", cubic=True, a=edge)
        atoms.calc = model
        set_thermal_momenta(atoms, 5000, rng)
        dynamics = Langevin(atoms, 1.5 * units.fs, temperature_K=2500, friction=0.02 / units.fs, fixcm=False, rng=rng)
        for _ in range(4):
            dynamics.run(1000)
            found.append(unlabeled(atoms))
    return found


def errors(model: ACNNCalculator, reference: Reference, structures: list[Atoms]) -> dict[str, Any]:
    energies, forces = [], []
    for atoms in structures:
        labels = reference.labels(atoms)
        own = atoms.copy()
        own.calc = model
        energies.append((own.get_potential_energy() - labels.energy) / len(own))
        forces.append(own.get_forces() - labels.forces)
    return {
        "n": len(structures),
        "energy_meV_per_atom": 1000 * float(np.sqrt(np.mean(np.square(energies)))),
        "forces_eV_per_A": float(np.sqrt(np.mean(np.square(forces)))),
    }


if __name__ == "__main__":
    main()
