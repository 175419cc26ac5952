"""Ensembles: the average of several models, trained from different seeds or on different data.

    x = 1/K Σ_k x^k              of energies, forces and virials
    σ = sqrt(1/K Σ_k (x^k - x)²)                    see `acnn.uncertainty.committee`

An ensemble, rather than a posterior of the last layer, is the committee of network and attention models: the last layer
does not reflect what the layers before it might have learned instead, and its posterior requires the training data. An
ensemble costs K times as much to train and to evaluate, and its mean is more accurate than its members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acnn.graph import AtomicGraph
from acnn.kernels.potentials import MeanKernel
from acnn.models.features import SiteFeatures, side_by_side
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.model import Header, Model, Tensors, model_of, register
from acnn.potential import Description


@register("ensemble")
class Ensemble(Model):
    """The mean of its members.

    Args:
        members: two or more models of the same elements, none of them an ensemble.
    """

    model_type = "ensemble"
    header_keys = ("members",)
    has_committee = True
    noise = None

    def __init__(self, members: Sequence[Model]) -> None:
        super().__init__()
        _require_alike(members)
        self._members = nn.ModuleList(members)
        self.elements = members[0].elements
        self.cutoff = max(member.cutoff for member in members)
        known = [member.combinations for member in members if member.combinations is not None]
        if len(known) == len(members):  # what some member has not seen is no better known on average
            self.combinations = known[0].common_with(*known[1:])

    def members(self) -> list[Model]:
        """Return the models."""
        return list(self._members)  # type: ignore[arg-type]

    @property
    def e0(self) -> ReferenceEnergies:
        """The mean over the members: E0 from least squares depends slightly on the data."""
        every = [member.reference_energies for member in self.members()]
        return ReferenceEnergies(self.elements, {e: float(np.mean([of[e] for of in every])) for e in self.elements})

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return e_i in eV [n_centers], float64."""
        return torch.stack([member.site_energies(graph) for member in self.members()]).mean(dim=0)

    def energy_kernel(self) -> MeanKernel | None:
        """Return the compiled members, if all have a compiled form."""
        kernels = [member.energy_kernel() for member in self.members()]
        return MeanKernel([kernel for kernel in kernels if kernel]) if all(kernels) else None

    def features(self, graph: AtomicGraph, kernel: str | None = None) -> SiteFeatures:
        """Return the features of all members side by side, with coefficients divided by the number of members."""
        found = side_by_side([member.features(graph, kernel) for member in self.members()])
        return replace(found, coefficients=found.coefficients / len(self._members))

    def committee_of(self, graph: AtomicGraph, kernel: str | None, forces: bool) -> tuple[Tensor, ...]:
        """Return the members, without the lower bounds of their energies, minus their mean."""
        found = [member.without_bounds().pair_gradients(graph, kernel) for member in self.members()]
        parts = [(one.site_energies, one.forces, one.virials) if forces else (one.site_energies,) for one in found]
        stacked = [torch.stack(part) for part in zip(*parts, strict=True)]
        return tuple(part - part.mean(dim=0) for part in stacked)

    def to_parts(self) -> tuple[Header, Tensors]:
        """Return the parts of each member, its tensors with "0.", "1.", … before their names."""
        parts = [(member.model_type, *member.to_parts()) for member in self.members()]
        members = [{"model_type": name, **header} for name, header, _ in parts]
        return {"members": members}, {f"{k}.{name}": t for k, part in enumerate(parts) for name, t in part[2].items()}

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> Ensemble:
        """Make the model from a header and tensors."""
        members = header["members"]
        parts: list[Tensors] = [{} for _ in members]
        for name, value in tensors.items():
            k, of_member = name.split(".", 1)
            if int(k) >= len(members):
                raise ValueError(f"a tensor {name} and {len(members)} members")
            parts[int(k)][of_member] = value
        return cls([model_of(one, part) for one, part in zip(members, parts, strict=True)])

    def summary(self) -> dict[str, str]:
        """Return the number of members."""
        return {"ensemble of": str(len(self._members))}

    def describe(self) -> list[Description]:
        """Describe the members, the first one in full."""
        members = self.members()
        rows = [
            ("prediction", "the mean of the members; their spread is the uncertainty"),
            ("model types", ", ".join(member.model_type for member in members)),
        ]
        first, *parts = members[0].describe()
        title = f"ensemble of {len(members)}"
        return [
            Description(title, rows),
            Description(f"first member: {first.title}", first.rows),
            *(Description(f"{part.title} of the first member", part.rows) for part in parts),
        ]


def _require_alike(members: Sequence[Model]) -> None:
    if len(members) < 2:
        raise ValueError(f"an ensemble needs at least two members, not {len(members)}")
    for member in members:
        if not isinstance(member, Model) or isinstance(member, Ensemble):
            raise ValueError(f"a {type(member).__name__} cannot be a member of an ensemble")
        if member.elements != members[0].elements:
            other, first = (", ".join(of.elements) for of in (member, members[0]))
            raise ValueError(f"members of an ensemble must have the same elements, not {first} and {other}")
