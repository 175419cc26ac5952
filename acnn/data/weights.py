"""Weights of energies, forces and virials in a fit, by configuration type."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from acnn.data.yaml_text import load_yaml

DEFAULT = "default"
LARGEST_WEIGHT = 1e6


class WeightsError(ValueError):
    """A table of weights that cannot be used; the message is one sentence."""


@dataclass(frozen=True)
class Weights:
    """Weights of the energy, of every force component and of the virial of one structure (dimensionless)."""

    energy: float = 30.0
    forces: float = 1.0
    virial: float = 1.0

    def scaled(self, energy: float = 1.0, forces: float = 1.0, virial: float = 1.0) -> Weights:
        """Return these weights, each multiplied by a factor."""
        return Weights(self.energy * energy, self.forces * forces, self.virial * virial)


FIELD_OF_KEY = {"E": "energy", "F": "forces", "V": "virial"}


@dataclass(frozen=True)
class WeightTable(Mapping[str, Weights]):
    """Weights by configuration type; the entry ``default`` serves every type that is not listed."""

    entries: Mapping[str, Weights] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", {DEFAULT: Weights(), **self.entries})

    def __getitem__(self, config_type: str) -> Weights:
        return self.entries[config_type]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def weights_of(self, config_type: str) -> Weights:
        """Return the weights of a configuration type, those of ``default`` if it is not listed."""
        return self.entries.get(config_type, self.entries[DEFAULT])

    @classmethod
    def from_mapping(cls, table: Mapping[Any, Any]) -> WeightTable:
        """Make a table from ``{default: {E: 30, F: 1, V: 1}, liquid: {E: 10, F: 0.66, V: 0.25}}``.

        Weights that a configuration type does not give are taken from ``default``.
        """
        if not isinstance(table, Mapping):
            raise WeightsError(f"a table of weights maps config types to {{E: 30, F: 1, V: 1}}, unlike {table!r}")
        named = {str(config_type): row for config_type, row in table.items()}
        base = _weights_from_row(DEFAULT, named.pop(DEFAULT, {}), Weights())
        rows = {config_type: _weights_from_row(config_type, row, base) for config_type, row in named.items()}
        return cls({DEFAULT: base, **rows})

    @classmethod
    def from_yaml(cls, path: str | Path) -> WeightTable:
        """Read the table in a YAML file (see :meth:`from_mapping`)."""
        try:
            table = load_yaml(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise WeightsError(f"there is no file of weights {path}") from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise WeightsError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
        try:
            return cls.from_mapping(table)
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from error


DEFAULT_WEIGHTS = WeightTable()


def _weights_from_row(config_type: str, row: Any, base: Weights) -> Weights:
    if not isinstance(row, Mapping):
        raise WeightsError(f"the weights of {config_type!r} must be written like {{E: 30, F: 1, V: 1}}, not {row!r}")
    values = {FIELD_OF_KEY[key]: base_value for key, base_value in _keys_and_values(base)}
    for key, value in row.items():
        if key not in FIELD_OF_KEY:
            raise WeightsError(
                f"the weights of {config_type!r} have the unknown key {key!r}: did you mean "
                f"{nearest(str(key), FIELD_OF_KEY)!r}? The keys are E (energy), F (forces) and V (virial)"
            )
        values[FIELD_OF_KEY[key]] = weight_from(value, f"the weight {key} of {config_type!r}")
    return Weights(**values)


def _keys_and_values(weights: Weights) -> Iterator[tuple[str, float]]:
    return ((key, getattr(weights, name)) for key, name in FIELD_OF_KEY.items())


def weight_from(value: Any, what: str) -> float:
    """Convert a value from a file to a number from 0 to `LARGEST_WEIGHT`; ``what`` begins the error message."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= LARGEST_WEIGHT:
        raise WeightsError(f"{what} must be a number from 0 to {LARGEST_WEIGHT:g}, not {value}")
    return number


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word most like ``word``, ignoring case."""
    by_lower = {name.lower(): name for name in known}
    return by_lower[difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.0)[0]]
