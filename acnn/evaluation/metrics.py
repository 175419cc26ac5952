"""Errors of a potential on labeled structures, by configuration type and by number of elements.

Energies per atom and virials per atom in meV/atom (virials: the six Voigt components), force components in eV/Å.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV, QUANTITIES, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.data.energies import binding_energy
from acnn.evaluation.tables import error_block, errors_in_words
from acnn.html.rendering import fragment
from acnn.neighbors import atomic_graph
from acnn.plots import Look, parity_figure, shown_axes
from acnn.potential import Potential
from acnn.progress import Advance, advance_of
from acnn.wording import TOTAL, counted

K = TypeVar("K")


@dataclass
class Parity:
    """Labels and predictions of one quantity, in the units of the error table."""

    labels: list[FloatArray] = field(default_factory=list)
    predictions: list[FloatArray] = field(default_factory=list)

    def add(self, label: FloatArray, prediction: FloatArray) -> None:
        """Add labels and their predictions."""
        self.labels.append(np.atleast_1d(label))
        self.predictions.append(np.atleast_1d(prediction))

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """All labels and predictions, flat."""
        if not self.labels:
            return np.zeros(0), np.zeros(0)
        return np.concatenate(self.labels), np.concatenate(self.predictions)

    @property
    def errors(self) -> FloatArray:
        """Prediction minus label, flat."""
        labels, predictions = self.arrays
        return predictions - labels

    @property
    def mae(self) -> float | None:
        """Mean absolute error; None without labels."""
        return float(np.abs(self.errors).mean()) if len(self.errors) else None

    @property
    def rmse(self) -> float | None:
        """Root mean square error; None without labels."""
        return float(np.sqrt((self.errors**2).mean())) if len(self.errors) else None

    def summary(self) -> dict[str, float | int | None]:
        """Return MAE, RMSE and the number of labels."""
        return {"mae": self.mae, "rmse": self.rmse, "count": len(self.errors)}


class ErrorTable:
    """Collects predictions and summarizes them: config type -> quantity -> MAE, RMSE and count.

    Args:
        reference_energies: E0 by element, eV; `binding_energies` are relative to them.

    Attributes:
        parity: labels and predictions by config type and quantity.
        binding_energies: `binding_energy` of the structures with an energy, by config type, in the order of ``parity``.
        components: labels and predictions by number of elements in the structure and quantity.
    """

    def __init__(self, reference_energies: Mapping[str, float] | None = None) -> None:
        self.reference_energies = dict(reference_energies or {})
        self.parity: dict[str, dict[str, Parity]] = {}
        self.binding_energies: dict[str, list[float]] = {}
        self.components: dict[int, dict[str, Parity]] = {}

    def __repr__(self) -> str:
        return f"<ErrorTable of {counted(len(self.parity), 'config type')}: {errors_in_words(self.as_dict()[TOTAL])}>"

    def _repr_html_(self) -> str:
        """Return the table, for notebooks."""
        return fragment([error_block(self.as_dict())])

    def plot(self) -> Any:
        """Draw predictions and errors against the labels, by config type; return matplotlib's axes [2 n_quantities]."""
        if not self.quantities:
            raise ValueError("there are no labels, and so no errors to draw")
        types = Look(sorted(self.parity))
        return shown_axes(lambda: parity_figure(self, types), types)

    def add(self, structure: LabeledStructure, energy: float, forces: FloatArray, virial: FloatArray) -> None:
        """Add the predictions for one structure: energy (eV), forces (eV/Å), virial (eV, 3x3)."""
        if structure.energy is not None:
            binding = binding_energy(structure, self.reference_energies)
            self.binding_energies.setdefault(structure.config_type, []).append(binding)
        n_elements = len(set(structure.atoms.symbols))
        for found in (_of(self.parity, structure.config_type), _of(self.components, n_elements)):
            _add(found, structure, energy, forces, virial)

    @classmethod
    def merged(cls, tables: Iterable[ErrorTable]) -> ErrorTable:
        """Merge tables into one of all predictions."""
        whole = cls()
        for table in tables:
            _merge(whole.parity, table.parity)
            _merge(whole.components, table.components)
            for name, energies in table.binding_energies.items():
                whole.binding_energies.setdefault(name, []).extend(energies)
        return whole

    @property
    def quantities(self) -> list[str]:
        """The quantities that have labels."""
        return [quantity for quantity in QUANTITIES if self.total(quantity).labels]

    def total(self, quantity: str) -> Parity:
        """Return labels and predictions of all config types."""
        whole = Parity()
        for of_type in self.parity.values():
            whole.labels += of_type[quantity].labels
            whole.predictions += of_type[quantity].predictions
        return whole

    def as_dict(self) -> dict[str, dict[str, float | int | None]]:
        """Return {config type or "total": {energy_mae, energy_rmse, energy_count, …}}; None without labels."""
        rows = {
            f"{name} (config type)" if name == TOTAL else name: {q: of_type[q] for q in QUANTITIES}
            for name, of_type in sorted(self.parity.items())
        }
        rows[TOTAL] = {q: self.total(q) for q in QUANTITIES}
        return {name: _summary(row) for name, row in rows.items()}

    def by_components(self) -> dict[str, dict[str, float | int | None]]:
        """Return the same by number of elements in the structure, {"1 element": …, "2 elements": …}, ascending.

        Empty if no structure has more than one element.
        """
        numbers = sorted(self.components) if max(self.components, default=1) > 1 else []
        return {counted(n, "element"): _summary(self.components[n]) for n in numbers}


def _of(groups: dict[K, dict[str, Parity]], key: K) -> dict[str, Parity]:
    return groups.setdefault(key, {quantity: Parity() for quantity in QUANTITIES})


def _add(
    found: dict[str, Parity], structure: LabeledStructure, energy: float, forces: FloatArray, virial: FloatArray
) -> None:
    per_atom = MEV_PER_EV / len(structure.atoms)
    if structure.energy is not None:
        found["energy"].add(np.array([structure.energy * per_atom]), np.array([energy * per_atom]))
    if structure.forces is not None:
        found["forces"].add(structure.forces.reshape(-1), forces.reshape(-1))
    if structure.virial is not None:
        found["virial"].add(voigt_from_full(structure.virial) * per_atom, voigt_from_full(virial) * per_atom)


def _merge(groups: dict[K, dict[str, Parity]], others: Mapping[K, dict[str, Parity]]) -> None:
    for key, of_key in others.items():
        for quantity, parity in of_key.items():
            mine = _of(groups, key)[quantity]
            mine.labels += parity.labels
            mine.predictions += parity.predictions


def _summary(row: dict[str, Parity]) -> dict[str, float | int | None]:
    return {f"{quantity}_{name}": value for quantity, parity in row.items() for name, value in parity.summary().items()}


def evaluate(
    potential: Potential,
    structures: Iterable[LabeledStructure],
    progress: bool | Advance = False,
    kernel: str | None = None,
) -> ErrorTable:
    """Predict all structures, and return the errors.

    Args:
        structures: with labels.
        progress: True shows a bar, on a terminal or in a notebook; or a function that is called after each structure.
        kernel: as in `Potential.pair_gradients`.
    """
    table, listed = ErrorTable(potential.reference_energies), list(structures)
    with advance_of(progress, "evaluating", len(listed)) as advance:
        for structure in listed:
            found = potential.pair_gradients(atomic_graph(structure.atoms, potential.cutoff), kernel)
            table.add(structure, float(found.energies[0]), found.forces.numpy(), found.virials[0].numpy())
            advance()
    return table
