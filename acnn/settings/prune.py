"""What a model is pruned to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from acnn.settings.messages import brief

Unit = Literal["us", "functions", "%"]
NAMES = {"us": "µs per atom", "functions": "functions"}


@dataclass(frozen=True)
class Limit:
    """The largest size of a model, in µs per atom or in functions."""

    most: float
    of_time: bool

    @property
    def unit(self) -> str:
        """What the size is counted in."""
        return NAMES["us" if self.of_time else "functions"]

    def size(self, microseconds: float, n_functions: int) -> float:
        """Return the size of a model."""
        return microseconds if self.of_time else n_functions


@dataclass(frozen=True)
class Target:
    """A number of functions, a time per atom and core, or a share of the present time."""

    value: float
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Target:
        """Parse "300" functions, "2us" per atom, or "50%" of the present cost."""
        given = text.strip().replace("µs", "us").replace("μs", "us")
        unit: Unit = "us" if given.endswith("us") else "%" if given.endswith("%") else "functions"
        try:
            value = float(given.removesuffix(unit))
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf or (unit == "%" and value >= 100):
            raise ValueError(
                "a model is pruned to a time per atom, 2us, a number of functions, 300, or a share of its time, 50%, "
                f"not to {brief(text)}"
            )
        return cls(value, unit)

    def limit(self, microseconds: float, n_functions: int) -> Limit:
        """Return the limit for a model of this size."""
        if self.unit == "%":
            return Limit(0.01 * self.value * microseconds, True)
        return Limit(self.value, self.unit == "us")

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}" if self.unit != "%" else f"{self.value:g} %"
