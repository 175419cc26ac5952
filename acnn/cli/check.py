"""The command ``acnn check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.data.frames import read_frames
from acnn.fit.doubts import remembered_warnings
from acnn.io.model_file import load_model, read_header
from acnn.workflows.check import CheckResult, check_model


def check(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    structures: Annotated[
        Path | None, typer.Argument(help="Structures to check with. \\[default: made from the model's elements]")
    ] = None,
) -> None:
    """Check a potential: gradients, invariances, smoothness, short range, float32, the compiled kernel.

    Warnings about its training data, such as pairs of elements that they do not cover, are repeated. The exit status is
    1 if a check fails.
    """
    potential = load_model(model)
    frames = [frame.atoms for frame in read_frames(structures)] if structures else None
    results = check_model(potential, frames)
    doubts = remembered_warnings(read_header(model)["provenance"])
    console.print(_table(model, results))
    for doubt in doubts:
        warn(doubt)
    failed = [result.name for result in results if not result.passed]
    if failed:
        console.print(f"{len(failed)} of {len(results)} checks failed: {', '.join(failed)}", highlight=False)
        if any(name.startswith("dimer") for name in failed):
            console.print("an attractive core: fit with --zbl, or add close pairs to the data", highlight=False)
        raise typer.Exit(1)
    console.print(f"all {len(results)} checks passed", highlight=False)


def _table(model: Path, results: list[CheckResult]) -> Table:
    table = Table(title=escape(f"check of {model.name}"), title_justify="left")
    for heading, justify in (("check", "left"), ("figure", "right"), ("limit", "right"), ("unit", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("result")
    table.add_column("note", overflow="fold")
    for r in results:
        verdict = "[green]pass[/]" if r.passed else "[bold red]FAIL[/]"
        table.add_row(r.name, f"{r.figure:.3g}", f"{r.limit:.3g}", r.unit, verdict, escape(r.note))
    return table
