"""The interface of models: potentials with a compiled form, a file, and a description.

A new type of model is one module of this package with one class, which is registered under its names:

    @register("linear")
    class LinearACE(Model): ...

Nothing outside this package depends on the class of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import torch
from torch import Tensor

from acnn.combinations import Combinations
from acnn.graph import AtomicGraph
from acnn.kernels.potentials import CompiledPotential
from acnn.models.active_set import ActiveSet
from acnn.models.calibration import ErrorBars
from acnn.models.features import SiteFeatures
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.noise import Noise

if TYPE_CHECKING:
    from acnn.data.dataset import Dataset

Header = dict[str, Any]
Tensors = dict[str, Tensor]
M = TypeVar("M", bound="Model")

MODEL_TYPES: dict[str, type[Model]] = {}
"""Classes by the names of their types."""


class Model(CompiledPotential):
    """A potential that can be stored, compiled and described.

    Subclasses implement `site_energies` and `energy_kernel` (see `Potential` and `CompiledPotential`), `to_parts` and
    `from_parts` for their files, and `describe`; also `features`, if their energies are linear in some. Those with a
    committee override `has_committee` and `committee_of`.

    Attributes:
        model_type: the name of its type, as in its file.
        noise: the noise that the fit assumed in the labels, None if unknown.
    """

    header_keys: ClassVar[tuple[str, ...]] = ()
    """Entries that the header of its file must have."""
    takes_longer_pairs = True
    noise: Noise | None

    @property
    def e0(self) -> ReferenceEnergies:
        """The energies of isolated atoms."""
        raise NotImplementedError(f"{type(self).__name__} does not implement e0")

    @property
    def reference_energies(self) -> dict[str, float]:
        """E0 in eV by element."""
        return self.e0.energies

    def to_parts(self) -> tuple[Header, Tensors]:
        """Return entries of the header of its file, in a form for JSON, and tensors."""
        raise NotImplementedError(f"{type(self).__name__} does not implement to_parts")

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> Model:
        """Make the model from a header and tensors.

        Raises:
            KeyError, TypeError, ValueError: they do not form a model.
        """
        raise NotImplementedError(f"{cls.__name__} does not implement from_parts")

    def features(self, graph: AtomicGraph, kernel: str | None = None) -> SiteFeatures:
        """Return the quantities that its site energies are linear in, with gradient products.

        Args:
            kernel: as in `Potential.pair_gradients`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement features")

    def deviations(self) -> Tensor:
        """Return the members' coefficients of the `features` minus those of the model, eV [n_members, n_features].

        Raises:
            ValueError: it has no committee of coefficients.
        """
        raise ValueError(f"a model of type {self.model_type} has no committee of coefficients")

    @property
    def last_layer_size(self) -> int:
        """Number of coefficients of a last layer that samples can replace; 0 without a network."""
        return 0

    def of_features(self, weights: Tensor) -> CompiledPotential:
        """Return the potential Σ_k w_k f_ik of its `features`, without anything else.

        Args:
            weights: w in eV [n_features].
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement of_features")

    def set_last_layer(self, deviations: Tensor | None) -> None:
        """Set samples of the coefficients of the last layer minus those of the model, eV [n_members, n_features]."""
        raise NotImplementedError(f"{type(self).__name__} has no last layer")

    def without_bounds(self) -> Model:
        """Return the model without lower bounds of network energies; models without a network return themselves."""
        return self

    def plot(self, data: Dataset | None = None) -> Any:
        """Draw the energy of two atoms over their distance, for every pair of elements.

        The range of cores is shaded, curves that do not rise there toward the left are red, the cutoff is dotted.

        Args:
            data: their shortest distances become dashed lines, left of which the model extrapolates.

        Returns:
            Matplotlib's axes [n_panels].
        """
        from acnn.data.figures import distances_of
        from acnn.models.dimers import dimer_curves
        from acnn.plots import dimer_figure, shown_axes

        shortest = {} if data is None else distances_of(data, self.cutoff).shortest
        lines = {pair: found.distance for pair, found in shortest.items()}
        return shown_axes(lambda: dimer_figure(dimer_curves(self), lines, self.cutoff))

    def describe_program(self) -> list[tuple[str, str]]:
        """Return facts about its compiled form, like those of `describe`."""
        return []


def register(*names: str) -> Callable[[type[M]], type[M]]:
    """Register a class as the model type of these names; a decorator."""

    def registered(model_class: type[M]) -> type[M]:
        MODEL_TYPES.update(dict.fromkeys(names, model_class))
        return model_class

    return registered


def stored_parts(model: Model) -> tuple[Header, Tensors]:
    """Return `Model.to_parts` with tensors on the CPU and numbers in float64."""
    header, tensors = model.to_parts()
    if model.combinations is not None:
        header["combinations"] = model.combinations.as_dict()
    if model.calibration is not None:
        header["calibration"] = model.calibration.as_dict()
    if model.active_set is not None:
        tensors = tensors | model.active_set.tensors()
    return {"model_type": model.model_type, **header}, {name: _stored(value) for name, value in tensors.items()}


def model_of(header: Mapping[str, Any], tensors: Tensors) -> Model:
    """Make the model from its `stored_parts`.

    Raises:
        KeyError, TypeError, ValueError: they do not form a model.
    """
    name = header["model_type"]
    own = {key: tensor for key, tensor in tensors.items() if not key.startswith(ActiveSet.PREFIX)}
    model = MODEL_TYPES[name].from_parts(header, own)
    if model.model_type != name:
        raise ValueError(f"its header says {name!r}, but describes a model of type {model.model_type!r}")
    if "combinations" in header:
        model.combinations = Combinations.from_dict(model.elements, header["combinations"])
    if "calibration" in header:
        model.calibration = ErrorBars.from_dict(header["calibration"])
    if (active := ActiveSet.of(tensors, len(model.elements))) is not None:
        model.active_set = active
    return model


def is_stored_like(model: Model) -> bool:
    """Return whether all its tensors are on the CPU, and numbers in float64."""
    every = [*model.parameters(), *model.buffers()]
    return all(t.device.type == "cpu" and (t.dtype == torch.float64 or not t.is_floating_point()) for t in every)


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).clone().contiguous()
