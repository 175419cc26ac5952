"""The command ``acnn prune``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import console, print_written, progress_stages, pruning_table
from acnn.cli.label_options import Overwrite
from acnn.data.sources import inputs_of
from acnn.evaluation.tables import errors_in_words
from acnn.files import require_writable, write_atomically
from acnn.fit.pruning_job import PruneReport, PruneSettings, run_pruning
from acnn.plots import has_matplotlib, pruning_figure, save_figure
from acnn.settings.prune import Target
from acnn.wording import TOTAL


def prune(
    model: Annotated[Path, typer.Argument(help="Linear model that acnn fit wrote, MODEL.acnn.")],
    train: Annotated[list[Path], typer.Argument(help="Structures that it was fitted to, as for acnn fit.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write, MODEL.acnn.")],
    budget: Annotated[
        str,
        typer.Option(
            help="What the model may cost: a time per atom and core on this machine, 2us, a share of its present time, "
            "50%, or a number of functions, 300."
        ),
    ],
    test: Annotated[
        Path | None, typer.Option(help="Held-out structures, to see what pruning costs.", show_default=False)
    ] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of the fit, whose equations are not assembled again.", show_default=False),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures of all stages as JSON.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Drop the functions of a linear model that buy little accuracy for their time.

    Weights, label keys, prior and solver are those of the fit. Between stages in which functions leave, the
    coefficients of the others are fitted again.

    Example: acnn prune big.acnn train.xyz -o small.acnn --budget 2us --test test.xyz
    """
    settings = PruneSettings(model, train, output, budget, test, checkpoint)
    Target.parse(budget)
    plot = output.with_suffix(".pruning.png") if has_matplotlib() else None
    require_writable(
        [output, plot, checkpoint],
        inputs_of(model, train, test),
        [json_file],
        overwrite=overwrite,
        continued=[checkpoint],
    )
    with progress_stages() as stage:
        report = run_pruning(settings, stage)
    print_report(report)
    if plot:
        save_figure(pruning_figure(report.stages), plot)
    if json_file:
        write_atomically(json_file, (json.dumps(report.metrics(), indent=2) + "\n").encode())
    print_written(output, "".join(f", {path}" for path in (plot, json_file) if path))


def print_report(report: PruneReport) -> None:
    """Print all stages, errors before and after, and times."""
    console.print(pruning_table(report.stages))
    lines = []
    for name, tables in report.errors.items():
        before, after = (errors_in_words(table.as_dict()[TOTAL]) for table in tables)
        lines.append(f"{name}: {before} → {after}")
    first, last = report.stages[0], report.stages[-1]
    lines.append(f"functions: {first['functions']} → {last['functions']}")
    lines.append(f"µs per atom and core, predicted: {first['us_per_atom']:.2f} → {last['us_per_atom']:.2f}")
    if report.measured:
        lines.append("µs per atom and core, measured: {:.2f} → {:.2f}".format(*report.measured))
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
