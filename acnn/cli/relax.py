"""The command ``acnn relax``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import console, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.wording import counted
from acnn.wording import number as written
from acnn.workflows.guards import Limits, bond_limits
from acnn.workflows.relaxation_job import RelaxationJob, Row, run_relaxations
from acnn.workflows.relaxation_tasks import Relaxation

ROWS = 20
"""Lines of the table."""


def relax(
    structures: Annotated[list[Path], typer.Argument(help="Structures: any files ASE reads, folders, patterns.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="Model file, MODEL.acnn.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write: .res, .xyz, or another ASE writes.")],
    pressure: Annotated[float, number("GPa.", least=-1000, most=10_000)] = 0.0,
    fmax: Annotated[float, number("Largest force at the end, eV/Å.", least=1e-8, most=10)] = 0.01,
    smax: Annotated[float, number("Largest deviation of the stress at the end, GPa.", least=1e-6, most=100)] = 0.1,
    steps: Annotated[int, number("Evaluations of a structure, at most.", least=1, most=1_000_000)] = 500,
    method: Annotated[Literal["lbfgs", "fire"], typer.Option(help="Minimizer.")] = "lbfgs",
    symmetry: Annotated[
        Literal["keep", "break"] | None,
        typer.Option(help="keep: hold the space group; break: displace atoms and cell a little.", show_default=False),
    ] = None,
    fixed_cell: Annotated[bool, typer.Option("--fixed-cell", help="Relax only the atoms.")] = False,
    min_bond: Annotated[
        str,
        typer.Option(help="Shortest bonds, Å: Sr-Sr=2.075,Sr-B=1.671. Others: half the sum of the covalent radii."),
    ] = "",
    scale: Annotated[float, number("Factor of the lengths of --min-bond.", least=0.01, most=10)] = 1.0,
    gamma_max: Annotated[
        float | None, number("Largest extrapolation grade of an atom.", least=0, most=1e12, show_default=False)
    ] = None,
    jobs: Annotated[int, number("Processes.", least=1, most=1024)] = 1,
    trajectories: Annotated[
        Path | None, typer.Option(help="Folder for NAME.xyz with all steps of each structure.", show_default=False)
    ] = None,
    seed: Annotated[int, number("Random seed of --symmetry break.", least=0, most=LARGEST_SEED)] = 0,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
) -> None:
    """Relax many structures at once, atoms and cells, under pressure.

    A structure whose bonds become too short, or that leaves the training data too far, is stopped and keeps its last
    safe geometry; it never stops the others. Repeat a killed command to continue it: OUTPUT.journal has what it did.

    Example: acnn relax search/*.res -m b.acnn --pressure 40 --min-bond "B-B=1.267" --scale 0.7 --jobs 2 -o relaxed.res
    """
    limits = Limits(bond_limits(min_bond), scale, math.inf if gamma_max is None else gamma_max)
    relaxation = Relaxation(
        pressure, fmax, smax, steps, method, symmetry, fixed_cell, limits, seed, records=trajectories is not None
    )
    job = RelaxationJob(structures, model, output, relaxation, jobs, trajectories, kernel)
    with progress_stages() as stage:
        rows = run_relaxations(job, overwrite, stage, _print_resumed)
    _report(rows, pressure)
    print_written(output, f": {counted(sum(row.found.state != 'failed' for row in rows), 'structure')}")


def _print_resumed(done: int) -> None:
    console.print(f"continues after {counted(done, 'structure')} of an interrupted run")


def _report(rows: Sequence[Row], pressure: float) -> None:
    at = f" at {pressure:g} GPa" if pressure else ""
    more = f", the first {ROWS} of {len(rows)}" if len(rows) > ROWS else ""
    table = Table(title=f"relaxed structures{at} by enthalpy{more}", title_justify="left")
    columns = _columns(rows)
    for heading, _ in columns:
        texts = heading in ("name", "formula", "group", "state")
        table.add_column(heading, justify="left" if texts else "right", no_wrap=heading != "name", overflow="fold")
    for row in rows[:ROWS]:
        table.add_row(*(escape(cell(row)) for _, cell in columns))
    console.print(table)
    counts = Counter(row.found.state for row in rows)
    console.print(", ".join(f"{n} {state}" for state, n in counts.most_common()), highlight=False)
    for row in [row for row in rows if row.found.reason][:ROWS]:
        warn(f"{row.name}: {row.found.state}, {row.found.reason}")


def _columns(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """Return headings and what stands below them; formula and state only where structures differ in them."""
    lowest = {row.formula: row.enthalpy for row in reversed(rows)}
    several = len({row.formula for row in rows}) > 1
    ended = any(row.found.state != "converged" for row in rows[:ROWS])
    return [
        ("name", lambda row: row.name),
        *([("formula", lambda row: row.formula)] if several else []),
        ("group", lambda row: row.group),
        ("enthalpy\neV/atom", lambda row: _written(row.enthalpy, 5)),
        ("above\nmeV/atom", lambda row: _written(1000 * (row.enthalpy - lowest[row.formula]), 1)),
        ("volume\nÅ³/atom", lambda row: _written(row.volume, 3)),
        ("steps", lambda row: str(row.found.steps)),
        *([("state", lambda row: row.found.state)] if ended else []),
    ]


def _written(value: float, decimals: int) -> str:
    return written(None if math.isnan(value) else value, decimals)
