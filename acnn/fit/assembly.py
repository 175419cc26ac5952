"""Rows of the least-squares problem: energies, forces and virials as linear functions of the coefficients.

E  = E_fixed + Σ_i B_i · c
F_i = F_fixed + Σ_j (dB_i/dr_ij - dB_j/dr_ji) · c
W  = W_fixed - Σ_ij r_ij ⊗ dB_i/dr_ij · c + 1 Σ_z N_z w_z

with constants w of elements that only labels of virials may contain (`acnn.fit.virial_offset`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.basis.ace import ACEBasis
from acnn.basis.derivatives import BasisDerivatives, PairDerivatives
from acnn.conventions import VOIGT_COLUMNS, VOIGT_ROWS
from acnn.data.dataset import LabeledStructure
from acnn.data.equations import equations_of
from acnn.fit.virial_offset import counts_of
from acnn.graph import AtomicGraph, subgraph
from acnn.kernels.basis import BasisKernel, Rows
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import n_threads, uses_compiled_kernel
from acnn.models.linear import FixedTerms, LinearACE
from acnn.neighbors import atomic_graph

MAX_PAIRS, MAX_CENTERS = 5_000, 500
"""Limits of a chunk of energy rows."""

RowSource = Callable[[AtomicGraph, bool], Rows]
"""Compute the rows of one structure; those of forces and virial only on request, since energies are much cheaper."""


def row_source(basis: ACEBasis, kernel: str | None = None) -> RowSource:
    """Return the source of rows: the compiled kernel or torch (see `acnn.kernels.loading`)."""
    if uses_compiled_kernel(kernel):
        compiled = BasisKernel(compile_basis(basis))
        return lambda graph, gradients: kernel_rows(compiled, graph, gradients)
    derivatives = BasisDerivatives(basis)
    return lambda graph, gradients: structure_rows(basis, derivatives if gradients else None, graph)


def kernel_rows(compiled: BasisKernel, graph: AtomicGraph, gradients: bool) -> Rows:
    """Compute the same as `structure_rows` with the compiled kernel."""
    if gradients:
        return compiled.rows(graph)
    energy = np.zeros(compiled.n_functions)
    for centers, pairs in graph.center_chunks(MAX_PAIRS, MAX_CENTERS):
        energy += compiled.values(subgraph(graph, centers, pairs)).sum(dim=0).numpy()
    return Rows(energy, None, None)


def structure_rows(basis: ACEBasis, derivatives: BasisDerivatives | None, graph: AtomicGraph) -> Rows:
    """Compute all rows of one structure; energies alone, without ``derivatives``, are much cheaper."""
    with torch.no_grad():
        energy = torch.zeros(basis.n_functions, dtype=graph.pair_vectors.dtype)
        for centers, pairs in graph.center_chunks(MAX_PAIRS, MAX_CENTERS):
            energy += basis(subgraph(graph, centers, pairs)).sum(dim=1)
        if derivatives is None:
            return Rows(energy.numpy(), None, None)
        gradients = _Gradients(graph)
        for found in derivatives(graph) if graph.n_pairs else ():
            gradients.add(found)
        return Rows(energy.numpy(), *gradients.rows(basis.n_functions))


class _Gradients:
    """Sums pair derivatives into force and virial rows, one contiguous array per block of columns."""

    def __init__(self, graph: AtomicGraph) -> None:
        self.graph = graph
        self.forces: dict[tuple[int, int], Tensor] = {}
        self.virial: dict[tuple[int, int], Tensor] = {}

    def add(self, found: PairDerivatives) -> None:
        """Add the derivatives of one block of columns."""
        key, n_columns = (found.columns.start, found.columns.stop), found.values.shape[2]
        if key not in self.forces:
            self.forces[key] = found.values.new_zeros(self.graph.n_atoms, 3, n_columns)
            self.virial[key] = found.values.new_zeros(3, 3, n_columns)
        self.forces[key].index_add_(0, self.graph.pair_i[found.pairs], found.values)
        self.forces[key].index_add_(0, self.graph.pair_j[found.pairs], found.values, alpha=-1)
        vectors = self.graph.pair_vectors[found.pairs]
        self.virial[key] -= (vectors.T @ found.values.flatten(1)).reshape(3, 3, n_columns)

    def rows(self, n_functions: int) -> tuple[FloatArray, FloatArray]:
        """Return the rows of forces [3 n_atoms, n_functions] and of the virial [6, n_functions]."""
        forces, virial = np.zeros((self.graph.n_atoms, 3, n_functions)), np.zeros((3, 3, n_functions))
        for (start, stop), block in self.forces.items():
            forces[:, :, start:stop] = block.numpy()
            virial[:, :, start:stop] = self.virial[start, stop].numpy()
        voigt = 0.5 * (virial + virial.transpose(1, 0, 2))[list(VOIGT_ROWS), list(VOIGT_COLUMNS)]
        return forces.reshape(-1, n_functions), voigt


class Assembler:
    """Weighted rows and targets of labeled structures, for a model whose fixed terms are subtracted.

    Args:
        kernel: "cpu", "torch" or "auto"; None takes ``ACNN_KERNEL``.
        keep_zero_rows: keep rows of zeros, so that bases of different cutoffs have the same number of equations.
    """

    def __init__(self, model: LinearACE, kernel: str | None = None, *, keep_zero_rows: bool = False) -> None:
        self.model, self.keep_zero_rows = model, keep_zero_rows
        self.rows = row_source(model.basis, kernel)
        self.n_columns = model.basis.n_functions + len(model.elements)
        # torch runs its own threads.
        self._n_threads = n_threads() if uses_compiled_kernel(kernel) else 1

    def each(self, structures: Sequence[LabeledStructure]) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield rows and targets of all structures in order, computing a few of them ahead in other threads."""
        if self._n_threads == 1:
            yield from map(self, structures)
            return
        ahead: deque[Future[tuple[FloatArray, FloatArray]]] = deque()
        with ThreadPoolExecutor(self._n_threads) as pool:
            try:
                for structure in structures:
                    ahead.append(pool.submit(self, structure))
                    if len(ahead) > self._n_threads:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()

    def __call__(self, structure: LabeledStructure) -> tuple[FloatArray, FloatArray]:
        """Return rows [n, p + n_elements] and targets [n]: weight · (label - fixed part).

        Those of energies and virials are also over √n_atoms. The last columns are those of the constants of virials.
        Rows of zeros, those of an isolated atom, are left out: no coefficient changes them, and a label that differs
        from E0 would make the evidence overestimate the noise.
        """
        graph = atomic_graph(structure.atoms, self.model.cutoff)
        labeled = list(equations_of(structure, *self._fixed_part(graph)))
        rows = self.rows(graph, any(of.quantity != "energy" for of in labeled))
        parts: list[tuple[FloatArray, FloatArray]] = []
        constants = np.zeros((6, len(self.model.elements)))
        for quantity, weight, values in labeled:
            of_quantity: FloatArray = getattr(rows, quantity)
            parts.append((weight * np.atleast_2d(of_quantity), weight * values))
            if quantity == "virial":
                constants[:3] = weight * counts_of(structure.atoms, self.model.elements)
        if not parts:
            return np.zeros((0, self.n_columns)), np.zeros(0)
        targets, p = np.concatenate([y for _, y in parts]), len(rows.energy)
        equations = np.zeros((len(targets), self.n_columns))
        np.concatenate([a for a, _ in parts], out=equations[:, :p])
        if constants.any():
            equations[-6:, p:] = constants
        if self.keep_zero_rows:
            return equations, targets
        kept = equations[:, :p].any(axis=1)
        return equations[kept], targets[kept]

    def _fixed_part(self, graph: AtomicGraph) -> tuple[float, FloatArray, FloatArray]:
        fixed = FixedTerms(self.model).pair_gradients(graph)
        return float(fixed.energies[0]), fixed.forces.numpy(), fixed.virials[0].numpy()
