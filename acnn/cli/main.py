"""The command ``acnn``."""

from __future__ import annotations

import typer

from acnn.cli.check import check
from acnn.cli.demo import demo
from acnn.cli.evaluate import evaluate
from acnn.cli.example_data import example_data
from acnn.cli.fit import fit
from acnn.cli.info import info

app = typer.Typer(
    name="acnn",
    help=(
        "Fit machine-learned interatomic potentials (linear ACE) to extended XYZ and run them in ASE.\n\n"
        "Start with: acnn demo"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (fit, evaluate, info, check, demo):
    app.command()(command)
app.command("example-data")(example_data)
