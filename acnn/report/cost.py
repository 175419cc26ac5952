"""The cost of an evaluation on this machine, measured on the data."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch

from acnn.graph import batch
from acnn.kernels.energy import KernelGradients
from acnn.kernels.loading import instruction_sets, n_threads
from acnn.neighbors import atomic_graph
from acnn.potential import Potential

ATOMS = 2000
"""At least this many atoms of the data are timed, or all there are."""
REPETITIONS = 5
SECONDS = 2.0
"""Seconds after which no further repetition starts."""


@dataclass(frozen=True)
class Cost:
    """Times per atom, medians of several runs.

    Attributes:
        evaluation: energies and forces, µs/atom.
        neighbor_search: µs/atom.
        n_structures, n_atoms: what was timed.
        neighbors: mean number of neighbors inside the cutoff.
        kernel: kernel and precision that computed it.
        threads: number of threads.
        machine: processor architecture and system.
    """

    evaluation: float
    neighbor_search: float
    n_structures: int
    n_atoms: int
    neighbors: float
    kernel: str
    threads: int
    machine: str


def measure_cost(potential: Potential, structures: Sequence[ase.Atoms], kernel: str | None = None) -> Cost:
    """Time a potential (on the CPU in float64) on structures spread over the data, evaluated together."""
    chosen = _spread(structures)
    graph = batch([atomic_graph(atoms, potential.cutoff) for atoms in chosen])
    found = potential.pair_gradients(graph, kernel)  # warms up, and shows which kernel computes
    compiled = isinstance(found, KernelGradients)
    per_atom = 1e6 / graph.n_atoms
    return Cost(
        evaluation=per_atom * _median(lambda: potential.pair_gradients(graph, kernel).forces),
        neighbor_search=per_atom * _median(lambda: [atomic_graph(atoms, potential.cutoff) for atoms in chosen]),
        n_structures=len(chosen),
        n_atoms=graph.n_atoms,
        neighbors=graph.n_pairs / graph.n_atoms,
        kernel=f"compiled, {instruction_sets()[0]}, double precision" if compiled else "torch, double precision",
        threads=n_threads() if compiled else torch.get_num_threads(),
        machine=f"{platform.machine()}, {platform.system()}",
    )


def _spread(structures: Sequence[ase.Atoms]) -> list[ase.Atoms]:
    """Return structures from all over the data, with about `ATOMS` atoms in total."""
    order = np.random.default_rng(0).permutation(len(structures))
    totals = np.cumsum([len(structures[k]) for k in order])
    return [structures[k] for k in order[: int(np.searchsorted(totals, ATOMS)) + 1]]


def _median(work: Callable[[], object]) -> float:
    """Seconds."""
    times: list[float] = []
    while len(times) < REPETITIONS and sum(times) < SECONDS:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return float(np.median(times))
