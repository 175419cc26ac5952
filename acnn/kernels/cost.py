"""The time that a program takes in the compiled kernel, from how much there is to do.

Energy and forces of an atom take Σ_k a_k N_k µs on one core. The counts N_k (`COUNTS`) follow from the arrays of the
program and from the neighbors of the atoms, so that a model need not run to be compared with others; the a_k ≥ 0 belong
to a machine (`acnn.kernels.calibration`). The kernel evaluates several atoms at once, one in each lane of a vector, and
takes as many slots for neighbors as the atom with most of them needs: counts are of vector operations per atom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers

from acnn.arrays import FloatArray, IntArray
from acnn.graph import AtomicGraph
from acnn.kernels.features import COMPLEX_COMPLEX, COMPLEX_CONJUGATE, REAL_COMPLEX, REAL_REAL
from acnn.kernels.loading import instruction_sets
from acnn.kernels.program import Arrays, Program

COUNTS = {
    "batches": "groups of atoms that are evaluated together",
    "pairs": "pairs of atoms",
    "slots": "places for neighbors in reach",
    "near slots": "those inside the cutoff of the densities",
    "radial": "slots times radial functions",
    "harmonics": "near slots times (l, m)",
    "densities": "near slots times densities",
    "products": "multiplications in products of densities",
    "terms": "coefficients of the quadratic form, with the zeros inside of tiles",
    "rows": "rows of densities, products and tiles",
}
"""What the kernel does, and what is counted."""
MULTIPLICATIONS = {REAL_REAL: 1, REAL_COMPLEX: 2, COMPLEX_COMPLEX: 4, COMPLEX_CONJUGATE: 4}
LANES = {"x86-64-v4": 8, "x86-64-v3": 4}
"""Numbers in double precision that a vector holds, by instruction set; otherwise two."""
SORTED_SEGMENTS = 5
"""Kinds of neighbors by whose numbers the kernel sorts atoms."""


@dataclass(frozen=True)
class Surroundings:
    """The atoms of a structure, or of several, as the kernel divides them into batches.

    Attributes:
        batches: by element of the center, per atom of the structure [n_elements].
        near: slots of neighbors inside the cutoff of the densities, by elements of center and neighbor, summed over the
            batches, per atom [n_elements, n_elements].
        far: slots of those that only the pair part reaches.
        pairs: pairs in reach per atom.
    """

    batches: FloatArray
    near: FloatArray
    far: FloatArray
    pairs: float

    @classmethod
    def of(
        cls, graph: AtomicGraph, elements: tuple[str, ...], cutoff: float, pair_cutoff: float, lanes: int | None = None
    ) -> Surroundings:
        """Count for a graph without ghosts whose pairs reach as far as both cutoffs (Å)."""
        n, width = len(elements), lanes or lanes_here()
        counts, element = _neighbors(graph, elements, cutoff, pair_cutoff)
        batches, slots = np.zeros(n), np.zeros((n, 2 * n))
        for z in range(n):
            largest = _batched(counts[element == z], width)
            batches[z], slots[z] = len(largest), largest.sum(axis=0)
        per_atom = 1 / max(graph.n_atoms, 1)
        return cls(batches * per_atom, slots[:, :n] * per_atom, slots[:, n:] * per_atom, counts.sum() * per_atom)


def lanes_here() -> int:
    """Return how many atoms the kernel evaluates at once on this machine, or would with AVX2 if it was not compiled."""
    return LANES.get(next(iter(instruction_sets()), "x86-64-v3"), 2)


def _neighbors(
    graph: AtomicGraph, elements: tuple[str, ...], cutoff: float, pair_cutoff: float
) -> tuple[IntArray, IntArray]:
    """Return the neighbors of each atom by element, near and then far [n_atoms, 2 n_elements], and its own element."""
    n = len(elements)
    element = np.searchsorted([atomic_numbers[e] for e in elements], graph.species.numpy())
    r = np.linalg.norm(graph.pair_vectors.numpy(), axis=1)
    kind = element[graph.pair_j.numpy()] + np.where(r < cutoff, 0, n)
    place = (graph.pair_i.numpy() * 2 * n + kind)[r < max(cutoff, pair_cutoff)]
    return np.bincount(place, minlength=graph.n_atoms * 2 * n).reshape(-1, 2 * n), element


def _batched(counts: IntArray, width: int) -> IntArray:
    """Return the slots of every batch of the atoms with these neighbors [n_batches, 2 n_elements]."""
    order = np.lexsort(counts[:, :SORTED_SEGMENTS].T[::-1])[::-1]
    return np.maximum.reduceat(counts[order], np.arange(0, len(counts), width), axis=0) if len(counts) else counts


def counts(program: Program, around: Surroundings) -> FloatArray:
    """Return the `COUNTS` per atom of an energy program."""
    total = {name: 0.0 for name in COUNTS} | {"pairs": around.pairs}
    for z in range(len(program.elements)):
        own = {name: program.arrays[f"{z}.{name}"] for name in OWN}
        for name, count in _of_slots(program.arrays["sizes"], own, around.near[z], around.far[z]).items():
            total[name] += count
        for name, count in _of_batches(own).items():
            total[name] += around.batches[z] * count
    return np.array(list(total.values()))


OWN = ("blocks", "n_radial", "n_rows", "groups", "complex.coefficients", "real.coefficients", "complex.rows")
"""Arrays of a center element that are counted."""


def _of_slots(sizes: IntArray, own: Arrays, near: FloatArray, far: FloatArray) -> Mapping[str, float]:
    """Count what happens in every slot; near and far [n_elements] are those of one element of the center."""
    _, l_max, _, n_scalar, n_pair = sizes.tolist()
    neighbor, l, n, _ = own["blocks"].reshape(-1, 4).T
    densities = np.bincount(neighbor, weights=n * (2 * l + 1), minlength=len(near))
    seen = float(near[own["n_radial"] > 0].sum())
    slots = float(near.sum() + far.sum())
    return {
        "slots": slots,
        "near slots": seen,
        "radial": float(near @ np.maximum(own["n_radial"], n_scalar)) + slots * n_pair,
        "harmonics": seen * (l_max + 1) ** 2,
        "densities": float(near @ densities),
    }


def _of_batches(own: Arrays) -> Mapping[str, float]:
    """Count what happens once for a batch."""
    terms = 2 * own["complex.coefficients"].size + own["real.coefficients"].size
    return {
        "batches": 1,
        "products": sum(MULTIPLICATIONS[kind] * (end - first) for kind, first, end in own["groups"].tolist()),
        "terms": terms,
        "rows": int(own["n_rows"][0]),
    }


@dataclass(frozen=True)
class CostModel:
    """The time of each count on a machine.

    Attributes:
        microseconds: a_k of the `COUNTS`, µs.
        measured: the processor was timed; otherwise the numbers are those of a typical one.
    """

    microseconds: FloatArray
    measured: bool = True

    def __call__(self, program: Program, around: Surroundings) -> float:
        """Return µs per atom and core of energy and forces."""
        return float(self.microseconds @ counts(program, around))
