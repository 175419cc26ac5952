"""Numbers that change while a model is trained, as functions of the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from acnn.strict import Strict

Point = tuple[Annotated[float, Field(ge=0, le=1e6)], Annotated[float, Field(ge=0, le=1e6)]]
"""When, and the value from then on or at that point."""
FORMS = "a schedule must be a number, {steps: [[0, 1], [0.75, 10]]} or {ramp: [[0.7, 1], [0.8, 10]]}"


def epoch_of(when: float, epochs: int) -> float:
    """Convert a point in the training to an epoch: numbers up to 1 are shares of all epochs."""
    return when * epochs if when <= 1 else when


class Schedule(Strict):
    """A number that changes with the epoch."""

    steps: tuple[Point, ...] | None = Field(
        default=None, min_length=1, description="Points [when, value]: each value applies from its epoch on."
    )
    ramp: tuple[Point, ...] | None = Field(
        default=None,
        min_length=1,
        description="Points [when, value]: straight lines between them, constant before the first and after the last.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        """Take a plain number as a constant schedule."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {"steps": [(0.0, value)]}
        if not isinstance(value, Mapping | Schedule):
            raise ValueError(FORMS)
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Describe the plain number as well."""
        return {"anyOf": [{"type": "number"}, handler(core)]}

    @model_validator(mode="after")
    def _one_of_both(self) -> Schedule:
        if (self.steps is None) == (self.ramp is None):
            raise ValueError(FORMS)
        return self

    def at(self, epoch: float, epochs: int) -> float:
        """Return the value at an epoch, given the total number of epochs."""
        points = sorted((epoch_of(when, epochs), value) for when, value in self.steps or self.ramp or ())
        if self.ramp is not None:
            return float(np.interp(epoch, [start for start, _ in points], [value for _, value in points]))
        return ([value for start, value in points if start <= epoch] or [points[0][1]])[-1]

    @property
    def largest(self) -> float:
        """The largest value."""
        return max(value for _, value in self.steps or self.ramp or ())
