"""Network and attention models: e_i = linear ACE + f_θ(invariants of learnable densities).

The linear part (E0, pair part, ZBL, c·B) is fixed, and the network learns the rest. `acnn.models.embedding` and
`acnn.models.readout` define the two halves of f_θ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acnn.graph import AtomicGraph
from acnn.kernels.embedding import EmbeddingKernel, compile_embedding
from acnn.kernels.loading import runs_compiled
from acnn.kernels.network import NetworkKernel, with_network
from acnn.kernels.potentials import CompiledPotential, SumKernel
from acnn.kernels.program import Program
from acnn.kernels.weight_cache import WeightCache
from acnn.models.embedding import Embedding
from acnn.models.features import SiteFeatures, features_by_torch
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.linear import LinearACE
from acnn.models.model import Header, Model, Tensors, register
from acnn.models.network_specification import NetworkSpecification
from acnn.models.noise import Noise
from acnn.models.readout import Readout, unbounded
from acnn.potential import Description, Potential


@register("network", "attention")
class NetworkACE(Model):
    """A linear ACE with a network on top.

    Args:
        specification: that of the network.
        linear: the fixed part, for the same elements.
        seed: random seed of the initial weights.
    """

    header_keys = (*LinearACE.header_keys, "network")
    noise: Noise | None = None

    def __init__(self, specification: NetworkSpecification, linear: LinearACE, seed: int = 0) -> None:
        super().__init__()
        if specification.elements != linear.elements:
            raise ValueError(
                "the network and its linear part must be for the same elements, not for "
                f"{', '.join(specification.elements)} and {', '.join(linear.elements)}"
            )
        self.specification, self.linear = specification, linear
        self.elements = specification.elements
        self.cutoff = max(specification.cutoff, linear.cutoff)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.embedding = Embedding(specification)
            self.readout = Readout(specification, self.embedding.n_invariants)
        self._compiled: EmbeddingKernel | None = None
        self._deployed: WeightCache[NetworkKernel] = WeightCache()
        self._free: WeightCache[NetworkACE] = WeightCache()

    @property
    def model_type(self) -> str:
        """The model type: "attention" with attention layers, otherwise "network"."""
        return "attention" if self.specification.layers else "network"

    @property
    def e0(self) -> ReferenceEnergies:
        """E0 of the linear part; the energy of the network is exactly 0 for atoms without neighbors."""
        return self.linear.e0

    def weights(self) -> dict[str, Tensor]:
        """Return everything that training determines, by name: parameters, standardization, scale; not copied."""
        parts = {"embedding": self.embedding, "readout": self.readout}
        return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}

    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set everything that `weights` returns.

        Raises:
            ValueError: names or shapes differ.
        """
        own = self.weights()
        if shapes(own) != shapes(weights):
            wrong = sorted(shapes(own) ^ shapes(weights))[0]
            raise ValueError(f"these are the weights of another network: {wrong[0]} {list(wrong[1])} does not match")
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)

    def to_parts(self) -> tuple[Header, Tensors]:
        """Return the parts of the linear model, the specification of the network, and weights by name."""
        header, tensors = self.linear.to_parts()
        return header | {"network": self.specification.model_dump(mode="json")}, tensors | self.weights()

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> NetworkACE:
        """Make the model from a header and tensors."""
        specification = NetworkSpecification.model_validate(header["network"])
        model = cls(specification, LinearACE.from_parts(header, tensors))
        model.set_weights({name: value for name, value in tensors.items() if "." in name})
        return model

    def summary(self) -> dict[str, str]:
        """Return model type and number of parameters."""
        n_linear = self.linear.summary()["basis functions"]
        return {
            "model type": self.model_type,
            "parameters": f"{n_parameters(self.embedding, self.readout)} and {n_linear} linear",
        }

    def describe(self) -> list[Description]:
        """Describe the network and its linear part."""
        s, parts = self.specification, {"embedding": self.embedding, "readout": self.readout}
        elements = (
            "separate for each pair" if s.mixed_elements is None else f"{s.mixed_elements} channels shared by all"
        )
        layers = f"{s.layers} of {s.heads} heads{' that see products' * s.products}" if s.layers else "none"
        rows = [
            ("model type", self.model_type),
            ("elements", ", ".join(self.elements)),
            ("cutoff of the network (Å)", f"{s.cutoff:g}"),
            ("attention layers", layers),
            ("channels, l ≤", f"{s.channels}, {s.l_max}"),
            ("radial polynomials", f"{s.radial_functions}, smoothness {s.smoothness:g}"),
            ("radial functions of elements", elements),
            ("invariants", f"{self.embedding.n_invariants}, of order 1 … {s.order}"),
            ("readout", f"{' × '.join(map(str, s.hidden))}, {'shared' if s.shares_readout else 'per element'}"),
            ("inner cutoffs (Å)", ", ".join(f"{pair} {r:.3g}" for pair, r in s.inner_cutoffs.items()) or "none"),
            ("lower bounds of the network's energies (eV)", self._lower_bounds()),
            ("parameters", str(n_parameters(*parts.values()))),
            *((f"  {name}", str(n_parameters(part))) for name, part in parts.items()),
        ]
        (linear,) = self.linear.describe()
        return [Description(f"{self.model_type} on linear ACE", rows), Description("linear part", linear.rows)]

    def _lower_bounds(self) -> str:
        low = zip(self.elements, self.readout.bounds[:, 0].tolist(), strict=True)
        return ", ".join(f"{element} {energy:.3g}" for element, energy in low if math.isfinite(energy)) or "none"

    def network_part(self) -> NetworkPart:
        """Return what the network adds to the linear part."""
        return NetworkPart(self)

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return e_i in eV [n_centers], float64."""
        return self.linear.site_energies(graph) + self.bounded_energies(graph)

    def bounded_energies(self, graph: AtomicGraph) -> Tensor:
        """Return what the network adds to the linear part [n_centers], float64."""
        element = self.element_index(graph.species)[: graph.n_centers]
        return self.readout.bounded(self.network_energies(graph, "torch").double(), element)

    def network_energies(self, graph: AtomicGraph, kernel: str | None = None) -> Tensor:
        """Return the trained part, without lower bounds, in the dtype of the graph [n_centers].

        In the compiled kernel it is differentiable as far as training on forces requires: see `acnn.kernels.embedding`.

        Args:
            kernel: as in `Potential.pair_gradients`.
        """
        element = self.element_index(graph.species)
        return self.readout(self._invariants(graph, element, kernel), element[: graph.n_centers])

    def features(self, graph: AtomicGraph, kernel: str | None = None) -> SiteFeatures:
        """Return the last hidden layer of the readout minus its value without neighbors, in columns by element.

        The rest is the linear part and the skip connection. Energies are those without lower bounds.
        """
        n = self.readout.out.shape[1]
        columns = torch.arange(len(self.elements) * n, device=self.readout.out.device).split(n)
        coefficients = (self.readout.scale * self.readout.out).detach().double().flatten()
        return features_by_torch(graph, lambda part: self._last_layers(part, kernel), coefficients, columns)

    def _last_layers(self, graph: AtomicGraph, kernel: str | None) -> Tensor:
        element = self.element_index(graph.species)
        return self.readout.last_layers(self._invariants(graph, element, kernel), element[: graph.n_centers])

    def _invariants(self, graph: AtomicGraph, element: Tensor, kernel: str | None) -> Tensor:
        if runs_compiled(graph, kernel):
            return self.embedding_kernel()(graph, self.embedding.theta())
        return self.embedding(graph, element)

    def without_bounds(self) -> NetworkACE:
        """Return the model without lower bounds of energies, made again whenever weights have changed.

        Far from the data, the spread of an ensemble reflects its uncertainty only without the bounds.
        """
        if not self.readout.bounds.isfinite().any():
            return self
        return self._free.get(self._trained(), self._freed)

    def _freed(self) -> NetworkACE:
        other = copy.copy(self)  # with the same linear part
        copies = {name: copy.deepcopy(getattr(self, name)) for name in ("embedding", "readout")}
        other._modules = {**self._modules, **copies}
        other.readout.bounds.copy_(unbounded(len(self.elements)))
        return other

    def energy_kernel(self) -> SumKernel:
        """Return the compiled model with its present weights and coefficients."""
        return SumKernel(self.linear.energy_kernel(), self.network_kernel())

    def network_kernel(self) -> NetworkKernel:
        """Return the compiled network, compiled again whenever weights have changed."""
        return self._deployed.get(self._trained(), self._compiled_network)

    def _compiled_network(self) -> NetworkKernel:
        readout = [self.readout.layers(z) for z in range(len(self.elements))]
        parts = (self.embedding_kernel().program, self.embedding.theta(), readout, self.readout.bounds)
        return NetworkKernel(with_network(*parts))

    def _trained(self) -> list[Tensor]:
        """Return the tensors that `weights` names."""
        return [v for part in (self.embedding, self.readout) for v in part.state_dict(keep_vars=True).values()]

    def embedding_kernel(self) -> EmbeddingKernel:
        """Return the compiled embedding, which takes its tables as an argument."""
        if self._compiled is None:
            self._compiled = EmbeddingKernel(embedding_program(self.embedding))
        return self._compiled

    def __getstate__(self) -> dict[str, Any]:
        # Where it is loaded, the kernel may be another one.
        return self.__dict__ | {"_compiled": None, "_deployed": WeightCache(), "_free": WeightCache()}

    def element_index(self, species: Tensor) -> Tensor:
        """Return the index into ``elements`` of each atomic number."""
        return self.linear.basis.element_index(species)


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


def require_network(model: Potential, name: str, otherwise: str = "give one of acnn train") -> NetworkACE:
    """Return a model that has a network.

    Raises:
        ValueError: it has none; ``name`` and ``otherwise`` are used in the message.
    """
    if not isinstance(model, NetworkACE):
        raise ValueError(f"{name} is a model of type {model.model_type}, not a network or attention: {otherwise}")
    return model


def n_parameters(*parts: nn.Module) -> int:
    """Return the number of parameters that training determines."""
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def shapes(weights: Mapping[str, Tensor]) -> set[tuple[str, tuple[int, ...]]]:
    """Return names with shapes."""
    return {(name, tuple(value.shape)) for name, value in weights.items()}
