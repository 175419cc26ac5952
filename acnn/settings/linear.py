"""Settings of a linear model: its basis and the regression."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from acnn.basis.radial import transform_lengths
from acnn.basis.specification import PANEL, BasisFields, BasisSpecification, Cutoff
from acnn.settings.base import validated
from acnn.settings.solver import SolverSettings
from acnn.strict import shown


class LinearSettings(SolverSettings, BasisFields):
    """Settings of a linear model, independent of its elements."""

    zbl: bool = Field(
        False,
        description="Add screened nuclear repulsion (ZBL) below the bond length.",
        json_schema_extra=shown(panel=PANEL),
    )
    kernel: Literal["auto", "cpu", "torch"] | None = Field(
        None,
        description="cpu: the compiled kernel; torch: the reference, slow; auto.",
        json_schema_extra=shown("ACNN_KERNEL, otherwise auto", "Options"),
    )

    def with_defaults(self, name: str) -> Any:
        """Return a setting of the basis, or its default where it is left open."""
        value = getattr(self, name)
        return BasisFields.model_fields[name].get_default(call_default_factory=True) if value is None else value

    def specification(self, elements: tuple[str, ...], **changes: Any) -> BasisSpecification:
        """Return the specification of the basis for these elements.

        Args:
            changes: settings to replace.

        Raises:
            SettingsError: there is no such basis.
        """
        values = (
            {name: self.with_defaults(name) for name in BasisFields.model_fields} | {"elements": elements} | changes
        )
        values["bond_lengths"] = transform_lengths(elements, values["cutoff"]) | self.bond_lengths
        basis: BasisSpecification = validated(BasisSpecification, values)
        return basis


STIFF = {"slack": 2.0, "prior": "algebraic:3"}
"""Defaults of linear parts with solver blr: the network learns the rest, and smooth parts extrapolate more safely."""


class LinearPartSettings(LinearSettings):
    """The linear part of a network model."""

    cutoff: Cutoff | None = Field(  # type: ignore[assignment]
        None, description="Cutoff radius in Å.", json_schema_extra=shown("that of the network")
    )

    @model_validator(mode="before")
    @classmethod
    def _stiff(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("solver", "blr") == "blr":
            return STIFF | values
        return values
