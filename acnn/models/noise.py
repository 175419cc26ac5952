"""The noise that a Bayesian fit assumes in its labels: the uncertainty of predictions beyond that of coefficients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acnn.data.weights import DEFAULT, WeightTable


@dataclass(frozen=True)
class Noise:
    """Aleatoric standard deviations: a row of weight w scatters about the model with the variance 1/(β w²).

    Rows of energies and virials have the weights w_E/√N and w_V/√N, with N atoms. With a weight of zero the noise is
    unknown: infinity.

    Args:
        precision: β > 0 of a row of weight one.
        weights: the weights of the fit by configuration type.
    """

    precision: float
    weights: WeightTable

    def __post_init__(self) -> None:
        if not 0 < self.precision < math.inf:
            raise ValueError(f"the precision of the noise must be a positive number, not {self.precision}")

    def as_dict(self) -> dict[str, Any]:
        """Return the form stored in a model file."""
        weights = {name: {"E": w.energy, "F": w.forces, "V": w.virial} for name, w in self.weights.items()}
        return {"precision": self.precision, "weights": weights}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Noise:
        """Read the form stored in a model file."""
        return cls(float(values["precision"]), WeightTable.from_mapping(values["weights"]))

    def energy_std(self, n_atoms: int, config_type: str = DEFAULT) -> float:
        """Return the standard deviation of the energy of a cell, eV."""
        return self._std(self.weights.weights_of(config_type).energy) * math.sqrt(n_atoms)

    def forces_std(self, config_type: str = DEFAULT) -> float:
        """Return the standard deviation of a force component, eV/Å."""
        return self._std(self.weights.weights_of(config_type).forces)

    def virial_std(self, n_atoms: int, config_type: str = DEFAULT) -> float:
        """Return the standard deviation of a virial component of a cell, eV."""
        return self._std(self.weights.weights_of(config_type).virial) * math.sqrt(n_atoms)

    def _std(self, weight: float) -> float:
        return 1 / (weight * math.sqrt(self.precision)) if weight > 0 else math.inf
