"""The cost of models of each type: µs per atom on the same silicon crystal, one core.

    python benchmarks/model_types.py --json model_types.json

Energies and forces from an existing graph (no neighbor search), compiled kernel, in turns; medians of nine rounds.
"lge" is the linear model of 1022 functions of benchmarks/accuracy_zuo2020.py; coefficients and weights are random,
which costs the same as fitted ones. The networks stand on a linear part of order 3 with 100 functions.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from accuracy_networks import ZUO_MODEL
from ase.build import bulk
from fitting import print_rows, write_rows

from acnn import NetworkACE, NetworkSpecification, atomic_graph
from acnn.potential import Potential
from acnn.testing import random_model

SILICON = ("Si",)
ROUNDS = 9


def models() -> dict[str, Potential]:
    lge = random_model(SILICON, seed=1, order=4, degree=(20, 20, 14, 10), wl=1, cutoff=5.5)
    small = random_model(SILICON, seed=1, order=3, degree=(10, 10, 8), wl=1, cutoff=5.0)
    found: dict[str, Potential] = {"linear lge": lge, "linear of 100 functions": small}
    for cutoff in (5.0, 6.0):
        for layers, name in ((0, "network"), (1, "attention"), (2, "two attention layers")):
            specification = NetworkSpecification(elements=SILICON, cutoff=cutoff, layers=layers)
            found[f"{name}, {cutoff:g} Å"] = NetworkACE(specification, small)
    found["attention of accuracy_networks.py"] = NetworkACE(NetworkSpecification(elements=SILICON, **ZUO_MODEL), small)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=5, help="cubic cells of 8 atoms per axis")
    parser.add_argument("--json", type=Path, help="write the rows here")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    crystal = bulk("Si", a=5.43, cubic=True) * ([arguments.cells] * 3)
    crystal.rattle(0.1, seed=1)
    rows = []
    for dtype in (torch.float64, torch.float32):
        cases = models()
        graphs = {name: atomic_graph(crystal, model.cutoff).to(dtype=dtype) for name, model in cases.items()}
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(ROUNDS + 1):
            for name, model in cases.items():
                start = time.perf_counter()
                model.pair_gradients(graphs[name])
                times[name].append(1e6 * (time.perf_counter() - start) / len(crystal))
        medians = {name: float(np.median(values[1:])) for name, values in times.items()}
        for name, value in medians.items():
            rows.append(
                {
                    "model": name,
                    "dtype": str(dtype).removeprefix("torch."),
                    "neighbors": graphs[name].n_pairs / len(crystal),
                    "us_per_atom": value,
                    "times_linear_lge": value / medians["linear lge"],
                }
            )
    print_rows(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()
