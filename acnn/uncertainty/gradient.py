"""The gradient of the spread of an energy, by one back-propagation for all members of a committee.

    σ = sqrt(1/K Σ_k δ_k²),  δ_k = δc_k·Σ_i f_i        ∇σ = Σ_k w_k δc_k·∇Σ_i f_i,  w_k = δ_k / (K σ)

This is what biased dynamics need (Witt et al. 2023, eq. 18). The committee must be one of coefficients: that of a
linear model, or of the last layer of a network.
"""

from __future__ import annotations

from typing import Any

import torch

from acnn.graph import AtomicGraph
from acnn.potential import PairGradients
from acnn.uncertainty.committee import require_committee


def spread_gradients(model: Any, graph: AtomicGraph, kernel: str | None = None) -> PairGradients:
    """Return σ of the energy of each structure as the energy of a potential, without the factors of a calibration.

    Returns:
        ``energies`` are σ in eV [n_structures], ``forces`` -∇σ in eV/Å [n_atoms, 3], ``virials`` -∂σ/∂ε in eV. Where
        all members agree, all of them are 0.

    Raises:
        ValueError: the model has no committee of coefficients.
    """
    require_committee(model)
    deviations = model.deviations().double()
    features = model.features(graph, kernel)
    centers = graph.structure[: graph.n_centers]
    sums = features.values.new_zeros(graph.n_structures, features.n_features, dtype=torch.float64)
    sums.index_add_(0, centers, features.values.double())
    of_members = deviations.to(sums) @ sums.T
    spread = of_members.square().mean(dim=0).sqrt()
    shares = of_members / (len(deviations) * torch.where(spread > 0, spread, torch.inf))
    return features.weighted((shares.T @ deviations.to(sums))[centers])
