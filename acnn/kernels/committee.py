"""Models that differ only in their coefficients, compiled into one program and evaluated together.

Radial functions, harmonics, densities and their products are computed once for all members. Energies alone then cost
one multiplication per product of densities and member; gradients need adjoints, and their propagation to the pairs, for
every member.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import FloatArray, IntArray
from acnn.basis.ace import ACEBasis, ElementBasis
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import CompiledKernel, PairArrays, element_errors
from acnn.kernels.energy import add_forces
from acnn.kernels.features import Features
from acnn.kernels.loading import n_threads
from acnn.kernels.program import (
    COMPLEX_TILE,
    REAL_TILE,
    Arrays,
    Entries,
    Program,
    element_arrays,
    feature_arrays,
    fold,
    form_entries,
    pair_coefficients,
    scalar_coefficients,
    shared_arrays,
    split_products,
    symmetric,
    tile_arrays,
)
from acnn.kernels.tiles import Tiles, tile

MEMBERS = 8
"""Number of members whose energies are summed together (src/program_views.h)."""
MAX_GRADIENT_BYTES = 2**27
"""Memory for the pair gradients of all members at a time."""


def compile_members(basis: ACEBasis, coefficients: FloatArray) -> Program:
    """Compile the program of several members, without E0 and ZBL.

    Args:
        coefficients: eV [n_members, n_functions].
    """
    arrays = shared_arrays(basis)
    arrays["members"] = np.array([len(coefficients)], dtype=np.int32)
    for z, block in enumerate(basis.by_element):
        folded = [fold(block, c[block.columns]) for c in coefficients]
        own = element_arrays(basis, z)
        own["scalar_coefficients"] = np.stack([scalar_coefficients(basis, block, f) for f in folded])
        own["pair_coefficients"] = np.stack([pair_coefficients(basis, z, c) for c in coefficients])
        own |= _forms(basis, block, {o: np.stack([f[o] for f in folded], axis=1) for o in folded[0] if o >= 2})
        arrays |= {f"{z}.{name}": values for name, values in own.items()}
    return Program("members", basis.elements, float(arrays["cutoffs"].max()), arrays)


def _forms(basis: ACEBasis, block: ElementBasis, folded: dict[int, FloatArray]) -> Arrays:
    """Return features, and M of ½ fᵀ M f for every member, given coefficients of products [n_products, n_members]."""
    kept = {order: np.flatnonzero(values.any(axis=1)) for order, values in folded.items()}
    kept = {order: rows for order, rows in kept.items() if len(rows)}
    found, split = split_products(basis, {o: block.coupled.factors[o][rows] for o, rows in kept.items()})
    n_members = next(iter(folded.values())).shape[1] if folded else 0
    values = np.concatenate([np.zeros((0, n_members)), *(folded[o][rows] for o, rows in kept.items())])
    first = np.cumsum([0, *map(len, kept.values())])
    # Products of all orders are numbered from 1, so that the numbers can carry a sign.
    numbers = [np.arange(a + 1.0, b + 1.0) for a, b in pairwise(first)]
    entries = [form_entries(found, split[o], n) for o, n in zip(kept, numbers, strict=True)]
    own = feature_arrays(found)
    tiles = []
    for k, (name, size) in enumerate((("complex", COMPLEX_TILE), ("real", REAL_TILE))):
        pattern, data = _matrices([e[k] for e in entries], values, found)
        tiles.append(_tiles(pattern, data, size))
        own |= {f"{name}_form.{key}": array for key, array in _upper_half(pattern, data).items()}
    return own | tile_arrays(found, *tiles)


def _matrices(parts: list[Entries], values: FloatArray, found: Features) -> tuple[scipy.sparse.csr_array, FloatArray]:
    """Return the pattern of M (ones), and its values in that order [nnz, n_members]; parts hold signed numbers."""
    pattern = symmetric([(rows, columns, np.ones(len(rows))) for rows, columns, _ in parts], found.n_rows)
    pattern.sort_indices()
    rows, columns, signed = (np.concatenate([np.zeros(0), *(p[k] for p in parts)]) for k in range(3))
    keys = np.concatenate([rows * found.n_rows + columns, columns * found.n_rows + rows])
    place = np.searchsorted(_row_of(pattern) * found.n_rows + pattern.indices, keys)
    number, sign = np.tile(np.abs(signed).astype(np.int64) - 1, 2), np.tile(np.sign(signed), 2)
    gather = scipy.sparse.csr_array((sign, (place, number)), shape=(pattern.nnz, len(values)))
    return pattern, gather @ values


def _row_of(matrix: scipy.sparse.csr_array) -> IntArray:
    """Return the row of every stored value."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))


def _tiles(pattern: scipy.sparse.csr_array, data: FloatArray, size: int) -> Tiles:
    """Make tiles that all members share, and the coefficients of each: [n_members, n, size]."""
    numbered = scipy.sparse.csr_array((np.arange(1.0, pattern.nnz + 1), pattern.indices, pattern.indptr), pattern.shape)
    tiles = tile(numbered, size)
    padded = np.concatenate([np.zeros((1, data.shape[1])), data])
    coefficients = padded[tiles.coefficients.astype(np.int64)]
    return Tiles(tiles.rows, tiles.start, tiles.columns, np.ascontiguousarray(np.moveaxis(coefficients, 2, 0)))


def _upper_half(pattern: scipy.sparse.csr_array, data: FloatArray) -> Arrays:
    """Return rows and values of ½ fᵀ M f = Σ_{a ≤ b} value f_a f_b, the values of `MEMBERS` members side by side."""
    row = _row_of(pattern)
    kept = np.flatnonzero(row <= pattern.indices)
    rows, start = np.unique(row[kept], return_index=True)
    values = data[kept] * np.where(row == pattern.indices, 0.5, 1.0)[kept, None]
    n_groups = -(-data.shape[1] // MEMBERS)
    padded = np.zeros((len(kept), n_groups * MEMBERS))
    padded[:, : data.shape[1]] = values
    return {
        "rows": rows.astype(np.int32),
        "start": np.append(start, len(kept)).astype(np.int32),
        "columns": pattern.indices[kept].astype(np.int32),
        "values": np.ascontiguousarray(np.moveaxis(padded.reshape(len(kept), n_groups, MEMBERS), 1, 0)),
    }


class MembersKernel(CompiledKernel):
    """Energies and pair gradients of all members of a program (`compile_members`)."""

    kind, made_by = "members", "compile_members"

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        super().__init__(program, instruction_set, threads)
        self.n_members = int(program.arrays["members"][0])

    def energies(self, graph: AtomicGraph) -> Tensor:
        """Return site energies in eV [n_members, n_centers], float64."""
        return self._run(graph, None)

    def gradients(self, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """Return site energies, and dE/dr_ij in eV/Å [n_members, n_pairs, 3] in the dtype of the graph."""
        gradients = graph.pair_vectors.new_zeros(self.n_members, graph.n_pairs, 3)
        return self._run(graph, gradients.numpy()), gradients

    def sums(self, graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Return site energies, forces and virials of the members.

        The graph is evaluated in parts, so that memory for pair gradients stays bounded.

        Returns:
            Site energies (eV) [n_members, n_centers], forces (eV/Å) [n_members, n_atoms, 3], virials (eV)
            [n_members, n_structures, 3, 3].
        """
        energies = torch.empty(self.n_members, graph.n_centers, dtype=torch.float64)
        forces = graph.pair_vectors.new_zeros(self.n_members, graph.n_atoms, 3)
        virials = graph.pair_vectors.new_zeros(self.n_members, graph.n_structures, 3, 3)
        bytes_per_pair = 3 * self.n_members * forces.element_size()
        for centers, pairs in graph.center_chunks(MAX_GRADIENT_BYTES // bytes_per_pair, graph.n_centers):
            part = _part(graph, centers, pairs)
            energies[:, centers], gradients = self.gradients(part)
            ends = graph.pair_i[pairs], graph.pair_j[pairs]
            for of_member, gradient in zip(forces, gradients, strict=True):
                add_forces(*ends, gradient, of_member)
            _add_virials(graph.structure[ends[0]], part.pair_vectors, gradients, virials)
        return energies, forces, virials

    def _run(self, graph: AtomicGraph, gradients: NDArray[Any] | None) -> Tensor:
        energies = np.zeros((self.n_members, graph.n_centers))
        with element_errors(self.program.elements):
            self._engine.members(*PairArrays.of(graph), energies, gradients, n_threads(self.threads))
        return torch.from_numpy(energies)


def _part(graph: AtomicGraph, centers: slice, pairs: slice) -> AtomicGraph:
    """Return the graph of some of the centers, followed by all atoms as ghosts."""
    if centers.stop - centers.start == graph.n_centers:
        return graph
    n_centers = centers.stop - centers.start
    return AtomicGraph(
        species=torch.cat([graph.species[centers], graph.species]),
        pair_i=graph.pair_i[pairs] - centers.start,
        pair_j=graph.pair_j[pairs] + n_centers,
        pair_vectors=graph.pair_vectors[pairs],
        structure=torch.cat([graph.structure[centers], graph.structure]),
        n_structures=graph.n_structures,
        n_centers=n_centers,
    )


def _add_virials(structure: Tensor, vectors: Tensor, gradients: Tensor, virials: Tensor) -> None:
    """Add -Σ r_ij ⊗ g_ij of each structure to virials [n_members, n_structures, 3, 3]."""
    counts = torch.bincount(structure, minlength=virials.shape[1]).tolist()
    ends = np.cumsum(counts).tolist()
    for which, (count, end) in enumerate(zip(counts, ends, strict=True)):
        if count:
            virials[:, which] -= vectors[end - count : end].T @ gradients[:, end - count : end]
