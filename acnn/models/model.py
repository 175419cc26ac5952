"""What a model is: a potential with a compiled form, a file, and a description.

A new type of model is one module of this package with one class, which is registered under its names:

    @register("linear")
    class LinearACE(Model): ...

Nothing outside this package asks of which class a model is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from acnn.graph import AtomicGraph
from acnn.kernels.potentials import CompiledPotential
from acnn.models.features import SiteFeatures
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.noise import Noise

Header = dict[str, Any]
Tensors = dict[str, Tensor]
M = TypeVar("M", bound="Model")

MODEL_TYPES: dict[str, type[Model]] = {}
"""Classes by the names of their types."""


class Model(CompiledPotential):
    """A potential that can be stored, compiled and described.

    Subclasses implement `site_energies` and `energy_kernel` (see `Potential` and `CompiledPotential`), `to_parts` and
    `from_parts` for their files, and `describe`; `features` where their energies are linear in some. Those with a
    committee say so by `has_committee`, and implement `committee_of`.

    Attributes:
        model_type: the name of its type, as in its file.
        noise: what the fit assumed of its labels, None where that is not known.
    """

    header_keys: ClassVar[tuple[str, ...]] = ()
    """Entries that the header of its file must have."""
    takes_longer_pairs = True
    noise: Noise | None

    @property
    def e0(self) -> ReferenceEnergies:
        """The energies of isolated atoms."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its E0 are")

    @property
    def reference_energies(self) -> dict[str, float]:
        """E0 in eV by element."""
        return self.e0.energies

    def to_parts(self) -> tuple[Header, Tensors]:
        """Entries of the header of its file, which JSON can hold, and tensors."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is stored")

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> Model:
        """The model of a header and tensors.

        Raises:
            KeyError, TypeError, ValueError: they do not make a model.
        """
        raise NotImplementedError(f"{cls.__name__} does not say how it is stored")

    def features(self, graph: AtomicGraph, kernel: str | None = None) -> SiteFeatures:
        """What its site energies are linear in, and its gradient products.

        Args:
            kernel: as in `Potential.pair_gradients`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what its site energies are linear in")

    def without_floor(self) -> Model:
        """The same model whose energies do not level off where there are no data; others are as they are."""
        return self

    def describe_program(self) -> list[tuple[str, str]]:
        """Facts of its compiled form, as `describe` has them of the model."""
        return []


def register(*names: str) -> Callable[[type[M]], type[M]]:
    """A decorator of classes: they are the types of models of these names."""

    def registered(model_class: type[M]) -> type[M]:
        MODEL_TYPES.update(dict.fromkeys(names, model_class))
        return model_class

    return registered


def stored_parts(model: Model) -> tuple[Header, Tensors]:
    """As `Model.to_parts`, with tensors on the CPU, numbers in float64."""
    header, tensors = model.to_parts()
    return {"model_type": model.model_type, **header}, {name: _stored(value) for name, value in tensors.items()}


def model_of(header: Mapping[str, Any], tensors: Tensors) -> Model:
    """The model of `stored_parts`.

    Raises:
        KeyError, TypeError, ValueError: they do not make a model.
    """
    name = header["model_type"]
    model = MODEL_TYPES[name].from_parts(header, tensors)
    if model.model_type != name:
        raise ValueError(f"its header says {name!r}, and what it describes is of the type {model.model_type!r}")
    return model


def is_stored_like(model: Model) -> bool:
    """Whether all its tensors are on the CPU, and numbers in float64."""
    every = [*model.parameters(), *model.buffers()]
    return all(t.device.type == "cpu" and (t.dtype == torch.float64 or not t.is_floating_point()) for t in every)


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.double() if value.is_floating_point() else value).clone().contiguous()
