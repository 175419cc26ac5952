"""The cost of a committee: K members together, relative to one evaluation of energies and forces, in one thread.

For the models and structures of `evaluator.py`: processor time of site energies of all members, and of energies, forces
and virials of all members, both divided by that of the model alone. Neighbor search is left out.

    python benchmarks/uncertainty_cost.py --json uncertainty_cost.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from evaluator_cases import CASES, Case
from fitting import add_arguments, print_rows, write_rows

from acnn.graph import DTYPES, AtomicGraph
from acnn.kernels.committee import MembersKernel, compile_members
from acnn.kernels.energy import EnergyKernel
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph

REPETITIONS = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, nargs="+", default=[8, 16, 32])
    add_arguments(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in [next(iter(CASES))] if arguments.quick else CASES:
        rows += measure(name, CASES[name], arguments.members)
    print_rows(rows)
    write_rows(arguments.json, rows)


def measure(name: str, case: Case, sizes: list[int]) -> list[dict[str, Any]]:
    model, atoms = case.model(), case.structure(case.quick_cells)
    graph = atomic_graph(atoms, model.cutoff)
    rows = []
    for dtype in DTYPES:
        own = graph.to(dtype=DTYPES[dtype])
        for size in sizes:
            figures = ratios(model, own, size)
            rows.append({"model": name, "n_functions": model.basis.n_functions, "dtype": dtype, "K": size} | figures)
    return rows


def ratios(model: LinearACE, graph: AtomicGraph, size: int) -> dict[str, float | str]:
    one = EnergyKernel(model.program(), threads=1)
    factors = np.random.default_rng(0).normal(size=(size, model.basis.n_functions))
    together = MembersKernel(compile_members(model.basis, model.coefficients.numpy() * factors), threads=1)
    alone = seconds(lambda: one(graph).forces)
    return {
        "instruction_set": one.instruction_set,
        "one_us_per_atom": 1e6 * alone / graph.n_centers,
        "energies_of_all": seconds(lambda: together.energies(graph)) / alone,
        "forces_of_all": seconds(lambda: together.sums(graph)) / alone,
    }


def seconds(action: Callable[[], Any]) -> float:
    """The median after a warm-up."""
    action()
    times = []
    for _ in range(REPETITIONS):
        start = time.thread_time()
        action()
        times.append(time.thread_time() - start)
    return float(np.median(times))


if __name__ == "__main__":
    main()
