"""The formats of `acnn export --to`, one entry of `FORMATS` each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from acnn.cli.display import console, print_written
from acnn.cli.errors import warn
from acnn.cli.export_yace import yace_table
from acnn.io.yace import save_yace
from acnn.models import Model


class FormatName(str, Enum):
    """Names of `FORMATS`."""

    mliap = "mliap"
    yace = "yace"


@dataclass(frozen=True)
class Format:
    """A format that a model can be exported to.

    Attributes:
        suffix: the ending of its files.
        about: its purpose, for `--help`.
        needs_suffix: whether programs recognize the format by the suffix.
        takes_streams: whether it may be written to a pipe or /dev/stdout.
        options: names of the options of `acnn export` that belong to it.
        write: a function that writes a model with this provenance to a path, with the options that were given, and
            prints what the user should know about the file.
        pair_style, pair_coeff: lines of LAMMPS' input that read it, {} for its path; the elements follow.
    """

    suffix: str
    about: str
    write: Callable[[Model, Path, dict[str, Any], dict[str, Any]], None]
    pair_style: str
    pair_coeff: str
    options: tuple[str, ...] = ()
    needs_suffix: bool = False
    takes_streams: bool = False


def write_yace(model: Model, path: Path, options: dict[str, Any], provenance: dict[str, Any]) -> None:
    """Write a .yace file, and print what it contains and what it cannot represent."""
    report = save_yace(model, path, **options)
    for limit in report.limits:
        warn(limit)
    console.print(yace_table(path, report))


def write_mliap(model: Model, path: Path, options: dict[str, Any], provenance: dict[str, Any]) -> None:
    """Write the file of `pair_style mliap unified`."""
    from lammps_plugin.shell import save_unified

    save_unified(model, path, provenance=provenance, **options)
    print_written(path)


FORMATS = {
    FormatName.mliap: Format(
        ".mliap.pt",
        "runs acnn inside LAMMPS",
        write_mliap,
        "pair_style mliap unified {} 0",
        "pair_coeff * *",
        options=("dtype",),
    ),
    FormatName.yace: Format(
        ".yace",
        "linear models, without acnn",
        write_yace,
        "pair_style pace",
        "pair_coeff * * {}",
        options=("shortest", "spline_step", "tolerance"),
        needs_suffix=True,
        takes_streams=True,
    ),
}
