"""Errors of the network on the structures of a store, for validation after an epoch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from acnn.conventions import ERROR_UNITS, MEASURES, MEV_PER_EV, QUANTITIES, VOIGT_COLUMNS, VOIGT_ROWS
from acnn.models.network import NetworkACE
from acnn.parallel import ALONE, Ranks
from acnn.potential import PairGradients
from acnn.train.batches import Batch, StructureStore, in_order

UNITS = ERROR_UNITS | {"forces": "meV/Å"}
"""A score adds up the three quantities, so that all are in meV."""
BATCH_ATOMS = 512

Errors = dict[str, float | None]
"""{energy_mae, energy_rmse, forces_mae, …} in meV/atom, meV/Å, meV/atom; None without labels."""


def network_gradients(model: NetworkACE, batch: Batch, create_graph: bool = False) -> PairGradients:
    """Return energies (float64) and pair gradients of the part that is trained.

    Args:
        create_graph: keep the graph, so that a loss of them can be differentiated.
    """
    vectors = batch.graph.pair_vectors.detach().requires_grad_(True)
    graph = batch.graph.with_pair_vectors(vectors)
    energies = model.network_energies(graph)
    (gradients,) = torch.autograd.grad(energies.sum(), vectors, create_graph=create_graph, materialize_grads=True)
    if not create_graph:
        return PairGradients(batch.graph, energies.detach().double(), gradients)
    return PairGradients(graph, energies.double(), gradients)


def network_errors(
    model: NetworkACE, store: StructureStore, ranks: Ranks = ALONE, batch_atoms: int = BATCH_ATOMS
) -> Errors:
    """Return the errors over all structures with neighbors; each process evaluates its share."""
    sums = torch.zeros(3, 3, dtype=torch.float64, device=store.species.device)
    for part in in_order(store, batch_atoms)[ranks.rank :: ranks.size]:
        if len(part):
            batch = store.batch(part)
            sums += _sums(network_gradients(model, batch), batch)
    table = ranks.total(sums).tolist()
    return {
        f"{quantity}_{measure}": MEV_PER_EV * value if count else None
        for quantity, (absolute, square, count) in zip(QUANTITIES, table, strict=True)
        for measure, value in zip(MEASURES, (absolute / max(count, 1), (square / max(count, 1)) ** 0.5), strict=True)
    }


def _sums(found: PairGradients, batch: Batch) -> Tensor:
    """Return Σ|Δ|, ΣΔ² and the number of labels for each quantity [3, 3]."""
    labels = batch.labels
    virials = (found.virials - labels.virials)[:, VOIGT_ROWS, VOIGT_COLUMNS]
    errors = (
        (found.energies - labels.energies) / labels.n_atoms,
        found.forces - labels.forces,
        virials / labels.n_atoms[:, None],
    )
    counting = (labels.energy_weights > 0, labels.force_weights > 0, labels.virial_weights > 0)
    kept = [error.double()[counts] for error, counts in zip(errors, counting, strict=True)]
    return torch.stack([torch.stack([e.abs().sum(), e.square().sum(), e.new_tensor(e.numel())]) for e in kept])


def score(errors: Errors, weights: Mapping[str, float], measure: str) -> float:
    """Return Σ_q weight_q · MAE_q (or RMSE_q), lower is better; quantities without labels do not count."""
    return sum(weight * (errors[f"{quantity}_{measure}"] or 0.0) for quantity, weight in weights.items())
