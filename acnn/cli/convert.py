"""The command ``acnn convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import console, print_written
from acnn.cli.errors import warn
from acnn.cli.label_options import Overwrite, label_settings
from acnn.cli.property_options import print_rows
from acnn.cli.settings import with_settings
from acnn.data.sources import inputs_of
from acnn.files import require_writable
from acnn.settings.data import LabelSettings
from acnn.wording import counted
from acnn.workflows.conversion import converted, outputs_of, write_converted


@with_settings(LabelSettings)
def convert(
    structures: Annotated[list[Path], typer.Argument(help="Structures: files, folders, or patterns in quotes.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write; with a number, cu-%04d.xsf, one for each structure.")
    ],
    to: Annotated[
        str | None,
        typer.Option(
            help="Format: a name of ASE, airss-res, acnn-xsf, or deepmd/npy, a folder. \\[default: by OUTPUT]",
            show_default=False,
        ),
    ] = None,
    flip_virial: Annotated[
        bool, typer.Option("--flip-virial", help="Virials or stresses of the files have the other sign, +dE/dε.")
    ] = False,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Write structures of any format in another one, with the labels that are found, their units and signs.

    Example: acnn convert "runs/*/OUTCAR" -o train.xyz
    """
    labels = label_settings(given)
    if "%" not in output.name:
        require_writable([output], inputs_of(structures), overwrite=overwrite)
    found = converted(structures, labels, flip_virial)
    require_writable(outputs_of(output, len(found.images)), inputs_of(structures), overwrite=overwrite)
    print_rows("labels", found.rows(), ("label", "structures", "unit and sign"), texts=3)
    console.print(escape(f"from {found.used or 'nothing'}"), highlight=False)
    if sign := found.sign_of_virials():
        console.print(sign, highlight=False, soft_wrap=True)
    for note in (*found.notes, *write_converted(found, output, to)):
        warn(note)
    print_written(output, f": {counted(len(found.images), 'structure')}")
