"""The range of a network's energies in the training data, see `acnn.models.readout`."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from acnn.models.network import NetworkACE
from acnn.train.batches import StructureStore, in_order
from acnn.train.validation import BATCH_ATOMS

WIDEST = 1e-6
"""eV; if the range is narrower than this, the network contributes nothing."""


def energy_bounds(model: NetworkACE, store: StructureStore, known: Collection[str] = ()) -> Tensor:
    """Return bounds [n_elements, 2] in eV of the network energies of all centers in a store.

    They include 0, the energy of an atom without neighbors. Elements to which the network contributes nothing have no
    bounds (±∞).

    Args:
        known: elements of earlier data: their bounds extend those that the model already has, if any.
    """
    is_new = torch.tensor([element not in known for element in model.elements], device=store.species.device)
    low, high = (column.masked_fill(is_new, 0.0) for column in model.readout.bounds.to(store.species.device).T)
    with torch.no_grad():
        for part in in_order(store, BATCH_ATOMS):
            graph = store.batch(part).graph
            energies = model.network_energies(graph).double()
            element = model.element_index(graph.species)[: graph.n_centers]
            low = low.scatter_reduce(0, element, energies, "amin")
            high = high.scatter_reduce(0, element, energies, "amax")
    found = torch.stack([low, high], dim=1)
    return torch.where((high - low > WIDEST)[:, None], found, found.new_tensor([-torch.inf, torch.inf]))
