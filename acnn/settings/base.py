"""The common base of settings: their errors, and reading a settings file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from acnn.data.yaml_text import load_yaml
from acnn.settings.messages import sentences
from acnn.strict import Strict


class SettingsError(ValueError):
    """Settings that cannot be used; the message is one sentence."""


class Section(Strict):
    """A part of a settings file."""

    model_config = ConfigDict(populate_by_name=True)


def validated(settings: type[BaseModel], values: Any) -> Any:
    """Validate values as settings.

    Raises:
        SettingsError: they are invalid; the message is one sentence per setting.
    """
    try:
        return settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(sentences(error, settings, values)) from error


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """Read the settings in a YAML file; ``example`` is for the error message."""
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no settings file {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must map settings to values, such as {example!r}")
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def put_at(values: dict[str, Any], name: str, value: Any, short: Mapping[str, str] = {}) -> None:
    """Set a setting by its dotted name, "training.epochs", in values as a settings file has them.

    Args:
        short: sections that may be given as the value of one of their keys, with that key.

    Raises:
        SettingsError: what should be a section is something else.
    """
    *sections, last = name.split(".")
    for depth, section in enumerate(sections):
        inner = values.get(section)
        if depth == 0 and isinstance(inner, str | list) and section in short:
            inner = {short[section]: inner}
        if not isinstance(inner, Mapping | None):
            raise SettingsError(f"{name} cannot be set: {'.'.join(sections[: depth + 1])} is {inner!r}")
        values[section] = dict(inner or {})
        values = values[section]
    values[last] = value
