"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from acnn.cli.display import announce
from acnn.data.dataset import Dataset
from acnn.data.yaml_text import load_yaml
from acnn.fit.job import left_out_notes
from acnn.io.model_file import read_header
from acnn.io.provenance import named_keys
from acnn.settings.base import SettingsError, validated
from acnn.settings.data import LabelSettings

LABEL_KEYS = ("energy_key", "forces_key", "virial_key", "stress_key")
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing output files.")]
Kernel = Annotated[
    str | None,
    typer.Option(help="cpu: the compiled kernel; torch: the reference, slow; auto. Default: ACNN_KERNEL, or auto."),
]


def label_settings(given: Mapping[str, Any]) -> LabelSettings:
    """Return the options that a command has by ``with_settings(LabelSettings)``, before it reads anything.

    Raises:
        SettingsError: one of them is out of range.
    """
    settings: LabelSettings = validated(LabelSettings, given)
    return settings


def read_announced(path: Path | Sequence[Path], labels: LabelSettings, model: Path) -> Dataset:
    """Read labeled structures, by default with the keys named for the data of a model, and print what was read."""
    dataset = labels.read(path, usual_keys=named_keys(read_header(model)["provenance"]))
    announce({"data": dataset}, left_out_notes({"data": dataset}))
    return dataset


def assignment(text: str, example: str) -> tuple[str, Any]:
    """Parse an option --set NAME=VALUE; the value is read as YAML."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set takes NAME=VALUE, such as {example}, not {text!r}")
    try:
        return name.strip(), load_yaml(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {name.strip()}: {value!r} is not valid YAML") from error
