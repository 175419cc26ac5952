"""The kernel's cost model against measured times: energy and forces of 500-atom crystals, one thread.

The model is calibrated on a few small programs (acnn/kernels/calibration.py), none of which is among these. Times are
of the thread's processor, the least of several runs, so that a busy machine disturbs them little.

    python benchmarks/cost_model.py --json benchmarks/results/cost_model.json
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from ase.build import bulk
from fitting import add_arguments, print_rows, write_rows

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.kernels.calibration import cost_model, measured_microseconds
from acnn.kernels.cost import Surroundings
from acnn.kernels.program import Program, compile_energy
from acnn.neighbors import atomic_graph

CASES: tuple[tuple[int, int, float | tuple[float, ...], float, float], ...] = (
    (1, 1, 10.0, 1.5, 5.0),
    (1, 2, 10.0, 1.5, 6.0),
    (1, 2, 16.0, 1.0, 7.5),
    (1, 3, 10.0, 1.5, 4.0),
    (1, 3, 14.0, 1.5, 5.5),
    (1, 3, 18.0, 1.5, 5.5),
    (1, 4, (15.0, 15.0, 10.0, 8.0), 1.0, 5.5),
    (1, 4, (20.0, 20.0, 14.0, 10.0), 1.0, 5.5),
    (2, 2, 8.0, 1.5, 6.5),
    (2, 3, 10.0, 1.5, 4.0),
    (2, 4, (9.0, 9.0, 8.0, 7.0), 1.5, 5.5),
    (3, 3, 8.0, 1.5, 5.0),
    (4, 2, 8.0, 1.5, 5.0),
    (4, 3, 6.0, 1.5, 6.0),
)
"""Elements, order, total degrees, w_L, cutoff."""
ELEMENTS = ("Al", "Cu", "Ag", "Au")
RUNS, PASSES = 10, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    arguments = parser.parse_args()
    prepared = [prepare(*case) for case in (CASES[:1] if arguments.quick else CASES)]
    times = np.array([[measured_microseconds(p, g, RUNS) for _, p, g in prepared] for _ in range(PASSES)]).min(axis=0)
    rows = [
        row | {"us_per_atom": time, "ratio": row["predicted_us_per_atom"] / time}
        for (row, _, _), time in zip(prepared, times.tolist(), strict=True)
    ]
    print_rows(rows)
    write_rows(arguments.json, rows)


def prepare(
    n_elements: int, order: int, degree: float | tuple[float, ...], wl: float, cutoff: float
) -> tuple[dict[str, Any], Program, AtomicGraph]:
    elements, rng = ELEMENTS[:n_elements], np.random.default_rng(5)
    basis = ACEBasis(BasisSpecification(elements=elements, order=order, degree=degree, wl=wl, cutoff=cutoff))
    program = compile_energy(basis, rng.normal(size=basis.n_functions), dict.fromkeys(elements, 0.0))
    graph = crystal(elements, cutoff, rng)
    predicted = cost_model()(program, Surroundings.of(graph, elements, cutoff, cutoff))
    row = {
        "elements": n_elements,
        "order": order,
        "degree": ", ".join(f"{d:g}" for d in degree) if isinstance(degree, tuple) else f"{degree:g}",
        "wl": wl,
        "cutoff_A": cutoff,
        "neighbors": graph.n_pairs / graph.n_atoms,
        "functions": basis.n_functions,
        "predicted_us_per_atom": predicted,
    }
    return row, program, graph


def crystal(elements: tuple[str, ...], cutoff: float, rng: np.random.Generator) -> AtomicGraph:
    """500 atoms, face-centered cubic, in disorder."""
    atoms = bulk("Al", cubic=True, a=4.0) * (5, 5, 5)
    atoms.symbols[:] = rng.choice(list(elements), len(atoms)).tolist()
    atoms.positions += rng.normal(scale=0.15, size=atoms.positions.shape)
    return atomic_graph(atoms, cutoff)


if __name__ == "__main__":
    main()
