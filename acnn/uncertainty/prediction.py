"""Predictions of a model with a committee on labeled structures: errors and their standard deviations."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.evaluation.calibration import Predicted
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.uncertainty.committee import committee_deviations


def predict(
    model: Potential,
    structures: Iterable[LabeledStructure],
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> dict[str, Predicted]:
    """Return errors on labeled structures with predicted standard deviations, for every quantity with labels.

    Energies and virials (six Voigt components) in meV/atom, force components in eV/Å.

    Raises:
        ValueError: the model has no committee.
    """
    rows: dict[str, list[FloatArray]] = {"energy": [], "forces": [], "virial": []}
    for structure in structures:
        for quantity, row in _rows(model, structure, kernel).items():
            rows[quantity].append(row)
        advance()
    return {quantity: Predicted(*np.concatenate(found, axis=1)) for quantity, found in rows.items() if found}


def _rows(model: Potential, structure: LabeledStructure, kernel: str | None) -> dict[str, FloatArray]:
    """Return error, epistemic and aleatoric standard deviation [3, n] of the quantities with labels."""
    graph = atomic_graph(structure.atoms, model.cutoff)
    found = model.pair_gradients(graph, kernel)
    deviations = committee_deviations(
        model, graph, kernel, structure.forces is not None or structure.virial is not None
    )
    per_atom, n_atoms, of_type = MEV_PER_EV / len(structure), len(structure), structure.config_type
    noise, rows = model.noise, {}
    if structure.energy is not None:
        error = float(found.energies[0]) - structure.energy
        std = noise.energy_std(n_atoms, of_type) if noise else np.inf
        rows["energy"] = per_atom * _row(error, deviations.energy_std.numpy(), std)
    if structure.forces is not None:
        std = noise.forces_std(of_type) if noise else np.inf
        rows["forces"] = _row(found.forces.numpy() - structure.forces, deviations.forces_std.numpy(), std)
    if structure.virial is not None:
        error_voigt = voigt_from_full(found.virials[0].numpy()) - voigt_from_full(structure.virial)
        std = noise.virial_std(n_atoms, of_type) if noise else np.inf
        rows["virial"] = per_atom * _row(error_voigt, voigt_from_full(deviations.virials_std[0].numpy()), std)
    return rows


def _row(errors: FloatArray | float, epistemic: FloatArray, aleatoric: float) -> FloatArray:
    flat = np.reshape(epistemic, -1)
    return np.stack([np.reshape(errors, -1), flat, np.full(len(flat), aleatoric)])
