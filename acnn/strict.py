"""The common base of settings and specifications: strict types, no unknown keys."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.config import JsonDict

LONGEST_TEXT = 4096
"""Characters, as of a path."""


class Strict(BaseModel):
    """A frozen model that rejects unknown keys, infinite numbers, empty texts, and booleans in place of numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _texts_are_words(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, Mapping) else ():
            for text in (value, *value) if isinstance(value, Mapping | list | tuple) else (value,):
                if isinstance(text, str) and not text.strip():
                    raise ValueError(f"{name} is empty")
                if isinstance(text, str) and len(text) > LONGEST_TEXT:
                    raise ValueError(f"{name} has {len(text)} characters, but at most {LONGEST_TEXT} are allowed")
        return values

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = fields.get(name)
            if field is not None and _holds_truth(value) and not {bool, Any} & _types(field.annotation):
                raise ValueError(f"{name} must not be true or false")
        return values


def _holds_truth(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


def _types(annotation: Any) -> set[Any]:
    """Return all types that an annotation consists of."""
    inner = [_types(part) for part in typing.get_args(annotation) if not isinstance(part, str)]
    return {annotation}.union(*inner) if inner else {annotation}


def shown(unset: str | None = None, panel: str | None = None, flag: str | None = None) -> JsonDict:
    """Return the ``json_schema_extra`` of a field.

    Args:
        unset: what applies without a value.
        panel: its panel among the options of a command; without one it is a key of the settings file only.
        flag: its name as an option, where that is not its key.
    """
    given = {"unset": unset, "panel": panel, "flag": flag}
    return {key: value for key, value in given.items() if value is not None}


def listed(value: Any) -> Any:
    """Return the parts of a text, or a number, as a tuple."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


def one_or_listed(value: Any) -> Any:
    """Split a text into a tuple of its parts, or return its only part."""
    parts = listed(value) if isinstance(value, str) else value
    return parts[0] if isinstance(value, str) and len(parts) == 1 else parts
