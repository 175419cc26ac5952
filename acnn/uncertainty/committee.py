"""Committees: K samples c^k of the posterior of the coefficients beside their mean μ (Witt et al. 2023, eq. 17).

    σ² = σ_noise² + 1/K Σ_k (x^k - x^μ)²        of an energy, a force component, a component of the virial or stress

The second, epistemic term is the spread of the committee: what more data would reduce. `Deviations` gives it, and so do
all results named ``…_std`` of the ASE calculator. The first, aleatoric term is the misfit that the model keeps however
many data there are: 1/(β w²) for a label of weight w in the fit; `acnn.models.noise.Noise` gives it, `predictive_std`
adds it. The paper's 1/λ in eq. (17) is this 1/β for a label of weight one.

Models with a network have a committee where they are ensembles: x^k are then the members, without the floor at which
their energies level off (`acnn.models.readout`), and x^μ the mean of these.

Deviations from the mean are evaluated as such: neither E0 nor the energy itself costs them digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from acnn.graph import AtomicGraph, subgraph
from acnn.kernels.loading import runs_on, uses_compiled_kernel
from acnn.models.ensemble import Ensemble
from acnn.models.levels import Model
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.potential import Potential


def spread(deviations: Tensor) -> Tensor:
    """sqrt(1/K Σ_k δ_k²) over the first axis: the second term of eq. (17)."""
    return deviations.square().mean(dim=0).sqrt()


def predictive_std(epistemic: Tensor, noise: float) -> Tensor:
    """The root of both terms of eq. (17), in the unit of both."""
    return (epistemic.square() + noise * noise).sqrt()


@dataclass(frozen=True)
class Deviations:
    """x^k - x^μ of K members on the structures of a graph.

    Attributes:
        site_energies: eV [K, n_centers], float64.
        energies: eV [K, n_structures], float64.
        forces: eV/Å [K, n_atoms, 3], None where only energies were asked for.
        virials: eV [K, n_structures, 3, 3], likewise.
    """

    site_energies: Tensor
    energies: Tensor
    forces: Tensor | None = None
    virials: Tensor | None = None

    @property
    def energy_std(self) -> Tensor:
        """Of the energies of structures, eV [n_structures]."""
        return spread(self.energies)

    @property
    def site_energies_std(self) -> Tensor:
        """Of the energies of single atoms, eV [n_centers]; they do not add up to `energy_std`."""
        return spread(self.site_energies)

    @property
    def forces_std(self) -> Tensor:
        """Of force components, eV/Å [n_atoms, 3]."""
        return spread(_asked(self.forces))

    @property
    def force_norm_std(self) -> Tensor:
        """sqrt(1/K Σ_k |F_i^k - F_i^μ|²), eV/Å [n_atoms]."""
        return _asked(self.forces).square().sum(dim=2).mean(dim=0).sqrt()

    @property
    def virials_std(self) -> Tensor:
        """Of components of the virials, eV [n_structures, 3, 3]."""
        return spread(_asked(self.virials))


def _asked(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("only energies were evaluated: ask committee_deviations() for forces")
    return values


def has_committee(potential: Potential) -> bool:
    """Whether a potential can tell how uncertain it is."""
    return isinstance(potential, Ensemble) or (isinstance(potential, LinearACE) and potential.committee is not None)


def require_committee(potential: Potential) -> None:
    """
    Raises:
        ValueError: the potential has no committee; the sentence says how to get one.
    """
    if not has_committee(potential):
        linear = isinstance(potential, LinearACE)
        how = "fit it with acnn fit --committee 16" if linear else "train it with several seeds, and use acnn ensemble"
        raise ValueError(f"this model has no committee: {how}")


def committee_deviations(
    model: Model, graph: AtomicGraph, kernel: str | None = None, forces: bool = True
) -> Deviations:
    """What the members of a model's committee find beyond the model itself.

    In the compiled kernel the energies of 8 members cost about as much as one evaluation of the model with forces;
    forces cost half an evaluation for each member with small models, and nearly a whole one with large models.

    Args:
        kernel: as in `Potential.pair_gradients`.
        forces: find forces and virials too.

    Raises:
        ValueError: the model has no committee.
    """
    if kernel == "cpu" and not runs_on(graph):
        raise ValueError("the compiled kernel takes graphs on the CPU in float64 or float32: choose auto or torch")
    require_committee(model)
    with torch.no_grad():
        found: tuple[Tensor, ...]
        if not isinstance(model, LinearACE):
            found = _of_members(model, graph, kernel, forces)
        elif runs_on(graph) and uses_compiled_kernel(kernel):
            members = model.deviations_kernel()
            found = members.sums(graph) if forces else (members.energies(graph),)
        else:
            found = _by_torch(model, graph) if forces else (_energies_by_torch(model, graph),)
    site_energies, *others = found
    centers = graph.structure[: graph.n_centers]
    zeros = site_energies.new_zeros(len(site_energies), graph.n_structures)
    return Deviations(site_energies, zeros.index_add(1, centers, site_energies), *others)


def _of_members(model: Model, graph: AtomicGraph, kernel: str | None, forces: bool) -> tuple[Tensor, ...]:
    """Site energies, and forces and virials if they are asked for, of every member of an ensemble less their mean."""
    every = cast("Ensemble", model).models
    members = [member.without_floor() if isinstance(member, NetworkACE) else member for member in every]
    found = [member.pair_gradients(graph, kernel) for member in members]
    parts = [(one.site_energies, one.forces, one.virials) if forces else (one.site_energies,) for one in found]
    stacked = [torch.stack(part) for part in zip(*parts, strict=True)]
    return tuple(part - part.mean(dim=0) for part in stacked)


def _energies_by_torch(model: LinearACE, graph: AtomicGraph) -> Tensor:
    """δc·B, the basis once for all members."""
    deviations = model.deviations()
    energies = graph.pair_vectors.new_zeros(len(deviations), graph.n_centers, dtype=torch.float64)
    for centers, pairs in graph.center_chunks(model.max_pairs_per_chunk, model.max_centers_per_chunk):
        energies[:, centers] = deviations.double() @ model.basis(subgraph(graph, centers, pairs)).double()
    return energies


def _by_torch(model: LinearACE, graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
    """One model after the other: what the kernel is compared with, and what runs on other devices."""
    found = [one.pair_gradients(graph, "torch") for one in _deviating_models(model)]
    parts = [(one.site_energies, one.forces, one.virials) for one in found]
    energies, forces, virials = (torch.stack(part) for part in zip(*parts, strict=True))
    return energies, forces, virials


def _deviating_models(model: LinearACE) -> Iterator[LinearACE]:
    for deviation in model.deviations():
        yield LinearACE(model.basis, dict.fromkeys(model.elements, 0.0), deviation).to(deviation.device)
