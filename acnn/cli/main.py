"""The command ``acnn``."""

from __future__ import annotations

import importlib
import io
import os
import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from acnn.cli.errors import one_sentence_errors, tell
from acnn.failures import VARIABLE, Failure

COMMANDS = {
    "fit": "Fit a linear ACE potential to labeled structures.",
    "train": "Train a network or attention potential on labeled structures.",
    "ensemble": "Join models, trained with several seeds, into one with an uncertainty: their mean, and their spread.",
    "distill": "Write training data from which one model learns what an ensemble knows.",
    "label": "Label structures by an ASE calculator: energies (eV), forces (eV/Å), virials (eV).",
    "evaluate": "Errors of a model: MAE and RMSE of energies, forces and virials by config type.",
    "report": "One page of HTML about a model: errors, parity, worst structures, dimers, distances, cost.",
    "info": "What a model is, what it was fitted to, and how well.",
    "check": "Is the potential sound? Gradients, invariances, smoothness, short range, float32, the compiled kernel.",
    "export": "Write a model for LAMMPS, and print the lines of input that use it.",
    "demo": "Everything once, offline: make Cu-Al data, fit, print the errors, run molecular dynamics in ASE.",
    "example-data": "Write labeled structures to try everything on, without a download.",
    "lammps": "Models in LAMMPS: does it work here, and run it.",
}
"""The first lines of their docstrings; acnn.cli.NAME is imported when it is asked for: torch takes seconds."""


class Commands(TyperGroup):
    """All commands; what ends one of them unforeseen is a sentence, and --traceback may stand anywhere."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and loaded(str(name)), rest

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


LOOK: dict[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": "rich", "add_completion": False}

app = typer.Typer(
    name="acnn",
    cls=Commands,
    help=(
        "Fit machine-learned interatomic potentials (linear ACE, ACNN) to extended XYZ, run them in ASE and LAMMPS.\n\n"
        "Start with: acnn demo\n\n"
        "Outputs are never written over inputs, and replace a file that exists already with --overwrite only."
    ),
    no_args_is_help=True,
    **{**LOOK, "add_completion": True},
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


def definition(name: str) -> Any:
    """The function of a command, or a `typer.Typer` of several."""
    attribute = name.replace("-", "_")
    return getattr(importlib.import_module(f"acnn.cli.{attribute}"), attribute)


def loaded(name: str) -> Any:
    """The command of this name."""
    found = definition(name)
    if not isinstance(found, typer.Typer):
        function, found = found, typer.Typer(**LOOK)
        found.command(name)(function)
    command = typer.main.get_command(found)
    command.name = name
    return command


for name, short_help in COMMANDS.items():
    app.command(name, help=short_help)(lambda: None)


def run() -> None:
    """The command ``acnn``: what it prints is written when it ends, or that is its error."""
    status = _status()
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _unwritten(error, status)
    sys.exit(status)


def _status() -> Any:
    """Of the command, whatever ends it."""
    try:
        app()
    except SystemExit as end:
        return end.code
    except OSError as error:  # of what is printed before a command starts
        return _unwritten(error)
    return 0


def _unwritten(error: OSError, status: Any = 0) -> Any:
    """The status of a command whose output could not be written; nobody who reads no more is told, or knows already."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())  # else Python tries again when it ends
    if status or isinstance(error, BrokenPipeError):
        return status or 1
    failure = Failure.of(error)
    tell(failure)
    return failure.status
