"""The command ``acnn``."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from acnn.cli.errors import one_sentence_errors, print_failure
from acnn.failures import VARIABLE, Failure
from acnn.version import full_version

COMMANDS = {
    "fit": "Fit a linear ACE potential to labeled structures.",
    "prune": "Drop the functions of a linear model that buy little accuracy for their time.",
    "train": "Train a network or attention potential on labeled structures.",
    "ensemble": "Join models trained with different seeds: their mean is the prediction, their spread the uncertainty.",
    "hal": "Learn a potential by hyperactive learning: from a few structures, calling the reference only where needed.",
    "distill": "Write training data with which a single model learns from an ensemble.",
    "data": "Look at structures and labels: find faults, split, select, show.",
    "convert": "Write structures of any format in another one, with the labels that are found, their units and signs.",
    "label": "Label structures with an ASE calculator: energies (eV), forces (eV/Å), virials (eV).",
    "evaluate": "Report the errors of a model: MAE and RMSE of energies, forces and virials by config type.",
    "calibrate": "Turn the spread of a committee into error bars, by the errors on structures outside the fit.",
    "report": "Write an HTML page about a model: errors, parity, worst structures, dimers, distances, cost.",
    "info": "Describe a model: its type and size, the data it was fitted to, and its errors.",
    "check": "Check a potential: gradients, invariances, smoothness, short range, float32, the compiled kernel.",
    "export": "Write a model for LAMMPS, and print the input lines that use it.",
    "md": "Run molecular dynamics in ASE, watch how far the atoms are from the training data, and stop in time.",
    "relax": "Relax many structures at once, atoms and cells, under pressure.",
    "hull": "Find the stable compounds: enthalpies of formation, and above the convex hull, under pressure.",
    "pool": "Keep structures in a database, each once, with where they came from and what they were used for.",
    "volumes": "Estimate volumes per element by least squares, from which new cells can start.",
    "elastic": "Compute elastic constants of a crystal: stability, moduli, anisotropy; also under pressure.",
    "eos": "Compute the equation of state of a crystal: energy against volume, bulk modulus and its derivative.",
    "defects": "Compute formation energies of point defects: vacancies of all sites, interstitials in all holes.",
    "surface": "Compute energies of unreconstructed surfaces, of any plane of a crystal, before and after relaxation.",
    "decohesion": "Compute energy and stress while two rigid halves of a crystal part.",
    "dimers": "Compute energies of two atoms alone for every pair of elements, and write such pairs to be labeled.",
    "phonons": "Compute phonons of a crystal: bands, thermodynamics; thermal expansion and conductivity on request.",
    "demo": "Try everything once, offline: make Cu-Al data, fit, print the errors, run molecular dynamics in ASE.",
    "example-data": "Write labeled structures to try everything with, without a download.",
    "lammps": "Run models in LAMMPS, and check that this works here.",
}
"""The first lines of their docstrings; acnn.cli.NAME is imported only when it is used, since torch takes seconds."""


class Commands(TyperGroup):
    """All commands; unexpected errors are reported in one sentence, and --traceback may stand anywhere."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the command that is used."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and loaded(str(name)), rest

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept --traceback in any place."""
        own = args[: args.index("--")] if "--" in args else args
        if "--traceback" in own:
            os.environ[VARIABLE] = "1"
            args = [word for word in own if word != "--traceback"] + args[len(own) :]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command, and report errors in one sentence."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # encodings may lack Å, and file names may not be valid text
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
        "Outputs never overwrite inputs, and replace existing files only with --overwrite."
    ),
    no_args_is_help=True,
    **{**LOOK, "add_completion": True},
)


def print_version(requested: bool) -> None:
    """Print the version and exit, for --version."""
    if requested:
        typer.echo(f"acnn {full_version()}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the traceback of an error, like ACNN_TRACEBACK=1.")
    ] = False,
) -> None:
    """Fit, train, check and run interatomic potentials; --traceback may also stand after the command."""


def definition(name: str) -> Any:
    """Return the function of a command, or a `typer.Typer` of several."""
    attribute = name.replace("-", "_")
    return getattr(importlib.import_module(f"acnn.cli.{attribute}"), attribute)


def loaded(name: str) -> Any:
    """Load the command of this name."""
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
    """Run the command ``acnn``; its output is flushed at the end, and failing to do so is an error."""
    status = _status()
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _unwritten(error, status)
    sys.exit(status)


def _status() -> Any:
    """Run the command and return its exit status, however it ends."""
    try:
        app()
    except SystemExit as end:
        return end.code
    except OSError as error:  # from output before a command starts
        return _unwritten(error)
    return 0


def _unwritten(error: OSError, status: Any = 0) -> Any:
    """Return the status of a command whose output could not be written; a closed pipe is not reported."""
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())  # otherwise Python tries again when it ends
    if status or isinstance(error, BrokenPipeError):
        return status or 1
    failure = Failure.of(error)
    print_failure(failure)
    return failure.status
