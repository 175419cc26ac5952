"""The command ``acnn hal``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import console, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import assignment
from acnn.cli.settings import schema_option, settings_option, with_settings
from acnn.settings.hal import HALSettings, read_hal_settings
from acnn.wording import counted
from acnn.workflows.hal import Watcher, run_hal
from acnn.workflows.hal.store import Row
from acnn.workflows.hal.summary import facts_of, write_summary

COLUMNS = (
    ("iteration", "iter", "d", 4),
    ("steps", "steps", "d", 7),
    ("uncertainty", "f or γ", ".3f", 8),
    ("temperature", "K", ".0f", 8),
    ("functions", "functions", "d", 10),
    ("sigma_meV_per_atom", "σ", ".2f", 9),
    ("error_meV_per_atom", "ΔE", ".2f", 9),
    ("forces_rmse_eV_per_A", "ΔF", ".3f", 9),
)
"""Of the table: facts of a row, headings, formats, widths."""


@with_settings(HALSettings, {"output": "-o"}, only=("output",))
def hal(
    config: Annotated[Path, typer.Argument(help="YAML file of settings, see --settings.", show_default=False)],
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting: --set bias.strength=0.1 --set stop.iterations=20."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew: remove an earlier run.")] = False,
    settings: Annotated[bool, settings_option(HALSettings, "acnn hal")] = False,
    schema: Annotated[bool, schema_option(HALSettings)] = False,
    **given: Any,
) -> None:
    """Learn a potential by hyperactive learning: from a few structures, calling the reference only where needed.

    A linear ACE is fitted, and molecular dynamics is biased towards structures on which its committee disagrees, until
    the relative uncertainty f of a force exceeds a tolerance. The reference labels that structure, it joins the fit,
    and the dynamics start again, until whole runs raise no flag. A few lines of settings are enough:

        structures: start.xyz

        output: hal

        reference: {calculator: "ase.calculators.emt:EMT"}

        dynamics: {temperature: [300, 1500], steps: 5000}

    Writes labels.db (all structures, for ase gui and acnn fit), model.acnn, models of all iterations, hal.csv, hal.png
    and hal.html. A command that was killed continues when it is repeated, with the same numbers.
    """
    changes = dict(assignment(text, "bias.strength=0.1") for text in change or ())
    chosen = read_hal_settings(config, changes | given)
    if overwrite and (chosen.output / "settings.json").is_file():
        shutil.rmtree(chosen.output)
    with progress_stages() as stage:
        finished = run_hal(chosen, Watcher(stage, warn, _Rows().show))
    written = write_summary(chosen.output, finished.rows)
    n = sum(row.labels is not None for row in finished.rows)
    files = ", ".join(str(path) for path in (finished.model, chosen.output / "labels.db", *written))
    console.print(
        f"{finished.reason}; {counted(n, 'structure')} labeled\nwrote {escape(files)}", highlight=False, soft_wrap=True
    )


class _Rows:
    """Prints the rows of the table, and its head before the first one."""

    def __init__(self) -> None:
        self.begun = False

    def show(self, row: Row) -> None:
        if not self.begun:
            console.print("σ and ΔE in meV/atom, ΔF in eV/Å: before the structure is learned from", highlight=False)
            console.print(_aligned([heading for _, heading, _, _ in COLUMNS], ""), highlight=False)
        self.begun = True
        console.print(_line(row), highlight=False, markup=False, soft_wrap=True)


def _line(row: Row) -> str:
    facts = facts_of(row)
    shown = ["" if facts[name] is None else format(facts[name], form) for name, _, form, _ in COLUMNS]
    return f"{_aligned(shown, row.kind)}  {facts['fault'] or facts['reason'] or ''}".rstrip()


def _aligned(texts: Sequence[str], kind: str) -> str:
    first, *others = (f"{text:>{width}}" for text, (*_, width) in zip(texts, COLUMNS, strict=True))
    return f"{first} {kind:<9}{''.join(others)}"
