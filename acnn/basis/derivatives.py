"""Analytic dB/dr_ij of every basis function at once: the rows of force and virial equations.

dB_k = Σ_a (∂B_k/∂A_a) dA_a. The first factor is a sparse linear map of lower-order products
(`acnn.basis.products.differentiate`), the second are directional derivatives of the
embeddings along x, y and z. Their contraction is one dense matrix product per center.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from acnn.arrays import IntArray
from acnn.basis.ace import ACEBasis, Edges, ElementBasis, SparseMap, padded
from acnn.basis.angular import n_harmonics
from acnn.basis.products import ProductTree, differentiate
from acnn.graph import AtomicGraph, subgraph

CHUNK_BYTES = 128 * 2**20


@dataclass(frozen=True)
class PairDerivatives:
    """dB_i/dr_ij of one block of columns.

    Attributes:
        columns: the block.
        pairs: pair indices into the graph, int64 [n].
        values: in 1/Å [n, 3, n_columns].
    """

    columns: slice
    pairs: Tensor
    values: Tensor


class BasisDerivatives:
    """Differentiates an `ACEBasis`; compiled once, used for many graphs."""

    def __init__(self, basis: ACEBasis) -> None:
        self.basis = basis
        self._elements = [
            _ElementDerivatives(basis, block, z) for z, block in enumerate(basis.by_element) if block.n_functions
        ]

    def __call__(self, graph: AtomicGraph) -> Iterator[PairDerivatives]:
        """Yield dB/dr for all pairs of the graph, in blocks of bounded memory."""
        cutoff = self.basis.specification.cutoff
        near, kept = graph.within(cutoff), graph.pairs_within(cutoff)
        bytes_per_center = max((e.bytes_per_center(near) for e in self._elements), default=1)
        max_centers = max(1, CHUNK_BYTES // bytes_per_center)
        for first in range(0, graph.n_centers, max_centers):
            for found in self._many_body(near, first, min(first + max_centers, graph.n_centers)):
                yield PairDerivatives(found.columns, kept[found.pairs], found.values)
        yield from self._pair_part(graph)

    def _many_body(self, graph: AtomicGraph, first: int, last: int) -> Iterator[PairDerivatives]:
        bounds = torch.searchsorted(graph.pair_i, torch.tensor([first, last], device=graph.pair_i.device))
        pairs = slice(*bounds.tolist())
        chunk = subgraph(graph, slice(first, last), pairs)
        edges = self.basis.edges(chunk)
        densities = self.basis.densities(chunk, edges)
        embedding = _EmbeddingDerivatives(self.basis, chunk, edges)
        centers_of = self.basis.centers_of(chunk)
        for element in self._elements:
            centers = centers_of[element.z]
            if len(centers):
                for found in element(chunk, edges, embedding, densities, centers):
                    yield PairDerivatives(found.columns, found.pairs + pairs.start, found.values)

    def _pair_part(self, graph: AtomicGraph) -> Iterator[PairDerivatives]:
        if not self.basis.pair_columns or graph.n_pairs == 0:
            return
        distance = torch.linalg.vector_norm(graph.pair_vectors, dim=1)
        element_i, element_j, kind = self.basis.pair_kinds(graph)
        _, (slopes,) = _slopes(
            lambda r: self.basis.pair_radial(r, element_i, element_j), distance, [torch.ones_like(distance)]
        )
        directions = 0.5 * graph.pair_vectors / distance[:, None]
        for position, columns in enumerate(self.basis.pair_columns.values()):
            pairs = torch.nonzero(kind == position)[:, 0]
            yield PairDerivatives(columns, pairs, directions[pairs, :, None] * slopes[pairs, None, :])


class _EmbeddingDerivatives:
    """R_n, Y_lm and their derivatives along x, y, z for the pairs of a chunk."""

    def __init__(self, basis: ACEBasis, graph: AtomicGraph, edges: Edges) -> None:
        vectors = graph.pair_vectors
        distance = torch.linalg.vector_norm(vectors, dim=1)
        element_i, element_j = edges.element_i, edges.element_j
        self.radial, (d_radial,) = _slopes(
            lambda r: basis.radial(r, element_i, element_j), distance, [torch.ones_like(distance)]
        )
        self.d_radial = (vectors / distance[:, None])[:, :, None] * d_radial[:, None, :]
        axes = [axis.expand_as(vectors) for axis in torch.eye(3).to(vectors)]
        self.harmonics, along = _slopes(basis.harmonics, vectors, axes)
        self.d_harmonics = torch.stack(along, dim=1)

    def densities(self, pairs: Tensor, n: Tensor, lm: Tensor) -> Tensor:
        """Return the derivatives of the density components (n, lm) [n_pairs, 3, n_components]."""
        slope = self.d_radial[pairs][..., n] * self.harmonics[pairs, None][..., lm]
        return slope.addcmul_(self.radial[pairs, None][..., n], self.d_harmonics[pairs][..., lm])


class _ElementDerivatives:
    """The many-body functions of one center element.

    Density components are ordered by the neighbor's element: real parts, then the imaginary parts with m > 0.
    """

    def __init__(self, basis: ACEBasis, block: ElementBasis, z: int) -> None:
        self.basis, self.columns, self.n_functions, self.z = basis, block.columns, block.n_functions, z
        program = differentiate(block.coupled, basis.table)
        self.tree = ProductTree(program.factors).to(basis.numbers.device)
        n_lm = n_harmonics(basis.l_max)
        shape = (basis.table.n_plus, self.n_functions)
        matrices, self._components = [], []
        for neighbor in range(len(basis.elements)):
            of_neighbor = basis.density_z.cpu().numpy() == neighbor
            real = np.flatnonzero(of_neighbor)
            imaginary = np.flatnonzero(of_neighbor & (basis.table.rows[:, 3] > 0))
            matrices += [
                _block_row(program.real, real, shape, 0),
                _block_row(-program.imaginary, imaginary, shape, 1),
            ]
            lm = torch.cat([basis.density_lm[real], basis.density_lm[imaginary] + n_lm])
            self._components.append((torch.cat([basis.density_n[real], basis.density_n[imaginary]]), lm))
        self._matrix = SparseMap(scipy.sparse.vstack(matrices).tocsr()).to(basis.numbers.device)

    def bytes_per_center(self, graph: AtomicGraph) -> int:
        """Estimate the peak: the dense dB/dA twice, and dB/dr of the neighbors three times."""
        neighbors = graph.n_pairs // max(1, graph.n_centers) + 1
        values = 2 * self._matrix.shape[0] + 9 * neighbors * self.n_functions
        return values * graph.pair_vectors.element_size()

    def __call__(
        self,
        graph: AtomicGraph,
        edges: Edges,
        embedding: _EmbeddingDerivatives,
        densities: Tensor,
        centers: Tensor,
    ) -> Iterator[PairDerivatives]:
        by_density = self._by_density(densities[:, centers])
        local = torch.full((graph.n_centers,), -1, dtype=torch.int64, device=centers.device)
        local[centers] = torch.arange(len(centers), device=centers.device)
        start = 0
        for neighbor, (n, lm) in enumerate(self._components):
            weights = by_density[:, start : start + len(n)]
            start += len(n)
            pairs = torch.nonzero((edges.element_i == self.z) & (edges.element_j == neighbor))[:, 0]
            if len(pairs) == 0 or len(n) == 0:
                continue
            slot = local[graph.pair_i[pairs]] * edges.width + edges.slot[pairs] % edges.width
            slopes = embedding.densities(pairs, n, lm)
            slopes = padded(slopes.flatten(1), slot, (len(centers), edges.width))
            slopes = slopes.reshape(len(centers), edges.width * 3, len(n))
            values = (slopes @ weights).reshape(-1, 3, self.n_functions)
            yield PairDerivatives(self.columns, pairs, values[slot])

    def _by_density(self, densities: Tensor) -> Tensor:
        """Return ∂B/∂A by density component [n_centers, n_components, n_functions]."""
        q = torch.cat([torch.ones_like(densities[:1]), *self.tree(densities).values()])
        found = self._matrix.times(torch.cat([q.real, q.imag]))
        return found.T.reshape(densities.shape[1], -1, self.n_functions)


def _block_row(
    matrix: scipy.sparse.csr_array, densities: IntArray, shape: tuple[int, int], part: int
) -> scipy.sparse.csr_array:
    """Return rows of densities that act on the real (part 0) or imaginary (part 1) half of the stacked products."""
    chosen = np.arange(shape[0] * shape[1]).reshape(shape)[densities].reshape(-1)
    rows = matrix[chosen]
    empty = scipy.sparse.csr_array(rows.shape)
    return scipy.sparse.hstack([rows, empty] if part == 0 else [empty, rows]).tocsr()


def _slopes(
    function: Callable[[Tensor], Tensor], primal: Tensor, tangents: list[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    """Return value and directional derivatives of a function that treats rows separately.

    A vector-Jacobian product uᵀJ is linear in u, so differentiating it along a tangent t gives J t: two backward passes
    (torch's forward mode gives the same but takes ten times as long on small structures).
    """
    with torch.enable_grad():
        primal = primal.detach().requires_grad_(True)
        value = function(primal)
        if not value.requires_grad:
            return value, [torch.zeros_like(value) for _ in tangents]
        u = torch.zeros_like(value, requires_grad=True)
        (product,) = torch.autograd.grad(value, primal, u, create_graph=True)
        slopes = [torch.autograd.grad(product, u, t, retain_graph=True)[0] for t in tangents]
    return value.detach(), slopes
