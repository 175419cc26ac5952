"""Bounds of what a network says: of its energies in the training data, see `acnn.models.readout`."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from acnn.models.network import NetworkACE
from acnn.train.batches import StructureStore, in_order
from acnn.train.validation import BATCH_ATOMS

WIDEST = 1e-6
"""eV: with bounds closer to one another than this the network says nothing."""


def energy_bounds(model: NetworkACE, store: StructureStore, known: Collection[str] = ()) -> Tensor:
    """Bounds [n_elements, 2] in eV that hold the energies of all centers in a store.

    They begin with 0, the energy of an atom without neighbors. Elements that the network says nothing of have none.

    Args:
        known: elements that earlier data had: theirs begin with the bounds that the model has, perhaps none.
    """
    is_new = torch.tensor([element not in known for element in model.elements], device=store.species.device)
    low, high = (column.masked_fill(is_new, 0.0) for column in model.fitting.bounds.to(store.species.device).T)
    with torch.no_grad():
        for part in in_order(store, BATCH_ATOMS):
            graph = store.batch(part).graph
            energies = model.network_energies(graph).double()
            element = model.element_index(graph.species)[: graph.n_centers]
            low = low.scatter_reduce(0, element, energies, "amin")
            high = high.scatter_reduce(0, element, energies, "amax")
    found = torch.stack([low, high], dim=1)
    return torch.where((high - low > WIDEST)[:, None], found, found.new_tensor([-torch.inf, torch.inf]))
