"""The command ``acnn``."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated

import typer

from acnn.cli.check import check
from acnn.cli.demo import demo
from acnn.cli.distill import distill
from acnn.cli.ensemble import ensemble
from acnn.cli.evaluate import evaluate
from acnn.cli.example_data import example_data
from acnn.cli.export import export
from acnn.cli.fit import fit
from acnn.cli.info import info
from acnn.cli.label import label
from acnn.cli.lammps import lammps
from acnn.cli.report import report
from acnn.cli.train import train

app = typer.Typer(
    name="acnn",
    help=(
        "Fit machine-learned interatomic potentials (linear ACE, ACNN) to extended XYZ, run them in ASE and LAMMPS.\n\n"
        "Start with: acnn demo"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"acnn {metadata.version('acnn')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""


for command in (fit, train, ensemble, distill, label, evaluate, report, info, check, export, demo):
    app.command()(command)
app.command("example-data")(example_data)
app.add_typer(lammps, name="lammps")
