"""The cost of candidate models on the data at hand, by the kernel's cost model: nothing is evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.fit.candidates import columns_of, covering
from acnn.graph import AtomicGraph, batch
from acnn.kernels.calibration import cost_model
from acnn.kernels.cost import Surroundings
from acnn.kernels.program import Program, compile_energy
from acnn.neighbors import atomic_graph

ATOMS = 500
"""At least this many atoms of the data are counted, or all there are."""


def typical_atoms(structures: Sequence[LabeledStructure], cutoff: float) -> AtomicGraph:
    """Return structures from all over the data, together some hundreds of atoms, with pairs up to a cutoff (Å)."""
    order = np.random.default_rng(0).permutation(len(structures))
    totals = np.cumsum([len(structures[k]) for k in order])
    chosen = order[: int(np.searchsorted(totals, ATOMS)) + 1]
    return batch([atomic_graph(structures[k].atoms, cutoff) for k in chosen])


def programs_of(specifications: Sequence[BasisSpecification]) -> list[Program]:
    """Return the programs of models with these bases, which differ in orders and degrees, and any coefficients."""
    large = covering(specifications)
    basis, rng = ACEBasis(large), np.random.default_rng(0)
    programs = []
    for specification in specifications:
        coefficients = np.zeros(basis.n_functions)
        columns = columns_of(specification, large)
        coefficients[columns] = rng.uniform(0.5, 1.5, len(columns))
        programs.append(compile_energy(basis, coefficients, dict.fromkeys(large.elements, 0.0)))
    return programs


def microseconds(
    programs: Sequence[Program], specification: BasisSpecification, structures: Sequence[LabeledStructure]
) -> list[float]:
    """Return µs per atom and core of programs with the elements and cutoffs of a specification."""
    around, cost = surroundings(typical_atoms(structures, specification.largest_cutoff), specification), cost_model()
    return [cost(program, around) for program in programs]


def surroundings(graph: AtomicGraph, specification: BasisSpecification) -> Surroundings:
    """Return the neighbors in a graph as the kernel sees them with the elements and cutoffs of a specification."""
    pair_cutoff = specification.pair_cutoff or specification.cutoff
    return Surroundings.of(graph, specification.elements, specification.cutoff, pair_cutoff)
