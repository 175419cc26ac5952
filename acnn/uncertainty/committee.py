"""Committees: K samples c^k of the posterior of the coefficients around their mean μ (Witt et al. 2023, eq. 17).

    σ² = σ_noise² + 1/K Σ_k (x^k - x^μ)²        of an energy, a force component, a component of the virial or stress

The second, epistemic term is the spread of the committee, which more data would reduce. It is available from
`Deviations` and as the results named ``…_std`` of the ASE calculator. The first, aleatoric term is the misfit that
remains however many data there are: 1/(β w²) for a label of weight w in the fit. `acnn.models.noise.Noise` provides it
and `predictive_std` adds it. The paper's 1/λ in eq. (17) is this 1/β for a label of weight one.

Models with a network have a committee if they are ensembles: x^k are then the members, without the lower bounds of
their energies (`acnn.models.readout`), and x^μ is their mean.

Deviations from the mean are evaluated directly, so that neither E0 nor the energy itself costs precision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from acnn.graph import AtomicGraph
from acnn.potential import Potential


def spread(deviations: Tensor) -> Tensor:
    """Return sqrt(1/K Σ_k δ_k²) over the first axis: the second term of eq. (17)."""
    return deviations.square().mean(dim=0).sqrt()


def predictive_std(epistemic: Tensor, noise: float) -> Tensor:
    """Return the root of both terms of eq. (17), in the unit of both."""
    return (epistemic.square() + noise * noise).sqrt()


@dataclass(frozen=True)
class Deviations:
    """x^k - x^μ of K members on the structures of a graph.

    Attributes:
        site_energies: eV [K, n_centers], float64.
        energies: eV [K, n_structures], float64.
        forces: eV/Å [K, n_atoms, 3], None if only energies were requested.
        virials: eV [K, n_structures, 3, 3], likewise.
    """

    site_energies: Tensor
    energies: Tensor
    forces: Tensor | None = None
    virials: Tensor | None = None

    @property
    def energy_std(self) -> Tensor:
        """Standard deviations of the energies of structures, eV [n_structures]."""
        return spread(self.energies)

    @property
    def site_energies_std(self) -> Tensor:
        """Standard deviations of site energies, eV [n_centers]; they do not add up to `energy_std`."""
        return spread(self.site_energies)

    @property
    def forces_std(self) -> Tensor:
        """Standard deviations of force components, eV/Å [n_atoms, 3]."""
        return spread(_evaluated(self.forces))

    @property
    def force_norm_std(self) -> Tensor:
        """sqrt(1/K Σ_k |F_i^k - F_i^μ|²), eV/Å [n_atoms]."""
        return _evaluated(self.forces).square().sum(dim=2).mean(dim=0).sqrt()

    @property
    def virials_std(self) -> Tensor:
        """Standard deviations of virial components, eV [n_structures, 3, 3]."""
        return spread(_evaluated(self.virials))


def _evaluated(values: Tensor | None) -> Tensor:
    if values is None:
        raise ValueError("only energies were evaluated: call committee_deviations() with forces=True")
    return values


def require_committee(potential: Potential) -> None:
    """Require that a potential has a committee.

    Raises:
        ValueError: it has none; the message says how to get one.
    """
    if not potential.has_committee:
        raise ValueError(f"this model has no committee: {potential.how_to_get_a_committee}")


def committee_deviations(
    model: Potential, graph: AtomicGraph, kernel: str | None = None, forces: bool = True
) -> Deviations:
    """Compute the deviations of a committee's members from the model.

    In the compiled kernel the energies of 8 members cost about as much as one evaluation of the model with forces;
    forces cost half an evaluation per member with small models, and almost a whole one with large models.

    Args:
        kernel: as in `Potential.pair_gradients`.
        forces: compute forces and virials too.

    Raises:
        ValueError: the model has no committee.
    """
    require_committee(model)
    with torch.no_grad():
        site_energies, *others = model.committee_of(graph, kernel, forces)
    centers = graph.structure[: graph.n_centers]
    zeros = site_energies.new_zeros(len(site_energies), graph.n_structures)
    return Deviations(site_energies, zeros.index_add(1, centers, site_energies), *others)
