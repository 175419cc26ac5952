"""The embedding of network models (defined in `acnn.models.embedding`) in the compiled kernel, differentiable.

With theta, all tables in one vector, and descriptors D(theta, r):

    D                                              values
    g_p = Σ_d v_d ∂D_d/∂r_p ,  v · ∂D/∂theta        vjp, the derivatives of D
    ∂D/∂r · u ,  ∂/∂theta Σ_p u_p · g_p             dual, the derivatives of g with respect to v and theta

which is all that training on energies and forces needs. Positions are differentiated once: g has no derivatives with
respect to vectors, and requesting them is an error. Name the inputs of a backward pass, as in
``loss.backward(inputs=parameters)``, so that nothing else is computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from acnn.arrays import FloatArray
from acnn.basis.radial import INNER_WIDTH, RadialBasis
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import CompiledKernel, PairArrays, element_errors
from acnn.kernels.loading import n_threads
from acnn.kernels.program import Program, legendre_constants
from acnn.kernels.radial import radial_arrays, recurrence


def compile_embedding(
    elements: tuple[str, ...],
    radial: RadialBasis,
    inner: FloatArray,
    *,
    l_max: int,
    channels: int,
    heads: int,
    layers: int,
    terms: NDArray[Any],
    coefficients: FloatArray,
    products: NDArray[Any],
    product_coefficients: FloatArray,
) -> Program:
    """Compile the program of an embedding.

    Args:
        elements: chemical symbols by ascending atomic number.
        radial: the radial functions.
        inner: inner cutoffs in Å [n_elements, n_elements], by center and neighbor, 0 for none.
        terms: (v, a1, a2, a3) of the invariants of three densities [n_terms, 4], v ascending from 0; may be empty.
        coefficients: those of the terms [n_terms].
        products: (v, a, a1, a2) of the products of two densities that attention sees [n, 4], sorted; may be empty.
        product_coefficients: those of the products [n].
    """
    terms = np.asarray(terms).reshape(-1, 4)
    if (np.diff(terms[:, 0]) < 0).any():
        raise ValueError("terms must be sorted by the invariant they belong to")
    n_invariants = int(terms[-1, 0]) + 1 if len(terms) else 0
    products = np.asarray(products).reshape(-1, 4)
    components, product_start = np.unique(products[:, :2], axis=0, return_index=True)
    if (np.diff(product_start) < 0).any():
        raise ValueError("products must be sorted by their coupling and component")
    sizes = (len(elements), l_max, channels, radial.n_max, heads, layers)
    pairs = [(a, b) for a in range(len(elements)) for b in range(len(elements))]
    arrays = {
        "sizes": np.array(sizes, dtype=np.int32),
        "numbers": np.array([atomic_numbers[e] for e in elements], dtype=np.int32),
        "cutoff": np.array([radial.cutoff]),
        "recurrence": recurrence(radial, "even"),
        **radial_arrays(radial, pairs, "even"),
        "harmonics": np.array([_harmonic_constants(l, m) for l in range(l_max + 1) for m in range(l + 1)]).T.copy(),
        "inner": np.stack([np.ravel(inner), INNER_WIDTH * np.ravel(inner)]),
        "inverse_root": 1 / np.sqrt(2 * np.arange(l_max + 1) + 1),
        "term_start": np.searchsorted(terms[:, 0], np.arange(n_invariants + 1)).astype(np.int32),
        "factors": np.ascontiguousarray(terms[:, 1:], dtype=np.int32),
        "coefficients": np.asarray(coefficients, dtype=float),
        "product_components": components.astype(np.int32),
        "product_start": np.append(product_start, len(products)).astype(np.int32),
        "product_factors": np.ascontiguousarray(products[:, 2:], dtype=np.int32),
        "product_coefficients": np.asarray(product_coefficients, dtype=float),
    }
    return Program("embedding", elements, radial.cutoff, arrays)


def _harmonic_constants(l: int, m: int) -> tuple[float, float, float]:
    """Return `legendre_constants` for √(4π) P̄_l0 and √(8π) P̄_lm."""
    alpha, beta, slope = legendre_constants(l, m)
    if l == m:
        alpha *= math.sqrt(8 * math.pi if m else 4 * math.pi)
    return alpha, beta, slope if m else slope / math.sqrt(2)


class EmbeddingKernel(CompiledKernel):
    """Descriptors from the program of an embedding (`compile_embedding`), and their derivatives.

    Attributes:
        n_descriptors: columns of D.
        n_theta: length of theta.
    """

    kind, made_by, engine = "embedding", "compile_embedding", "Embedding"

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        super().__init__(program, instruction_set, threads)
        self.n_descriptors, self.n_theta = int(self._engine.n_descriptors), int(self._engine.n_theta)

    def __call__(self, graph: AtomicGraph, theta: Tensor) -> Tensor:
        """Return D [n_centers, n_descriptors] in the dtype of the graph, differentiable in theta and vectors."""
        vectors = graph.pair_vectors
        # Views, since autograd does not report whether derivatives of leaves are requested.
        theta = theta.to(vectors.dtype).contiguous()
        return _Descriptors.apply(theta.view_as(theta), vectors.view_as(vectors), self, graph)

    def values(self, graph: AtomicGraph, theta: Tensor) -> Tensor:
        """Return D [n_centers, n_descriptors]."""
        values = graph.pair_vectors.new_empty(graph.n_centers, self.n_descriptors)
        with element_errors(self.program.elements):
            self._engine.values(*PairArrays.of(graph), _array(theta, values), values.numpy(), n_threads(self.threads))
        return values

    def vjp(
        self, graph: AtomicGraph, theta: Tensor, adjoints: Tensor, of_vectors: bool = True, of_theta: bool = True
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return Σ_d v_d ∂D_d/∂r_p [n_pairs, 3] and v · ∂D/∂theta [n_theta] for v [n_centers, n_descriptors].

        Args:
            of_vectors, of_theta: which of them to compute; the other is None.
        """
        vectors = graph.pair_vectors
        gradients = vectors.new_empty(graph.n_pairs, 3) if of_vectors else None
        theta_gradient = vectors.new_empty(self.n_theta) if of_theta else None
        self._require(adjoints, (graph.n_centers, self.n_descriptors), "adjoints")
        with element_errors(self.program.elements):
            self._engine.vjp(
                *PairArrays.of(graph),
                _array(theta, vectors),
                _array(adjoints, vectors),
                None if gradients is None else gradients.numpy(),
                None if theta_gradient is None else theta_gradient.numpy(),
                n_threads(self.threads),
            )
        return gradients, theta_gradient

    def dual(
        self, graph: AtomicGraph, theta: Tensor, adjoints: Tensor, directions: Tensor, of_theta: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """Return ∂D/∂r · u [n_centers, n_descriptors] and ∂/∂theta Σ_p u_p · g_p [n_theta], with g from `vjp`.

        Args:
            directions: u [n_pairs, 3].
            of_theta: whether to compute the second.
        """
        vectors = graph.pair_vectors
        derivatives = vectors.new_empty(graph.n_centers, self.n_descriptors)
        theta_gradient = vectors.new_empty(self.n_theta) if of_theta else None
        self._require(adjoints, (graph.n_centers, self.n_descriptors), "adjoints")
        self._require(directions, (graph.n_pairs, 3), "directions")
        with element_errors(self.program.elements):
            self._engine.dual(
                *PairArrays.of(graph),
                _array(theta, vectors),
                _array(adjoints, vectors),
                _array(directions, vectors),
                derivatives.numpy(),
                None if theta_gradient is None else theta_gradient.numpy(),
                n_threads(self.threads),
            )
        return derivatives, theta_gradient


def _array(values: Tensor, like: Tensor) -> NDArray[Any]:
    return values.detach().to(like.dtype).contiguous().numpy()


def _wanted(ctx: Any, argument: int) -> bool:
    """Return whether the current backward pass needs the derivative with respect to an argument.

    ``ctx.needs_input_grad`` only tells whether some backward pass could need it.
    """
    node = ctx.next_functions[argument][0]
    return node is not None and torch._C._will_engine_execute_node(node)


class _Descriptors(torch.autograd.Function):
    """D as a function of theta and vectors."""

    @staticmethod
    def forward(ctx: Any, theta: Tensor, vectors: Tensor, kernel: EmbeddingKernel, graph: AtomicGraph) -> Tensor:
        ctx.save_for_backward(theta, vectors)
        ctx.kernel, ctx.graph = kernel, graph
        return kernel.values(graph.with_pair_vectors(vectors), theta)

    @staticmethod
    def backward(ctx: Any, adjoints: Tensor) -> tuple[Tensor | None, ...]:
        theta, vectors = ctx.saved_tensors
        of_theta, of_vectors = _wanted(ctx, 0), _wanted(ctx, 1)
        if not torch.is_grad_enabled():
            gradients, theta_gradient = ctx.kernel.vjp(
                ctx.graph.with_pair_vectors(vectors), theta, adjoints, of_vectors, of_theta
            )
            return theta_gradient, gradients, None, None
        if of_theta:
            raise NotImplementedError("derivatives with respect to theta cannot be differentiated again")
        return None, _Gradients.apply(theta, vectors, adjoints, ctx.kernel, ctx.graph), None, None


class _Gradients(torch.autograd.Function):
    """Σ_d v_d ∂D_d/∂r_p as a function of theta, vectors and v."""

    @staticmethod
    def forward(
        ctx: Any, theta: Tensor, vectors: Tensor, adjoints: Tensor, kernel: EmbeddingKernel, graph: AtomicGraph
    ) -> Tensor | None:
        ctx.save_for_backward(theta, vectors, adjoints)
        ctx.kernel, ctx.graph = kernel, graph
        return kernel.vjp(graph.with_pair_vectors(vectors), theta, adjoints, of_theta=False)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, directions: Tensor) -> tuple[Tensor | None, ...]:
        theta, vectors, adjoints = ctx.saved_tensors
        if _wanted(ctx, 1):
            raise NotImplementedError(
                "the kernel has no second derivatives with respect to pair vectors: name the parameters, as in "
                "loss.backward(inputs=parameters), or let torch evaluate the embedding"
            )
        graph = ctx.graph.with_pair_vectors(vectors)
        derivatives, theta_gradient = ctx.kernel.dual(graph, theta, adjoints, directions, _wanted(ctx, 0))
        return theta_gradient, None, derivatives, None, None
