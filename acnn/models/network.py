"""Network and attention models: e_i = linear ACE + f_θ(invariants of learnable densities).

The linear part (E0, pair part, ZBL, c·B) is fixed, and the network learns the rest. `acnn.models.embedding` and
`acnn.models.readout` define the two halves of f_θ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from acnn.graph import AtomicGraph
from acnn.kernels.embedding import EmbeddingKernel
from acnn.kernels.loading import runs_compiled
from acnn.kernels.network import NetworkKernel, with_network
from acnn.kernels.potentials import SumKernel
from acnn.kernels.weight_cache import WeightCache
from acnn.models.embedding import Embedding
from acnn.models.features import SiteFeatures, features_by_torch
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.linear import LinearACE
from acnn.models.model import Header, Model, Tensors, register
from acnn.models.network_parts import FeaturePart, NetworkPart, embedding_program, shapes
from acnn.models.network_specification import NetworkSpecification
from acnn.models.noise import Noise
from acnn.models.readout import Readout, unbounded
from acnn.potential import Description, Potential

LAST_LAYER = "last_layer"
"""Name of the tensor of samples in a model file."""


@register("network", "attention")
class NetworkACE(Model):
    """A linear ACE with a network on top.

    Args:
        specification: that of the network.
        linear: the fixed part, for the same elements.
        seed: random seed of the initial weights.
    """

    header_keys = (*LinearACE.header_keys, "network")
    how_to_get_a_committee = "give it one with acnn calibrate --training, or train several and use acnn ensemble"
    last_layer: Tensor | None
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
        self._samples: list[FeaturePart] | None = None
        self.register_buffer("last_layer", None)

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
        own = {} if self.last_layer is None else {LAST_LAYER: self.last_layer}
        return header | {"network": self.specification.model_dump(mode="json")}, tensors | self.weights() | own

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> NetworkACE:
        """Make the model from a header and tensors."""
        specification = NetworkSpecification.model_validate(header["network"])
        model = cls(specification, LinearACE.from_parts(header, tensors))
        model.set_weights({name: value for name, value in tensors.items() if "." in name})
        model.set_last_layer(tensors.get(LAST_LAYER))
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
        return features_by_torch(graph, lambda part: self.last_layers(part, kernel), coefficients, columns)

    def last_layers(self, graph: AtomicGraph, kernel: str | None) -> Tensor:
        """Return the values of `features`, differentiable [n_centers, n_features]."""
        element = self.element_index(graph.species)
        return self.readout.last_layers(self._invariants(graph, element, kernel), element[: graph.n_centers])

    def _invariants(self, graph: AtomicGraph, element: Tensor, kernel: str | None) -> Tensor:
        if runs_compiled(graph, kernel):
            return self.embedding_kernel()(graph, self.embedding.theta())
        return self.embedding(graph, element)

    def of_features(self, weights: Tensor) -> FeaturePart:
        """Return the potential Σ_k w_k f_ik of the last hidden layer, see `Model.of_features`."""
        return FeaturePart(self, weights)

    @property
    def last_layer_size(self) -> int:
        """Number of coefficients of the last layer."""
        return self.readout.out.numel()

    @property
    def has_committee(self) -> bool:
        """Whether there are samples of the last layer, see `acnn.uncertainty.last_layer`."""
        return self.last_layer is not None

    def set_last_layer(self, deviations: Tensor | None) -> None:
        """Set samples of the last layer, or remove them, see `Model.set_last_layer`."""
        n = self.last_layer_size
        if deviations is not None and (deviations.ndim != 2 or len(deviations) == 0 or deviations.shape[1] != n):
            raise ValueError(f"samples of the last layer must be rows of {n} numbers, not {tuple(deviations.shape)}")
        self.last_layer = None if deviations is None else deviations.detach().clone().to(self.readout.out)
        self._samples = None

    def deviations(self) -> Tensor:
        """Return the samples of the last layer, see `Model.deviations`."""
        if self.last_layer is None:
            raise ValueError(f"this model has no committee: {self.how_to_get_a_committee}")
        return self.last_layer

    def committee_of(self, graph: AtomicGraph, kernel: str | None, forces: bool) -> tuple[Tensor, ...]:
        """Evaluate the samples of the last layer: energies from the features, forces with one evaluation each."""
        deviations = self.deviations()
        if not forces:
            features = self.features(graph, kernel).values.double()
            return (deviations.to(features) @ features.T,)
        if self._samples is None:
            self._samples = [self.of_features(sample) for sample in deviations]
        found = [sample.pair_gradients(graph, kernel) for sample in self._samples]
        parts = [(one.site_energies, one.forces, one.virials) for one in found]
        energies, of_forces, virials = (torch.stack(part) for part in zip(*parts, strict=True))
        return energies, of_forces, virials

    def without_bounds(self) -> NetworkACE:
        """Return the model without lower bounds of energies, made again whenever weights have changed.

        Far from the data, the spread of an ensemble reflects its uncertainty only without the bounds.
        """
        if not self.readout.bounds.isfinite().any():
            return self
        return self._free.get(self.trained(), self._freed)

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
        return self._deployed.get(self.trained(), self._compiled_network)

    def _compiled_network(self) -> NetworkKernel:
        readout = [self.readout.layers(z) for z in range(len(self.elements))]
        parts = (self.embedding_kernel().program, self.embedding.theta(), readout, self.readout.bounds)
        return NetworkKernel(with_network(*parts))

    def trained(self) -> list[Tensor]:
        """Return the tensors that `weights` names."""
        return [v for part in (self.embedding, self.readout) for v in part.state_dict(keep_vars=True).values()]

    def embedding_kernel(self) -> EmbeddingKernel:
        """Return the compiled embedding, which takes its tables as an argument."""
        if self._compiled is None:
            self._compiled = EmbeddingKernel(embedding_program(self.embedding))
        return self._compiled

    def __getstate__(self) -> dict[str, Any]:
        # Where it is loaded, the kernel may be another one.
        return self.__dict__ | {"_compiled": None, "_deployed": WeightCache(), "_free": WeightCache(), "_samples": None}

    def element_index(self, species: Tensor) -> Tensor:
        """Return the index into ``elements`` of each atomic number."""
        return self.linear.basis.element_index(species)


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
