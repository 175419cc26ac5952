"""Time and peak memory of one evaluation (energy, forces, stress) against the number of atoms: rattled silicon.

Every size runs in a process of its own, so that the peak is that size's.

    python benchmarks/large_cells.py MODEL.acnn --json cells.json
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path
from typing import Any

import torch
from ase.build import bulk
from fitting import add_arguments, print_rows, write_rows

from acnn import atomic_graph, load_model
from acnn.fit.job import peak_bytes

CELLS = (1, 3, 5, 11, 18)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model of silicon")
    add_arguments(parser)
    arguments = parser.parse_args()
    sizes = CELLS[:2] if arguments.quick else CELLS
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = [pool.apply(measure, (arguments.model, size, arguments.threads)) for size in sizes]
    print_rows(rows)
    write_rows(arguments.json, rows)


def measure(path: Path, cells: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    model = load_model(path)
    atoms = bulk("Si", cubic=True) * cells
    atoms.rattle(0.1, seed=0)
    graph = atomic_graph(atoms, model.cutoff)
    before = peak_bytes()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        found = model.pair_gradients(graph)
        found.forces, found.virials  # noqa: B018
        seconds.append(time.perf_counter() - start)
    return {
        "model": path.name,
        "n_basis": model.basis.n_functions,
        "atoms": len(atoms),
        "neighbors_per_atom": graph.n_pairs / len(atoms),
        "threads": threads,
        "us_per_atom": 1e6 * sorted(seconds)[1] / len(atoms),
        "peak_MiB": peak_bytes() / 2**20,
        "peak_over_idle_MiB": (peak_bytes() - before) / 2**20,
    }


if __name__ == "__main__":
    main()
