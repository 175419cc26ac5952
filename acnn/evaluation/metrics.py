"""Errors of a potential on labeled structures, by configuration type.

Energies per atom and virials per atom in meV/atom (virials: the six Voigt components), force components in eV/Å.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.neighbors import atomic_graph
from acnn.potential import Potential

TOTAL = "total"
QUANTITIES = ("energy", "forces", "virial")
UNITS = {"energy": "meV/atom", "forces": "eV/Å", "virial": "meV/atom"}


@dataclass
class Parity:
    """Labels and predictions of one quantity, in the units of the error table."""

    labels: list[FloatArray] = field(default_factory=list)
    predictions: list[FloatArray] = field(default_factory=list)

    def add(self, label: FloatArray, prediction: FloatArray) -> None:
        self.labels.append(np.atleast_1d(label))
        self.predictions.append(np.atleast_1d(prediction))

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """All labels and predictions, flat."""
        if not self.labels:
            return np.zeros(0), np.zeros(0)
        return np.concatenate(self.labels), np.concatenate(self.predictions)


class ErrorTable:
    """Collects predictions and summarizes them: config type -> quantity -> MAE, RMSE and count."""

    def __init__(self) -> None:
        self.parity: dict[str, dict[str, Parity]] = {}

    def add(self, structure: LabeledStructure, energy: float, forces: FloatArray, virial: FloatArray) -> None:
        """Predictions for one structure: energy (eV), forces (eV/Å), virial (eV, 3x3)."""
        of_type = self.parity.setdefault(structure.config_type, {q: Parity() for q in QUANTITIES})
        per_atom = MEV_PER_EV / len(structure.atoms)
        if structure.energy is not None:
            of_type["energy"].add(np.array([structure.energy * per_atom]), np.array([energy * per_atom]))
        if structure.forces is not None:
            of_type["forces"].add(structure.forces.reshape(-1), forces.reshape(-1))
        if structure.virial is not None:
            of_type["virial"].add(voigt_from_full(structure.virial) * per_atom, voigt_from_full(virial) * per_atom)

    @classmethod
    def merged(cls, tables: Iterable[ErrorTable]) -> ErrorTable:
        """One table of all predictions."""
        whole = cls()
        for table in tables:
            for name, of_type in table.parity.items():
                mine = whole.parity.setdefault(name, {q: Parity() for q in QUANTITIES})
                for quantity, parity in of_type.items():
                    mine[quantity].labels += parity.labels
                    mine[quantity].predictions += parity.predictions
        return whole

    def total(self, quantity: str) -> Parity:
        whole = Parity()
        for of_type in self.parity.values():
            whole.labels += of_type[quantity].labels
            whole.predictions += of_type[quantity].predictions
        return whole

    def as_dict(self) -> dict[str, dict[str, float | int | None]]:
        """{config type or "total": {energy_mae, energy_rmse, energy_count, forces_mae, …}}; None without labels."""
        rows = {
            f"{name} (config type)" if name == TOTAL else name: {q: of_type[q] for q in QUANTITIES}
            for name, of_type in sorted(self.parity.items())
        }
        rows[TOTAL] = {q: self.total(q) for q in QUANTITIES}
        return {name: _summary(row) for name, row in rows.items()}


def _summary(row: dict[str, Parity]) -> dict[str, float | int | None]:
    summary: dict[str, float | int | None] = {}
    for quantity, parity in row.items():
        labels, predictions = parity.arrays
        errors = predictions - labels
        summary[f"{quantity}_mae"] = float(np.abs(errors).mean()) if len(errors) else None
        summary[f"{quantity}_rmse"] = float(np.sqrt((errors**2).mean())) if len(errors) else None
        summary[f"{quantity}_count"] = len(errors)
    return summary


def evaluate(
    potential: Potential,
    structures: Iterable[LabeledStructure],
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> ErrorTable:
    """Predictions for all structures; ``advance`` is called after each, ``kernel`` as in `Potential.pair_gradients`."""
    table = ErrorTable()
    for structure in structures:
        found = potential.pair_gradients(atomic_graph(structure.atoms, potential.cutoff), kernel)
        table.add(structure, float(found.energies[0]), found.forces.numpy(), found.virials[0].numpy())
        advance()
    return table
