"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from acnn.cli.numbers import number
from acnn.data.dataset import Dataset, read_dataset
from acnn.data.yaml_text import load_yaml
from acnn.fit.settings import SettingsError

EnergyKey = Annotated[
    str | None, typer.Option(help="Energy, eV per cell; or several, REF_energy,energy. Usual names are found.")
]
ForcesKey = Annotated[str | None, typer.Option(help="Forces, eV/Å.")]
VirialKey = Annotated[str | None, typer.Option(help="Virial −dE/dε, eV.")]
StressKey = Annotated[str | None, typer.Option(help="Stress, eV/Å³, positive under tension (ASE).")]
MaxForce = Annotated[float | None, number("Leave out structures with a larger force, eV/Å.", least=1e-3, most=1e6)]
DropNan = Annotated[
    bool, typer.Option("--drop-nan", help="Leave out labels that are NaN or infinite, instead of refusing the data.")
]
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
    return read_dataset(
        path,
        energy_key=energy_key,
        forces_key=forces_key,
        virial_key=virial_key,
        stress_key=stress_key,
        max_force=max_force,
        drop_nan=drop_nan,
    )


def assignment(text: str, example: str) -> tuple[str, Any]:
    """Name and value, read as YAML, of an option --set NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingsError(f"--set takes NAME=VALUE, such as {example}, not {text!r}")
    try:
        return name.strip(), load_yaml(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {name.strip()}: {value!r} is not a value in YAML") from error
