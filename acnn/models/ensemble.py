"""Ensembles: several models, trained from different seeds or on different data, and what they say on average.

    x = 1/K Σ_k x^k              of energies, forces and virials
    σ = sqrt(1/K Σ_k (x^k - x)²)                    see `acnn.uncertainty.committee`

This, rather than a posterior of the last layer, is the committee of network and attention models: the last layer knows
nothing of what the layers before it might have learned instead, and its posterior needs the training data again. An
ensemble costs K times as much to train and to evaluate, and its mean is more accurate than one of its members.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from acnn.graph import AtomicGraph
from acnn.kernels.potentials import CompiledPotential, MeanKernel
from acnn.models.fixed_terms import ReferenceEnergies
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE


class Ensemble(CompiledPotential):
    """The mean of its members.

    Args:
        members: two models or more of the same elements.
    """

    level = "ensemble"
    noise = None
    takes_longer_pairs = True

    def __init__(self, members: Sequence[LinearACE | NetworkACE]) -> None:
        super().__init__()
        _require_alike(members)
        self.members = nn.ModuleList(members)
        self.elements = members[0].elements
        self.cutoff = max(member.cutoff for member in members)

    @property
    def models(self) -> list[LinearACE | NetworkACE]:
        """The members."""
        return list(self.members)  # type: ignore[arg-type]

    @property
    def e0(self) -> ReferenceEnergies:
        """The mean over the members: E0 by least squares depends a little on the data."""
        every = [member.e0.energies for member in self.models]
        return ReferenceEnergies(self.elements, {e: float(np.mean([of[e] for of in every])) for e in self.elements})

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """e_i in eV [n_centers], float64."""
        return torch.stack([member.site_energies(graph) for member in self.models]).mean(dim=0)

    def energy_kernel(self) -> MeanKernel:
        """The compiled members."""
        return MeanKernel([member.energy_kernel() for member in self.models])


def _require_alike(members: Sequence[LinearACE | NetworkACE]) -> None:
    if len(members) < 2:
        raise ValueError(f"an ensemble has two members or more, not {len(members)}")
    for member in members:
        if not isinstance(member, LinearACE | NetworkACE):
            raise ValueError(f"a {type(member).__name__} cannot be a member of an ensemble")
        if member.elements != members[0].elements:
            other, first = (", ".join(of.elements) for of in (member, members[0]))
            raise ValueError(f"members of an ensemble have the same elements, not {first} and {other}")
