"""Parts of a network model that are potentials of their own, and its program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from acnn.graph import AtomicGraph
from acnn.kernels.embedding import compile_embedding
from acnn.kernels.network import NetworkKernel, with_network
from acnn.kernels.potentials import CompiledPotential
from acnn.kernels.program import Program
from acnn.kernels.weight_cache import WeightCache
from acnn.models.embedding import Embedding
from acnn.models.readout import unbounded

if TYPE_CHECKING:
    from acnn.models.network import NetworkACE


class FeaturePart(CompiledPotential):
    """A weighted sum of the features of a network."""

    takes_longer_pairs = True

    def __init__(self, model: NetworkACE, weights: Tensor) -> None:
        super().__init__()
        self._whole = (model,)  # a tuple, so that the model is no part of this module: it holds this one
        self.elements, self.cutoff = model.elements, model.specification.cutoff
        self.weights = weights.detach().clone()
        self._compiled: WeightCache[NetworkKernel] = WeightCache()

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return Σ_k w_k f_ik in eV [n_centers], float64."""
        (model,) = self._whole
        return model.last_layers(graph, "torch").double() @ self.weights.to(graph.pair_vectors.device).double()

    def energy_kernel(self) -> NetworkKernel:
        """Return the compiled sum."""
        return self._compiled.get([*self._whole[0].trained(), self.weights], self._network)

    def _network(self) -> NetworkKernel:
        (model,), readout = self._whole, []
        for z, out in enumerate(self.weights.reshape(model.readout.out.shape)):
            hidden, _, skip = model.readout.layers(z)
            readout.append((hidden, out.to(skip), torch.zeros_like(skip)))
        bounds = unbounded(len(self.elements))
        return NetworkKernel(with_network(model.embedding_kernel().program, model.embedding.theta(), readout, bounds))


class NetworkPart(CompiledPotential):
    """Only what the network adds to the linear part of a model."""

    takes_longer_pairs = True

    def __init__(self, model: NetworkACE) -> None:
        super().__init__()
        self.model = model
        self.elements, self.cutoff = model.elements, model.specification.cutoff

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return the network's energies in eV [n_centers], float64."""
        return self.model.bounded_energies(graph)

    def energy_kernel(self) -> NetworkKernel:
        """Return the compiled network."""
        return self.model.network_kernel()


def embedding_program(embedding: Embedding) -> Program:
    """Compile the program of an embedding, without its tables."""
    s = embedding.specification
    return compile_embedding(
        s.elements,
        embedding.radial,
        np.array(s.inner_cutoff_matrix()),
        l_max=s.l_max,
        channels=s.channels,
        heads=s.heads,
        layers=s.layers,
        terms=embedding.triples.cpu().numpy(),
        coefficients=embedding.triple_coefficients.cpu().double().numpy(),
        products=embedding.products.cpu().numpy(),
        product_coefficients=embedding.product_coefficients.cpu().double().numpy(),
    )


def shapes(weights: Mapping[str, Tensor]) -> set[tuple[str, tuple[int, ...]]]:
    """Return names with shapes."""
    return {(name, tuple(value.shape)) for name, value in weights.items()}
