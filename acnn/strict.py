"""What all settings and specifications have in common: nothing is taken for what it is not."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.config import JsonDict

LONGEST_TEXT = 4096
"""Letters, as of a path."""


class Strict(BaseModel):
    """Frozen; without unknown keys, infinite numbers, empty texts, and truth values in the place of numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _texts_are_words(cls, values: Any) -> Any:
        for name, value in values.items() if isinstance(values, Mapping) else ():
            for text in (value, *value) if isinstance(value, Mapping | list | tuple) else (value,):
                if isinstance(text, str) and not text.strip():
                    raise ValueError(f"{name} is empty")
                if isinstance(text, str) and len(text) > LONGEST_TEXT:
                    raise ValueError(f"{name} has {len(text)} letters: at most {LONGEST_TEXT}")
        return values

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        fields = {field.alias or name: field for name, field in cls.model_fields.items()}
        for name, value in values.items() if isinstance(values, Mapping) else ():
            field = fields.get(name)
            if field is not None and _holds_truth(value) and not {bool, Any} & _types(field.annotation):
                raise ValueError(f"{name} is not a matter of true and false")
        return values


def _holds_truth(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_holds_truth, value))
    return isinstance(value, bool)


def _types(annotation: Any) -> set[Any]:
    """All types that an annotation is made of."""
    inner = [_types(part) for part in typing.get_args(annotation) if not isinstance(part, str)]
    return {annotation}.union(*inner) if inner else {annotation}


def shown(unset: str | None = None, panel: str | None = None) -> JsonDict:
    """``json_schema_extra`` of a field.

    Args:
        unset: what holds without a value.
        panel: where it stands among the options of a command; without one it is a key of the settings file alone.
    """
    return {key: value for key, value in (("unset", unset), ("panel", panel)) if value is not None}


def listed(value: Any) -> Any:
    """The parts of a text, or a number, as a tuple."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


def one_or_listed(value: Any) -> Any:
    """A text as a tuple of its parts, or as its only one."""
    parts = listed(value) if isinstance(value, str) else value
    return parts[0] if isinstance(value, str) and len(parts) == 1 else parts
