"""The command ``acnn hull``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import console, print_written
from acnn.cli.label_options import Overwrite
from acnn.cli.numbers import number
from acnn.cli.property_options import JsonFile, print_rows, write_json
from acnn.data.named_structures import named_structures
from acnn.data.sources import inputs_of
from acnn.extras import optional
from acnn.files import require_writable, write_atomically
from acnn.wording import counted
from acnn.workflows.hull import Hull, hull_of


def hull(
    structures: Annotated[
        list[Path], typer.Argument(help="Structures with enthalpies or energies: .res, .xyz, …, folders, patterns.")
    ],
    pressure: Annotated[
        float | None,
        number("GPa: take only structures of this pressure.", least=-1000, most=10_000, show_default=False),
    ] = None,
    within: Annotated[float, number("List and plot what is this near to the hull, meV/atom.", least=0, most=1e5)] = 100,
    html: Annotated[Path | None, typer.Option(help="Page with an interactive plot.", show_default=False)] = None,
    json_file: JsonFile = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the stable compounds: enthalpies of formation, and above the convex hull, under pressure.

    Example: acnn hull relaxed/*.res --pressure 40 --html hull.html
    """
    require_writable([html], inputs_of(structures), [json_file], overwrite=overwrite)
    optional("pymatgen", "hulls")
    found = hull_of(named_structures(structures), pressure)
    page = found.html(within / 1000) if html else ""
    _report(found, within)
    if json_file:
        write_json(json_file, found.as_dict())
        print_written(json_file)
    if html:
        write_atomically(html, page.encode())
        print_written(html)


def _report(found: Hull, within: float) -> None:
    near = [phase for phase in found.phases if 1000 * phase.above <= within]
    rows = [
        (
            *(phase.name, phase.formula, phase.group, f"{1000 * phase.above:.1f}"),
            *(f"{phase.formation:.4f}", f"{phase.enthalpy:.4f}", f"{phase.volume:.3f}"),
        )
        for phase in near
    ]
    units = ("above\nmeV/atom", "formation\neV/atom", "enthalpy\neV/atom", "volume\nÅ³/atom")
    title = f"{'-'.join(found.elements)} at {found.pressure:.3g} GPa"
    print_rows(title, rows, ("name", "formula", "group", *units), texts=3)
    left_out = "".join(f"; left out: {n} with {reason}" for reason, n in found.left_out.items())
    console.print(
        f"{len(found.stable)} on the hull of {counted(len(found.phases), 'structure')}, {len(near)} within "
        f"{within:g} meV/atom{left_out}",
        highlight=False,
        soft_wrap=True,
    )
