"""acnn export"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.cli.export_yace import yace_table
from acnn.cli.numbers import number
from acnn.files import require_writable
from acnn.io.model_file import load_model, read_header
from acnn.io.yace import SHORTEST_DISTANCE, SPLINE_STEP, save_yace
from acnn.models import Model
from acnn.outputs import require_new


class Format(str, Enum):
    """What to export to."""

    mliap = "mliap"
    yace = "yace"


class Precision(str, Enum):
    """Of the evaluation in LAMMPS."""

    float64 = "float64"
    float32 = "float32"


SUFFIXES = {Format.mliap: ".mliap.pt", Format.yace: ".yace"}


def export(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    to: Annotated[Format, typer.Option(help="mliap: runs acnn inside LAMMPS. yace: linear models, without acnn.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default="MODEL.mliap.pt or MODEL.yace, here"),
    ] = None,
    dtype: Annotated[
        Precision | None, typer.Option(help="mliap: precision of the evaluation.", show_default="float64")
    ] = None,
    shortest: Annotated[
        float | None,
        number(
            "yace: distance, in bond lengths, below which the exported pair repulsion stays finite.",
            show_default=str(SHORTEST_DISTANCE),
            least=0.001,
            most=0.999,
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        number(
            "yace: error of pair forces, eV/Å, that is small enough: 1e-6 gives a faster file.",
            show_default="that of the splines",
            least=0,
            most=0.1,
        ),
    ] = None,
    spline_step: Annotated[
        float | None,
        number(
            "yace: step of LAMMPS' splines, Å. A larger one saves memory and costs accuracy.",
            show_default=str(SPLINE_STEP),
            least=0.0001,
            most=0.1,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the file.")] = False,
) -> None:
    """Write a model for LAMMPS, and print the lines of input that use it.

    acnn export si.acnn --to mliap

        For pair_style mliap (package ML-IAP): the model as it is. LAMMPS' Python must find acnn.

    acnn export si.acnn --to yace

        For pair_style pace (package ML-PACE). What the format cannot hold is told as a warning.

    The energies include E0.
    """
    only_yace = {"shortest": shortest, "spline_step": spline_step, "tolerance": tolerance}
    _require_own_options(to, {Format.mliap: {"dtype": dtype}, Format.yace: only_yace})
    path = output or Path(model.name.removesuffix(".acnn") + SUFFIXES[to])
    _require_usable_name(to, path)
    require_writable([path] if to is Format.mliap else [], [model], streams=[path] if to is Format.yace else [])
    require_new(path, overwrite)
    potential = load_model(model)
    if to is Format.yace:
        _write_yace(potential, path, {key: value for key, value in only_yace.items() if value is not None})
    else:
        _write_mliap(potential, path, (dtype or Precision.float64).value, read_header(model)["provenance"])


def _require_own_options(to: Format, options: dict[Format, dict[str, Any]]) -> None:
    for owner, values in options.items():
        for name, value in values.items():
            if owner is not to and value is not None:
                raise ValueError(f"--{name.replace('_', '-')} is for --to {owner.value}")


def _require_usable_name(to: Format, path: Path) -> None:
    if to is Format.yace and path.suffix != ".yace":
        raise ValueError(f"{path.name} must end in .yace: programs tell the format by it")
    if path.suffix == ".acnn":
        raise ValueError(f"{path.name} ends in .acnn as model files do: {SUFFIXES[to]} is usual")


def _write_yace(potential: Model, path: Path, options: dict[str, Any]) -> None:
    report = save_yace(potential, path, **options)
    for limit in report.limits:
        warn(limit)
    console.print(yace_table(path, report))
    _print_input("pair_style pace", "pair_coeff * * {}", path, potential)


def _write_mliap(potential: Model, path: Path, dtype: str, provenance: dict[str, Any]) -> None:
    from lammps_plugin.shell import save_unified

    save_unified(potential, path, dtype, provenance)
    console.print(escape(f"wrote {path}"), highlight=False, soft_wrap=True)
    _print_input("pair_style mliap unified {} 0", "pair_coeff * *", path, potential)


def _print_input(style: str, coefficients: str, path: Path, potential: Model) -> None:
    """The lines with the path in the place of {}."""
    from lammps_plugin.input_lines import quoted

    word = quoted(path)
    if not word.isascii():
        warn(f"LAMMPS loses letters beyond ASCII of its input, those of {path}: -o can choose a name without")
    lines = f"units metal\n{style}\n{coefficients} {' '.join(potential.elements)}".replace("{}", word)
    console.print(
        escape(lines),
        highlight=False,
        soft_wrap=True,
    )
