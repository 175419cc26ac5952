"""What more elements cost: random solid solutions of 1, 4 and 10 elements, linear and network models.

The lattice, its density and the number of neighbors are the same for all. Times are processor seconds of one thread,
the least of several rounds, in double precision: energies and forces without the search for neighbors.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from evaluator import SHORTEST_SAMPLE

from acnn import atomic_graph
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.models.linear import LinearACE
from acnn.models.model import Model
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification

ELEMENTS = ("Al", "Cr", "Fe", "Co", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")
NUMBERS_OF_ELEMENTS = (1, 4, 10)
CUTOFF = 5.5
LINEAR = {"order 2, degree 8": (2, 8.0), "order 3, degree 6": (3, 6.0)}
MOST_FUNCTIONS = 25_000
"""Larger bases take longer to make than is worth waiting for."""
LAYERS = {"network": 0, "attention": 1}


def alloys(quick: bool, rounds: int) -> list[dict[str, Any]]:
    """Measure every model on an alloy of its elements."""
    rows = []
    for n in NUMBERS_OF_ELEMENTS:
        graph = atomic_graph(solution(ELEMENTS[:n], 3 if quick else 5), CUTOFF)
        for name, n_functions, model in models(ELEMENTS[:n]):
            microseconds = 1e6 * least_seconds(model, graph, rounds) / graph.n_centers
            row = {"model": name, "elements": n, "functions": n_functions, "us_per_atom": microseconds}
            rows.append(row | {"neighbors": graph.n_pairs / graph.n_centers})
    return rows


def models(elements: tuple[str, ...]) -> Iterator[tuple[str, int, Model]]:
    """Yield linear models with random coefficients, and networks of the default size on a pair part."""
    energies = dict.fromkeys(elements, 0.0)
    for name, (order, degree) in LINEAR.items():
        basis = BasisSpecification(elements=elements, order=order, degree=degree, cutoff=CUTOFF)
        if basis.n_functions <= MOST_FUNCTIONS:
            coefficients = torch.as_tensor(np.random.default_rng(0).normal(size=basis.n_functions))
            yield name, basis.n_functions, LinearACE(basis, energies, coefficients)
    pairs = BasisSpecification(elements=elements, order=1, degree=8.0, cutoff=CUTOFF)
    for name, layers in LAYERS.items():
        network = NetworkSpecification(elements=elements, cutoff=CUTOFF, layers=layers)
        yield name, pairs.n_functions, NetworkACE(network, LinearACE(pairs, energies))


def solution(elements: tuple[str, ...], cells: int) -> Atoms:
    rng = np.random.default_rng(1)
    atoms = bulk("Ni", a=3.7, cubic=True) * cells
    atoms.symbols = rng.choice(elements, size=len(atoms))
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    return atoms


def least_seconds(model: Model, graph: AtomicGraph, rounds: int) -> float:
    def once(calls: int) -> float:
        start = time.process_time()
        for _ in range(calls):
            model.pair_gradients(graph, "cpu").forces  # noqa: B018
        return (time.process_time() - start) / calls

    once(1)  # compiles the model
    calls = max(1, round(SHORTEST_SAMPLE / once(1)))
    return min(once(calls) for _ in range(rounds))
