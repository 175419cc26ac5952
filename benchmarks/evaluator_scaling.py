"""Time and memory per atom against the number of atoms: rattled silicon, one and two threads, double precision.

Two models: order 3 with 383 functions up to 10⁵ atoms (10⁶ if asked), and the one of the comparison, order 4 with
5456, up to 10⁴. Every size runs in a process of its own, which gets the compiled model. Its peak memory is counted from
before there is a large structure: "list" is the peak of the search for neighbors, graph included, "peak" that of
everything, the evaluation included. "graph" is what the graph and the results themselves take. Where "list" equals
"peak", the search limits how many atoms fit in memory.
"""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from ase.build import bulk
from evaluator_cases import CASES, RATTLE, SMALLER

from acnn import atomic_graph
from acnn.fit.job import peak_bytes
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.program import Program

THREADS = (1, 2)
CELLS = {10**2: (2, 2, 3), 10**3: (5, 5, 5), 10**4: (11, 11, 10), 10**5: (23, 23, 24), 10**6: (50, 50, 50)}
"""Cubic cells of eight atoms for about this many atoms."""
MODELS = {"Si order 3": (SMALLER, 10**5), "Si": (CASES["Si"], 10**4)}
"""Models and the number of atoms up to which they are measured."""


def scaling(quick: bool, large: bool, isa: str) -> list[dict[str, Any]]:
    """Rows by model, threads and number of atoms."""
    rows = []
    # This process stays small: the peak of a new one starts at the size of the one that made it.
    pool = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)
    with tempfile.TemporaryDirectory() as scratch, pool:
        for name, (_, most) in MODELS.items():
            limit = 10**3 if quick else 10**6 if large and most == 10**5 else most
            program = Path(scratch) / "program"
            pool.apply(compile_model, (name, program))
            for size in (size for size in CELLS if size <= limit):
                rows += [pool.apply(measure, (name, program, size, threads, isa)) for threads in THREADS]
    return rows


def compile_model(name: str, path: Path) -> None:
    path.write_bytes(MODELS[name][0].model().program().to_bytes())


def measure(name: str, path: Path, size: int, threads: int, isa: str) -> dict[str, Any]:
    """One model, size and number of threads, in this process."""
    torch.set_num_threads(threads)
    program = Program.from_bytes(path.read_bytes())
    kernel = EnergyKernel(program, isa, threads)
    small = bulk("Si", a=5.43, cubic=True)
    kernel(atomic_graph(small, program.cutoff)).forces  # noqa: B018
    atoms = small * CELLS[size]
    atoms.rattle(RATTLE, seed=1)
    idle = peak_bytes()
    start = time.perf_counter()
    graph = atomic_graph(atoms, program.cutoff)
    list_seconds, list_peak = time.perf_counter() - start, peak_bytes()
    samples: list[float] = []
    while len(samples) < 3 or (sum(samples) < 1.0 and len(samples) < 25):
        start = time.perf_counter()
        found = kernel(graph)
        forces = found.forces
        samples.append(time.perf_counter() - start)
    peak = peak_bytes()
    kept = (graph.species, graph.pair_i, graph.pair_j, graph.pair_vectors, found.pair_gradients, forces)
    n = len(atoms)
    return {
        "model": name,
        "evaluator": "acnn",
        "dtype": "float64",
        "isa": isa,
        "threads": threads,
        "natoms": n,
        "neighbors": graph.n_pairs / n,
        "us_per_atom": 1e6 * statistics.median(samples) / n,
        "list_us_per_atom": 1e6 * list_seconds / n,
        "peak_bytes_per_atom": (peak - idle) / n,
        "list_peak_bytes_per_atom": (list_peak - idle) / n,
        "graph_bytes_per_atom": sum(a.numel() * a.element_size() for a in kept) / n,
        "workspace_bytes": kernel.workspace_bytes,
        "peak_MiB": peak / 2**20,
    }
