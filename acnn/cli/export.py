"""The command ``acnn export``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.cli.export_formats import FORMATS, Format, FormatName
from acnn.cli.label_options import Overwrite
from acnn.cli.numbers import number
from acnn.files import require_writable
from acnn.io.model_file import load_model, read_header
from acnn.io.yace import SHORTEST_DISTANCE, SPLINE_STEP
from acnn.models import Model


class Precision(str, Enum):
    """Precision of the evaluation in LAMMPS."""

    float64 = "float64"
    float32 = "float32"


DEFAULT_NAMES = " or ".join(f"MODEL{of.suffix}" for of in FORMATS.values())

Shortest = Annotated[
    float | None,
    number(
        "yace: distance, in bond lengths, below which the exported pair repulsion stays finite.",
        show_default=str(SHORTEST_DISTANCE),
        least=0.001,
        most=0.999,
    ),
]
Tolerance = Annotated[
    float | None,
    number(
        "yace: acceptable error of pair forces, eV/Å: 1e-6 gives a faster file.",
        show_default="that of the splines",
        least=0,
        most=0.1,
    ),
]
SplineStep = Annotated[
    float | None,
    number(
        "yace: step of LAMMPS' splines, Å. A larger step saves memory but costs accuracy.",
        show_default=str(SPLINE_STEP),
        least=0.0001,
        most=0.1,
    ),
]


def export(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    to: Annotated[
        FormatName, typer.Option(help=" ".join(f"{name.value}: {of.about}." for name, of in FORMATS.items()))
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write.", show_default=f"{DEFAULT_NAMES}, here"),
    ] = None,
    dtype: Annotated[
        Precision | None, typer.Option(help="mliap: precision of the evaluation.", show_default="float64")
    ] = None,
    shortest: Shortest = None,
    tolerance: Tolerance = None,
    spline_step: SplineStep = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a model for LAMMPS, and print the input lines that use it.

    acnn export si.acnn --to mliap

        For pair_style mliap (package ML-IAP): the model as it is. LAMMPS' Python must find acnn.

    acnn export si.acnn --to yace

        For pair_style pace (package ML-PACE). acnn warns about anything that the format cannot represent.

    The energies include E0.
    """
    given = {"dtype": dtype and dtype.value, "shortest": shortest, "spline_step": spline_step, "tolerance": tolerance}
    options = {name: value for name, value in given.items() if value is not None}
    chosen = FORMATS[to]
    _require_own_options(chosen, options)
    path = output or Path(model.name.removesuffix(".acnn") + chosen.suffix)
    _require_usable_name(chosen, path)
    files, streams = ([], [path]) if chosen.takes_streams else ([path], [])
    require_writable(files, [model], streams, overwrite=overwrite)
    potential = load_model(model)
    chosen.write(potential, path, options, read_header(model)["provenance"])
    _print_input(chosen, path, potential)


def _require_own_options(chosen: Format, options: dict[str, Any]) -> None:
    for name in options:
        if name not in chosen.options:
            owner = next(to for to, of in FORMATS.items() if name in of.options)
            raise ValueError(f"--{name.replace('_', '-')} is for --to {owner.value}")


def _require_usable_name(chosen: Format, path: Path) -> None:
    if chosen.needs_suffix and path.suffix != chosen.suffix:
        raise ValueError(f"{path.name} must end in {chosen.suffix}: programs recognize the format by it")
    if path.suffix == ".acnn":
        raise ValueError(f"{path.name} ends in .acnn like a model file: use {chosen.suffix}")


def _print_input(chosen: Format, path: Path, potential: Model) -> None:
    """Print the lines of LAMMPS' input that read the file."""
    from lammps_plugin.input_lines import quoted

    word = quoted(path)
    if not word.isascii():
        warn(f"LAMMPS cannot read the non-ASCII letters in {path}: choose another name with -o")
    lines = f"units metal\n{chosen.pair_style}\n{chosen.pair_coeff} {' '.join(potential.elements)}".replace("{}", word)
    console.print(escape(lines), highlight=False, soft_wrap=True)
