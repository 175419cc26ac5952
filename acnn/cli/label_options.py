"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from acnn.cli.numbers import number
from acnn.cli.settings import described
from acnn.data.dataset import Dataset
from acnn.data.yaml_text import load_yaml
from acnn.settings.base import SettingsError, validated
from acnn.settings.data import LabelSettings


def _label(key: str, *names: str) -> Any:
    return typer.Option(*names, help=described(LabelSettings, key), show_default=False)


EnergyKey = Annotated[str | None, _label("energy_key")]
ForcesKey = Annotated[str | None, _label("forces_key")]
VirialKey = Annotated[str | None, _label("virial_key")]
StressKey = Annotated[str | None, _label("stress_key")]
MaxForce = Annotated[float | None, number(described(LabelSettings, "max_force"), least=1e-3, most=1e6)]
DropNan = Annotated[bool, _label("drop_nan", "--drop-nan")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output files that exist already.")]
Kernel = Annotated[
    str | None,
    typer.Option(help="cpu: the compiled kernel; torch: the reference, slow; auto. Default: ACNN_KERNEL, or auto."),
]


def read_labeled(
    path: Path,
    energy_key: str | None,
    forces_key: str | None,
    virial_key: str | None,
    stress_key: str | None,
    max_force: float | None,
    drop_nan: bool,
) -> Dataset:
    """The structures of a file, by the options above."""
    given = {
        "energy_key": energy_key,
        "forces_key": forces_key,
        "virial_key": virial_key,
        "stress_key": stress_key,
        "max_force": max_force,
        "drop_nan": drop_nan,
    }
    labels: LabelSettings = validated(LabelSettings, given)
    return labels.read(path)


def assignment(text: str, example: str) -> tuple[str, Any]:
    """Name and value, read as YAML, of an option --set NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set takes NAME=VALUE, such as {example}, not {text!r}")
    try:
        return name.strip(), load_yaml(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {name.strip()}: {value!r} is not a value in YAML") from error
