"""Settings of a training from a YAML file and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from acnn.fit.messages import sentences
from acnn.fit.settings import SettingsError, read_mapping
from acnn.train.settings import LINEAR_KEYS, TrainSettings


def read_train_settings(path: Path, given: Mapping[str, Any]) -> TrainSettings:
    """Settings of a YAML file, overridden by others with dotted names: {"training.epochs": 10}."""
    values = read_mapping(path, "data: train.xyz")
    for name, value in given.items():
        _put(values, name.split("."), value)
    return train_settings(values)


def train_settings(values: Mapping[str, Any]) -> TrainSettings:
    """Validated settings.

    Raises:
        SettingsError: what is wrong, in a sentence.
    """
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError(sentences(error, TrainSettings, values, {"linear": LINEAR_KEYS})) from error


def _put(values: dict[str, Any], names: list[str], value: Any) -> None:
    *sections, last = names
    for depth, section in enumerate(sections):
        inner = values.get(section)
        short = {"data": "train", "output": "model"}.get(section) if depth == 0 else None
        if isinstance(inner, str) and short:
            inner = {short: inner}
        if not isinstance(inner, Mapping | None):
            raise SettingsError(f"{'.'.join(names)} cannot be set: {'.'.join(names[: depth + 1])} is {inner!r}")
        values[section] = dict(inner or {})
        values = values[section]
    values[last] = value
