"""The command ``acnn volumes``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import console, print_written
from acnn.cli.label_options import Overwrite
from acnn.cli.property_options import JsonFile, print_rows, write_json
from acnn.data.named_structures import named_structures
from acnn.data.sources import inputs_of
from acnn.data.volumes import element_volumes
from acnn.files import require_writable
from acnn.wording import NOTHING, counted


def volumes(
    structures: Annotated[list[Path], typer.Argument(help="Crystals: any files ASE reads, folders, patterns.")],
    formula: Annotated[
        list[str] | None, typer.Option(help="Print the estimate for a formula unit, SrB6; may be repeated.")
    ] = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Estimate volumes per element by least squares, from which new cells can start.

    Example: acnn volumes relaxed.res --formula SrB6
    """
    require_writable([], inputs_of(structures), [json_file], overwrite=overwrite)
    found = element_volumes(named_structures(structures))
    rows = [
        (element, f"{volume:.3f}", NOTHING if math.isnan(found.errors[element]) else f"{found.errors[element]:.3f}")
        for element, volume in found.volumes.items()
    ]
    print_rows("volumes of elements, Å³ per atom", rows, ("element", "volume", "standard error"))
    console.print(f"{counted(found.n_structures, 'structure')}, misfit {found.rms:.3f} Å³/atom (RMS)", highlight=False)
    estimates = {text: found.of(text) for text in formula or ()}
    for text, volume in estimates.items():
        console.print(f"{text}: {volume:.2f} Å³", highlight=False)
    if json_file:
        write_json(json_file, found.as_dict() | ({"formulas": estimates} if estimates else {}))
        print_written(json_file)
