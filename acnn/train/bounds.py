"""Bounds of what a network says: of its energies in the training data, see `acnn.models.fitting`."""

from __future__ import annotations

import torch
from torch import Tensor

from acnn.models.network import NetworkACE
from acnn.train.batches import StructureStore, cut, n_batches

BATCH_ATOMS = 512
WIDEST = 1e-6
"""eV: with bounds closer to one another than this the network says nothing."""


def with_energies_of(bounds: Tensor, model: NetworkACE, store: StructureStore) -> Tensor:
    """Bounds [n_elements, 2] in eV that hold the energies of all centers in a store as well.

    Those of an element begin with what they are, if they are known, and with 0, the energy of an atom without
    neighbors. Elements that the network says nothing of have none.
    """
    low, high = (torch.where(column.isfinite(), column, 0.0).to(store.species.device) for column in bounds.T)
    everything = torch.arange(len(store), device=store.atoms.device)
    with torch.no_grad():
        for part in cut(everything, store.pairs, n_batches(store.atoms, BATCH_ATOMS)):
            graph = store.batch(part).graph
            energies = model.network_energies(graph).double()
            element = model.element_index(graph.species)[: graph.n_centers]
            low = low.scatter_reduce(0, element, energies, "amin")
            high = high.scatter_reduce(0, element, energies, "amax")
    found = torch.stack([low, high], dim=1).to(bounds)
    said = (high - low > WIDEST).to(bounds.device)
    return torch.where(said[:, None], found, bounds.new_tensor([-torch.inf, torch.inf]))
