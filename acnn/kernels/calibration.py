"""The speed of this machine for `acnn.kernels.cost`: a few small programs are timed, once in a process.

Each stage of the kernel depends on a few counts only, so their times are fitted stage by stage.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
from ase.build import bulk

from acnn.arrays import FloatArray
from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.kernels.cost import COUNTS, CostModel, Surroundings, counts
from acnn.kernels.energy import STAGES, EnergyKernel
from acnn.kernels.loading import instruction_sets
from acnn.kernels.program import Program, compile_energy
from acnn.neighbors import atomic_graph

ELEMENTS = ("Al", "Cu", "Ag")
OF_STAGES = {
    "densities": ("batches", "slots", "near slots", "radial", "harmonics", "densities", "rows"),
    "products": ("batches", "products"),
    "quadratic form": ("batches", "terms", "rows"),
    "adjoints of products": ("batches", "products"),
    "pair gradients": ("batches", "slots", "near slots", "harmonics", "densities"),
    "outside of stages": ("batches", "pairs", "slots"),
}
"""The counts on which the time of each stage depends."""
ROUNDS = 60
TYPICAL = {
    "batches": 1.25,
    "pairs": 0.011,
    "slots": 0.038,
    "near slots": 0.025,
    "radial": 0.002,
    "harmonics": 0.0065,
    "densities": 0.0004,
    "products": 0.0023,
    "terms": 0.00023,
    "rows": 0.00115,
}
"""µs, with AVX2, for an acnn without its compiled kernel."""


class Case(NamedTuple):
    """A program to time: number of elements, order, total degrees, w_L, and cutoff in Å."""

    n_elements: int
    order: int
    degree: float | tuple[float, ...]
    wl: float
    cutoff: float


CASES = (
    Case(1, 1, 4.0, 1.5, 4.0),
    Case(1, 1, 20.0, 1.5, 7.0),
    Case(1, 2, 16.0, 1.0, 5.0),
    Case(1, 2, 14.0, 4.0, 6.5),
    Case(1, 3, 14.0, 1.5, 4.0),
    Case(1, 4, (12.0, 12.0, 10.0, 9.0), 1.0, 4.0),
    Case(2, 2, 11.0, 1.5, 5.5),
    Case(2, 3, 8.0, 1.5, 4.5),
    Case(3, 3, 6.0, 1.5, 5.5),
)


def cost_model() -> CostModel:
    """Return the speed of this machine, or a typical one where acnn has no compiled kernel."""
    return calibrated() if instruction_sets() else CostModel(np.array([TYPICAL[name] for name in COUNTS]), False)


def require_calibrated(what: str) -> None:
    """Require the compiled kernel, without which times are not those of this machine.

    Args:
        what: what needs it, the beginning of the message.
    """
    if not instruction_sets():
        raise ValueError(
            f"{what} with the compiled kernel, without which this acnn was installed: install a C++ compiler and "
            "reinstall acnn, or give a number of functions"
        )


@functools.cache
def calibrated() -> CostModel:
    """Measure this machine; it takes about a second."""
    rows, kernels, graphs = zip(*map(_prepared, CASES), strict=True)
    return CostModel(fitted(np.array(rows), stage_microseconds(kernels, graphs)))


def fitted(rows: FloatArray, times: FloatArray) -> FloatArray:
    """Return the time of each count ≥ 0, from counts [n, n_counts] and times of all stages [n, n_stages]."""
    total, names = np.zeros(len(COUNTS)), list(COUNTS)
    for stage, seconds in zip(OF_STAGES, times.T, strict=True):
        columns = [names.index(name) for name in OF_STAGES[stage]]
        weight = 1 / (seconds + 0.01 * times.sum(axis=1))
        total[columns] += scipy.optimize.nnls(rows[:, columns] * weight[:, None], seconds * weight)[0]
    return total


def _prepared(case: Case) -> tuple[FloatArray, EnergyKernel, AtomicGraph]:
    """Return counts per atom of a case, and what to time."""
    elements = ELEMENTS[: case.n_elements]
    shape = {"elements": elements, "order": case.order, "degree": case.degree, "wl": case.wl, "cutoff": case.cutoff}
    basis = ACEBasis(BasisSpecification.model_validate(shape))
    coefficients = np.random.default_rng(0).normal(size=basis.n_functions)
    program = compile_energy(basis, coefficients, dict.fromkeys(elements, 0.0))
    graph = crystal(elements, case.cutoff)
    around = Surroundings.of(graph, elements, case.cutoff, case.cutoff)
    return counts(program, around), EnergyKernel(program, threads=1), graph


def crystal(elements: Sequence[str], cutoff: float) -> AtomicGraph:
    """Return a face-centered cubic crystal of 256 atoms in disorder."""
    rng = np.random.default_rng(1)
    atoms = bulk("Cu", cubic=True, a=3.9) * (4, 4, 4)
    atoms.symbols[:] = rng.choice(list(elements), len(atoms)).tolist()
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    return atomic_graph(atoms, cutoff)


def stage_microseconds(
    kernels: Sequence[EnergyKernel], graphs: Sequence[AtomicGraph], rounds: int = ROUNDS
) -> FloatArray:
    """Return µs per atom of every stage, and of what is outside of them [n_kernels, n_stages + 1].

    Each is the least of several rounds through all kernels, so that what else the machine does for some time disturbs
    them little. What is outside is the processor time of the thread without the stages of that run.
    """
    times = np.full((rounds, len(kernels), len(STAGES) + 1), np.inf)
    for of_round in times:
        for row, kernel, graph in zip(of_round, kernels, graphs, strict=True):
            stages, start = np.zeros(len(STAGES)), time.thread_time()
            kernel(graph, stages).forces  # noqa: B018
            row[:] = *stages, time.thread_time() - start - stages.sum()
    times[..., -1] = np.where(times[..., -1] > 0, times[..., -1], np.inf)  # disturbed during a stage
    least = times.min(axis=0)
    least[np.isinf(least)] = 0.0
    return 1e6 * least / np.array([[graph.n_atoms] for graph in graphs])


def measured_microseconds(program: Program, graph: AtomicGraph, rounds: int = 20) -> float:
    """Return µs per atom of energy and forces, of the processor of one thread, the least of several runs."""
    kernel, times = EnergyKernel(program, threads=1), []
    for _ in range(1 + rounds):
        start = time.thread_time()
        kernel(graph).forces  # noqa: B018
        times.append(time.thread_time() - start)
    return 1e6 * min(times[1:]) / graph.n_atoms
