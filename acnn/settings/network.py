"""Settings of a network or attention model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from acnn.basis.radial import transform_lengths
from acnn.basis.specification import Elements
from acnn.models.network_specification import NetworkSpecification
from acnn.strict import listed, shown


class ModelSettings(NetworkSpecification):
    """A network specification; its elements are those of the data by default."""

    type: Literal["network", "attention"] = Field(
        "attention",
        description="network is the model without attention layers.",
        json_schema_extra=shown(panel="Model"),
    )
    elements: Elements = Field((), description="Chemical symbols.", json_schema_extra=shown("those of the data"))

    @field_validator("elements", "hidden", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return listed(value)

    @model_validator(mode="after")
    def _layers_are_of_the_type(self) -> ModelSettings:
        if "layers" in self.model_fields_set and (self.layers > 0) != (self.type == "attention"):
            raise ValueError(f"a model of type {self.type!r} cannot have {self.layers} attention layers")
        return self

    def specification(self, elements: tuple[str, ...]) -> NetworkSpecification:
        """Return the specification of a model of these elements."""
        lengths = transform_lengths(elements, self.cutoff) | self.bond_lengths
        fields = self.model_dump(exclude={"type", "elements"}) | {"elements": elements, "bond_lengths": lengths}
        return NetworkSpecification(**fields | ({"layers": 0} if self.type == "network" else {}))

    def differences(self, other: NetworkSpecification) -> list[str]:
        """Return the keys that were given and differ from another specification, ignoring elements."""
        given = self.model_fields_set - {"type", "elements"}
        names = [name for name in sorted(given) if getattr(self, name) != getattr(other, name)]
        wrong_type = "type" in self.model_fields_set and (self.type == "attention") != (other.layers > 0)
        return names + ["type"] * wrong_type
