"""The command ``acnn``."""

from __future__ import annotations

import io
import os
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from acnn.cli.check import check
from acnn.cli.demo import demo
from acnn.cli.display import one_sentence_errors
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
from acnn.failures import VARIABLE


class Commands(TyperGroup):
    """All commands; what ends one of them unforeseen is a sentence, and --traceback may stand anywhere."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        if "--traceback" in own:
            os.environ[VARIABLE] = "1"
            args = [word for word in own if word != "--traceback"] + args[len(own) :]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # of encodings without Å, and of names that are no text
                stream.reconfigure(errors="backslashreplace")
        with one_sentence_errors():
            return super().invoke(ctx)


app = typer.Typer(
    name="acnn",
    cls=Commands,
    help=(
        "Fit machine-learned interatomic potentials (linear ACE, ACNN) to extended XYZ, run them in ASE and LAMMPS.\n\n"
        "Start with: acnn demo\n\n"
        "Outputs are never written over inputs. A command that is run again replaces the model, table, plot or page it "
        "wrote; structures, files for LAMMPS and models of another kind are replaced with --overwrite only."
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
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show how an error came to it, as ACNN_TRACEBACK=1 does.")
    ] = False,
) -> None:
    """Options before the command; --traceback may also stand after it."""


for command in (fit, train, ensemble, distill, label, evaluate, report, info, check, export, demo):
    app.command()(command)
app.command("example-data")(example_data)
app.add_typer(lammps, name="lammps")
