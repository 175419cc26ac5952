"""Embedding: from pair vectors to the invariants that the readout sees; the definition, in torch.

It has learnable radial functions and a stack of attention layers over the neighbors of a center.

    R_n(r)      = (1 - r²/r_cut²)³ P_n(x(r))                                          C² at the cutoff, and constant
                                                                                      far below an inner cutoff
    φ^k_lc(p)   = Σ_n γ_nl W^k_nlc(z_i, z_j) R_n(r_p)                                 learnable channels of layer k
    A^0_ac(i)   = Σ_p φ^0_lc(p) Y_a(r̂_p)                                              density

and for attention layers k = 1 …, with a neighbor p = (i, j) as the token,

    P_ac(i)     = Σ_v S_vc Σ_t c_t A^{k-1}_a1(t)c A^{k-1}_a2(t)c                       products of two, coupled to a
    s_lc(p)     = Σ_a∈l A^{k-1}_ac(i) Y_a(r̂_p) , then the same of P                    the density in its direction
    t_h(p)      = b_h(z_i, z_j) + Σ_n γ_n0 U_nh(z_i, z_j) R_n(r_p) + Σ_lc T_lch s_lc(p)  logit of head h
    A^k_ac(i)   = Σ_p [1 + Σ_h V_hlc σ(t_h(p))] φ^k_lc(p) Y_a(r̂_p) ,  σ(t) = t / √(1 + t²)

s_lc(p) = (2l + 1) Σ_q φ_lc(q) P_l(cos θ_pq) is attention between the neighbors p and q with the kernel P_l, at a cost
linear in their number, and the products are attention between three of them. Weights multiply φ, which contains the
cutoff, so that nothing jumps when a neighbor leaves.

γ_nl ∝ [√n (l + 1)]^-s, Σ_n γ_n0² = N, is a smoothness prior with exponent s: functions that vary quickly with distance
or direction are learned more slowly.

Invariants of every layer: A_0c; Σ_a∈l A_ac A_ac' / √(2l + 1) for c ≤ c'; and for order 3 the couplings of three
densities of one channel (`acnn.basis.triples`).
"""

from __future__ import annotations

import math
from collections import Counter

import torch
from torch import Tensor, nn

from acnn.basis.polynomials import AgnesiPolynomials
from acnn.basis.radial import RadialBasis, seen_distance
from acnn.basis.triples import coupled_degrees, density_products, product_degrees, real_harmonics, triple_products
from acnn.graph import AtomicGraph
from acnn.models.network_specification import NetworkSpecification

TRANSFORM = (2.0, 4.0)


def algebraic_sigmoid(t: Tensor) -> Tensor:
    """Return σ(t) = t / √(1 + t²), which is smooth and needs no exponentials."""
    return t * torch.rsqrt(1 + t * t)


def smoothness_factors(s: NetworkSpecification) -> Tensor:
    """Return γ_nl [N, L + 1]."""
    of_radial = torch.arange(1, s.radial_functions + 1, dtype=torch.float64) ** (-s.smoothness / 2)
    of_degree = torch.arange(1, s.l_max + 2, dtype=torch.float64) ** -s.smoothness
    return of_radial[:, None] * of_degree * torch.rsqrt((of_radial**2).mean())


class RadialTable(nn.Module):
    """Numbers [n_elements, n_elements, *shape] by center and neighbor element: learnable coefficients times factors.

    Args:
        mixed: number of element channels q: table(z_i, z_j) = u(z_i) Σ_q e_q(z_j) table_q, with u a factor for each
            entry of the last axis, so that parameters grow linearly with the number of elements; None: independent.
        deviation: standard deviation of the initial normal distribution of coefficients.
        factors: they broadcast with the shape.
    """

    factors: Tensor

    def __init__(
        self, n_elements: int, shape: tuple[int, ...], mixed: int | None, deviation: float, factors: Tensor
    ) -> None:
        super().__init__()
        self.register_buffer("factors", factors, persistent=False)
        leading = (n_elements, n_elements) if mixed is None else (mixed,)
        self.coefficients = nn.Parameter(deviation * torch.randn(*leading, *shape, dtype=torch.float64))
        self.mixed = mixed
        if mixed is not None:
            self.neighbor = nn.Parameter(torch.randn(n_elements, mixed, dtype=torch.float64) / math.sqrt(mixed))
            self.center = nn.Parameter(torch.ones(n_elements, shape[-1], dtype=torch.float64))

    def forward(self) -> Tensor:
        """Return the table."""
        table = self.coefficients * self.factors
        if self.mixed is None:
            return table
        of_neighbor = torch.tensordot(self.neighbor.to(table.dtype), table, dims=1)
        factor = self.center.reshape(len(self.center), *[1] * (of_neighbor.ndim - 1), -1)
        return factor * of_neighbor


class AttentionTables(nn.Module):
    """Weights of one attention layer: W, b, U, T, V and optionally S of the module's formulas."""

    def __init__(self, s: NetworkSpecification) -> None:
        super().__init__()
        n, degrees, mixed = len(s.elements), s.l_max + 1, s.mixed_elements
        self.radial = radial_table(s)
        self.bias = RadialTable(n, (s.heads,), mixed, 0.5, torch.ones((), dtype=torch.float64))
        deviation, factors = 1 / math.sqrt(s.radial_functions), smoothness_factors(s)[:, :1]
        self.distance = RadialTable(n, (s.radial_functions, s.heads), mixed, deviation, factors)
        couplings = product_degrees(s.l_max) if s.products else []
        seen = (2 if couplings else 1) * s.channels
        scale = 1 / math.sqrt(degrees * seen)
        self.direction = nn.Parameter(scale * torch.randn(degrees, seen, s.heads, dtype=torch.float64))
        scale = 1 / math.sqrt(s.heads)
        self.values = nn.Parameter(scale * torch.randn(s.heads, degrees, s.channels, dtype=torch.float64))
        self.couplings = None
        if couplings:
            of_degree = Counter(l for _, _, l in couplings)
            scales = torch.tensor([1 / math.sqrt(of_degree[l]) for _, _, l in couplings], dtype=torch.float64)
            normal = torch.randn(len(couplings), s.channels, dtype=torch.float64)
            self.couplings = nn.Parameter(scales[:, None] * normal)

    def tables(self) -> list[Tensor]:
        """Return W, b, U, T, V and optionally S."""
        found = [self.radial(), self.bias(), self.distance(), self.direction, self.values]
        return found if self.couplings is None else [*found, self.couplings]


def radial_table(s: NetworkSpecification) -> RadialTable:
    """Make W of one layer, scaled so that densities are about one for twenty neighbors."""
    shape = (s.radial_functions, s.l_max + 1, s.channels)
    deviation, factors = 1 / math.sqrt(20 * s.radial_functions), smoothness_factors(s)[:, :, None]
    return RadialTable(len(s.elements), shape, s.mixed_elements, deviation, factors)


def embedding_radial(s: NetworkSpecification) -> RadialBasis:
    """Make R_n as functions of the distance that is seen."""
    return AgnesiPolynomials(s.bond_length_matrix(), s.cutoff, s.radial_functions, *TRANSFORM, "even")


class Embedding(nn.Module):
    """Invariants D [n_centers, n_invariants] of a graph."""

    inner: Tensor
    triples: Tensor
    triple_coefficients: Tensor
    products: Tensor
    product_coefficients: Tensor

    def __init__(self, specification: NetworkSpecification) -> None:
        super().__init__()
        self.specification = s = specification
        self.first = radial_table(s)
        self.layers = nn.ModuleList([AttentionTables(s) for _ in range(s.layers)])
        terms, coefficients = triple_products(s.l_max if s.order > 2 else 0)
        self.register_buffer("triples", torch.as_tensor(terms, dtype=torch.int64), persistent=False)
        self.register_buffer("triple_coefficients", torch.as_tensor(coefficients), persistent=False)
        terms, coefficients = density_products(s.l_max if s.products else 0)
        self.register_buffer("products", torch.as_tensor(terms, dtype=torch.int64), persistent=False)
        self.register_buffer("product_coefficients", torch.as_tensor(coefficients), persistent=False)
        self.radial = embedding_radial(s)
        self.register_buffer("inner", torch.tensor(s.inner_cutoff_matrix(), dtype=torch.float64), persistent=False)
        self.n_triples = len(coupled_degrees(s.l_max)) if s.order > 2 else 0

    @property
    def n_invariants(self) -> int:
        """Number of invariants of all layers."""
        s = self.specification
        pairs = s.channels * (s.channels + 1) // 2
        return (s.layers + 1) * (s.channels + (s.l_max + 1) * pairs + self.n_triples * s.channels)

    def tables(self) -> list[Tensor]:
        """Return W^0, then W, b, U, T, V and optionally S of every attention layer."""
        return [self.first(), *(table for layer in self.layers for table in layer.tables())]  # type: ignore[operator]

    def theta(self) -> Tensor:
        """Return all tables in one vector, as the compiled kernel takes them."""
        return torch.cat([table.reshape(-1) for table in self.tables()])

    def forward(self, graph: AtomicGraph, element: Tensor) -> Tensor:
        """Return D in the dtype of the graph, twice differentiable.

        Args:
            element: element index of every atom [n_atoms].
        """
        s = self.specification
        near = graph.within(s.cutoff)
        distance = torch.linalg.vector_norm(near.pair_vectors, dim=1)
        radial = self._radial(distance, element[near.pair_i], element[near.pair_j])
        kinds = PairKinds(element[near.pair_i] * len(s.elements) + element[near.pair_j], len(s.elements) ** 2)
        slots = NeighborSlots(near)
        harmonics = slots.padded(real_harmonics(near.pair_vectors / distance[:, None], s.l_max))
        tables = [table.to(radial.dtype) for table in self.tables()]
        per_layer = 6 if len(self.products) else 5
        density = pool(slots.padded(kinds.times(radial, tables[0])), harmonics)
        found = [self._invariants(density)]
        for k in range(s.layers):
            w, b, u, t, v, *couplings = tables[1 + k * per_layer : 1 + (k + 1) * per_layer]
            logits = slots.padded(kinds.times(radial, u) + kinds.of(b))
            densities = torch.cat([density, *(self._products(density, of) for of in couplings)], dim=2)
            logits = logits + torch.tensordot(seen(densities, harmonics), t, dims=2)
            weights = 1 + torch.tensordot(algebraic_sigmoid(logits), v, dims=1)
            density = pool(weights * slots.padded(kinds.times(radial, w)), harmonics)
            found.append(self._invariants(density))
        return torch.cat(found, dim=1)

    def _radial(self, r: Tensor, element_i: Tensor, element_j: Tensor) -> Tensor:
        """Return R_n [n_pairs, n]."""
        inner = self.inner[element_i, element_j].to(r.dtype)
        return self.radial(seen_distance(r, inner), element_i, element_j)

    def _products(self, density: Tensor, couplings: Tensor) -> Tensor:
        """Return P [n_centers, (L + 1)², C] for S [n_couplings, C]."""
        v, a, first, second = self.products.T
        factors = self.product_coefficients[:, None].to(density.dtype) * couplings[v]
        return torch.zeros_like(density).index_add(1, a, density[:, first] * density[:, second] * factors)

    def _invariants(self, density: Tensor) -> Tensor:
        """Return the invariants of one layer [n_centers, n]."""
        first, second = torch.triu_indices(density.shape[2], density.shape[2], device=density.device)
        found = [density[:, 0]]
        for l in range(self.specification.l_max + 1):
            part = density[:, l * l : (l + 1) ** 2] / (2 * l + 1) ** 0.25
            found.append((part.transpose(1, 2) @ part)[:, first, second])
        if self.n_triples:
            v, a, b, c = self.triples.T
            terms = density[:, a] * density[:, b] * density[:, c] * self.triple_coefficients[:, None].to(density.dtype)
            zeros = density.new_zeros(len(density), self.n_triples, density.shape[2])
            found.append(zeros.index_add(1, v, terms).flatten(1))
        return torch.cat(found, dim=1)


def pool(radial: Tensor, harmonics: Tensor) -> Tensor:
    """Return A [n_centers, (L + 1)², C] from φ [n_centers, slots, L + 1, C] and Y [n_centers, slots, (L + 1)²]."""
    parts = [harmonics[:, :, l * l : (l + 1) ** 2].transpose(1, 2) @ radial[:, :, l] for l in range(radial.shape[2])]
    return torch.cat(parts, dim=1)


def seen(density: Tensor, harmonics: Tensor) -> Tensor:
    """Return s [n_centers, slots, L + 1, C]: the density in the direction of every neighbor."""
    l_max = math.isqrt(density.shape[1]) - 1
    parts = [harmonics[:, :, l * l : (l + 1) ** 2] @ density[:, l * l : (l + 1) ** 2] for l in range(l_max + 1)]
    return torch.stack(parts, dim=2)


class NeighborSlots:
    """The pairs of every center side by side, padded with zeros."""

    def __init__(self, graph: AtomicGraph) -> None:
        counts = torch.bincount(graph.pair_i, minlength=graph.n_centers)
        rank = torch.arange(graph.n_pairs, device=counts.device) - (torch.cumsum(counts, 0) - counts)[graph.pair_i]
        self.shape = (graph.n_centers, int(counts.max()) if len(counts) else 0)
        self.place = graph.pair_i * self.shape[1] + rank

    def padded(self, values: Tensor) -> Tensor:
        """Arrange rows of pairs [n_pairs, …] as [n_centers, slots, …]."""
        flat = values.new_zeros(self.shape[0] * self.shape[1], *values.shape[1:])
        return flat.index_copy(0, self.place, values).unflatten(0, self.shape)


class PairKinds:
    """Pairs by their (z_i, z_j), and tables [n_elements, n_elements, …] for them."""

    def __init__(self, kind: Tensor, n_kinds: int) -> None:
        self.kind = kind
        self.order = torch.argsort(kind, stable=True)
        self.counts = torch.bincount(kind, minlength=n_kinds).tolist()

    def of(self, table: Tensor) -> Tensor:
        """Return table[z_i, z_j] [n_pairs, …]."""
        return table.flatten(0, 1)[self.kind]

    def times(self, radial: Tensor, table: Tensor) -> Tensor:
        """Return Σ_n R_n(p) table[z_i, z_j, n, …] [n_pairs, …]."""
        tables = table.flatten(0, 1)
        if len(tables) == 1:
            return torch.tensordot(radial, tables[0], dims=1)
        parts = radial[self.order].split(self.counts)
        products = torch.cat([torch.tensordot(part, of, dims=1) for part, of in zip(parts, tables, strict=True)])
        return torch.empty_like(products).index_copy(0, self.order, products)
