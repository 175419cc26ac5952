"""Predictions of a model with a committee on labeled structures: errors and their standard deviations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.evaluation.calibration import Predicted
from acnn.models.calibration import EVERY, ErrorBars
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
    """Return errors, epistemic and aleatoric standard deviations, and scales [4, n] of the quantities with labels."""
    graph = atomic_graph(structure.atoms, model.cutoff)
    found = model.pair_gradients(graph, kernel)
    deviations = committee_deviations(
        model, graph, kernel, structure.forces is not None or structure.virial is not None
    )
    per_atom, n_atoms, of_type = MEV_PER_EV / len(structure), len(structure), structure.config_type
    noise, rows, bars = model.noise, {}, model.calibration
    elements = structure.atoms.get_chemical_symbols()
    if structure.energy is not None:
        error = float(found.energies[0]) - structure.energy
        std = noise.energy_std(n_atoms, of_type) if noise else np.inf
        rows["energy"] = _row(error, deviations.energy_std.numpy(), std, _factors(bars, "energy", 1), per_atom)
    if structure.forces is not None:
        std = noise.forces_std(of_type) if noise else np.inf
        scales = np.repeat(_factors(bars, "forces", n_atoms, elements), 3)
        rows["forces"] = _row(found.forces.numpy() - structure.forces, deviations.forces_std.numpy(), std, scales)
    if structure.virial is not None:
        error_voigt = voigt_from_full(found.virials[0].numpy()) - voigt_from_full(structure.virial)
        std, spread = noise.virial_std(n_atoms, of_type) if noise else np.inf, deviations.virials_std[0].numpy()
        rows["virial"] = _row(error_voigt, voigt_from_full(spread), std, _factors(bars, "stress", 6), per_atom)
    return rows


def _factors(bars: ErrorBars | None, quantity: str, n: int, groups: Sequence[str] = ()) -> FloatArray:
    if bars is None or not bars.covers(quantity):
        return np.full(n, np.inf)
    return bars.factors(quantity, groups or [EVERY] * n, "std")


def _row(
    errors: FloatArray | float, epistemic: FloatArray, aleatoric: float, scales: FloatArray, unit: float = 1.0
) -> FloatArray:
    flat = np.reshape(epistemic, -1)
    return np.stack([unit * np.reshape(errors, -1), unit * flat, np.full(len(flat), unit * aleatoric), scales])
