"""Scales that turn the spread of a committee into error bars, from structures that the model was not fitted to.

    σ = s_g σ_committee        covers 68 % of the errors of group g
    q = q_g σ_committee        covers 90 %

Forces are grouped by element, where there are enough atoms of it; everything else is one group. The scales are
conformal quantiles, see `acnn.uncertainty.conformal`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from acnn.arrays import FloatArray

EVERY = "all"
"""The group of everything, for elements without one of their own."""
QUANTITIES = ("energy", "forces", "stress")


@dataclass(frozen=True)
class Scale:
    """Factors for the spread of a committee.

    Attributes:
        std: for a standard deviation: it covers 68 % of the errors.
        q90: for a bound that covers 90 %; of forces, that of |ΔF_i| over sqrt(1/K Σ_k |F_i^k - F_i|²).
        count: number of errors that they were determined from.
    """

    std: float
    q90: float
    count: int

    def __post_init__(self) -> None:
        if not all(np.isfinite(factor) and factor >= 0 for factor in (self.std, self.q90)):
            raise ValueError(f"factors of a calibration must be finite and not negative, not {self.std} and {self.q90}")


@dataclass(frozen=True)
class ErrorBars:
    """The calibration of a model.

    Args:
        scales: by quantity ("energy", "forces", "stress") and group ("all", or an element); without one of "all" the
            quantity is not calibrated.
    """

    scales: Mapping[str, Mapping[str, Scale]]

    def covers(self, quantity: str) -> bool:
        """Return whether a quantity is calibrated."""
        return EVERY in self.scales.get(quantity, {})

    def scale(self, quantity: str, group: str = EVERY) -> Scale:
        """Return the factors of a group, or those of everything if it has none."""
        of_quantity = self.scales[quantity]
        return of_quantity.get(group, of_quantity[EVERY])

    def factors(self, quantity: str, groups: Sequence[str], name: str) -> FloatArray:
        """Return a factor, "std" or "q90", for every member of a list of groups [n]."""
        known = {group: float(getattr(self.scale(quantity, group), name)) for group in set(groups)}
        return np.array([known[group] for group in groups])

    def as_dict(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return the form stored in a model file."""
        return {
            quantity: {group: asdict(of) for group, of in groups.items()} for quantity, groups in self.scales.items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> ErrorBars:
        """Read the form stored in a model file."""
        return cls(
            {
                quantity: {
                    group: Scale(float(of["std"]), float(of["q90"]), int(of["count"])) for group, of in groups.items()
                }
                for quantity, groups in values.items()
            }
        )
