"""Softmax attention over the neighbors of a center: the form that `acnn.models.embedding` is compared with.

Tokens are the neighbors p of a center with features x_p = [R_n(r_p), s_lc(p)]; between tokens p and q, for head h,

    t_hpq = (Q_h x_p) · (K_h x_q) / √d + Σ_l β_hl P_l(cos θ_pq)
    α_hpq = f(r_q) e^t_hpq / (1 + Σ_q' f(r_q') e^t_hpq') ,   f(r) = (1 - r²/r_cut²)³

the logits' exponentials and the normalizer carry the cutoff, so that energies are smooth when a neighbor leaves.
Outputs o_h(p) = Σ_q α_hpq (v_h · x_q) gate the second density as the heads of the density form do. Cost grows with the
square of the number of neighbors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from acnn.basis.triples import real_harmonics
from acnn.graph import AtomicGraph
from acnn.models.embedding import Embedding, NeighborSlots, PairKinds, pool, seen
from acnn.models.network_specification import NetworkSpecification


class SoftmaxEmbedding(Embedding):
    """As `Embedding`, with softmax attention in one layer; its logits' own tables are replaced.

    Args:
        width: d, of queries and keys.
    """

    def __init__(self, specification: NetworkSpecification, width: int = 8) -> None:
        super().__init__(specification)
        s = specification
        features = s.radial_functions + (s.l_max + 1) * s.channels
        self.queries, self.keys = (
            nn.Parameter(torch.randn(s.layers, features, s.heads, width, dtype=torch.float64) / math.sqrt(features))
            for _ in range(2)
        )
        self.token_values = nn.Parameter(
            torch.randn(s.layers, features, s.heads, dtype=torch.float64) / math.sqrt(features)
        )
        self.angular = nn.Parameter(0.3 * torch.randn(s.layers, s.heads, s.l_max + 1, dtype=torch.float64))

    def forward(self, graph: AtomicGraph, element: Tensor) -> Tensor:
        s = self.specification
        near = graph.within(s.cutoff)
        distance = torch.linalg.vector_norm(near.pair_vectors, dim=1)
        radial = self._radial(distance, element[near.pair_i], element[near.pair_j])
        kinds = PairKinds(element[near.pair_i] * len(s.elements) + element[near.pair_j], len(s.elements) ** 2)
        slots = NeighborSlots(near)
        envelope = slots.padded((1 - (distance / s.cutoff) ** 2) ** 3)
        harmonics = slots.padded(real_harmonics(near.pair_vectors / distance[:, None], s.l_max))
        tables = [table.to(radial.dtype) for table in self.tables()]
        density = pool(slots.padded(kinds.times(radial, tables[0])), harmonics)
        found = [self._invariants(density)]
        for k in range(s.layers):
            w, v = tables[1 + 5 * k], tables[5 + 5 * k]
            tokens = torch.cat([slots.padded(radial), seen(density, harmonics).flatten(2)], dim=2)
            weights = 1 + torch.tensordot(self._attention(k, tokens, harmonics, envelope), v, dims=1)
            density = pool(weights * slots.padded(kinds.times(radial, w)), harmonics)
            found.append(self._invariants(density))
        return torch.cat(found, dim=1)

    def _attention(self, k: int, tokens: Tensor, harmonics: Tensor, envelope: Tensor) -> Tensor:
        """o [n_centers, slots, heads]."""
        dtype = tokens.dtype
        projections = (self.queries[k].to(dtype), self.keys[k].to(dtype))
        query, key = (torch.tensordot(tokens, p, dims=1).transpose(1, 2) for p in projections)
        logits = query @ key.transpose(2, 3) / math.sqrt(query.shape[3])
        for l in range(self.specification.l_max + 1):
            part = harmonics[:, :, l * l : (l + 1) ** 2]
            cosines = part @ part.transpose(1, 2) / (2 * l + 1)
            logits = logits + self.angular[k, :, l].to(dtype)[:, None, None] * cosines[:, None]
        shares = envelope[:, None, None, :] * torch.exp(logits)
        attention = shares / (1 + shares.sum(dim=3, keepdim=True))
        values = torch.tensordot(tokens, self.token_values[k].to(dtype), dims=1).transpose(1, 2)
        return (attention @ values[..., None])[..., 0].transpose(1, 2)
