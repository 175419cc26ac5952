"""The command ``acnn fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import (
    announce,
    bars_table,
    console,
    error_table,
    learning_table,
    progress_stages,
    selection_table,
)
from acnn.cli.errors import warn
from acnn.cli.settings import described, schema_option, settings_option, with_settings
from acnn.fit.candidates import choice_note, edge_notes
from acnn.fit.job import run_fit
from acnn.fit.report import FitReport
from acnn.parallel import job_ranks
from acnn.plots import has_matplotlib, learning_figure, save_figure, selection_figure
from acnn.settings.fit import FitSettings, read_settings


@with_settings(FitSettings, {"output": "-o"})
def fit(
    train: Annotated[
        list[Path] | None, typer.Argument(help=described(FitSettings, "train"), show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; every flag is a key. Flags win.", show_default=False)
    ] = None,
    settings: Annotated[bool, settings_option(FitSettings, "acnn fit")] = False,
    schema: Annotated[bool, schema_option(FitSettings)] = False,
    **given: Any,
) -> None:
    """Fit a linear ACE potential to labeled structures.

    Example: acnn fit train.xyz -o si.acnn --test test.xyz

    Without order, degree and wl the data decide on the basis, by the evidence.

    On several processors: mpiexec -n 8 acnn fit …
    """
    ranks = job_ranks()
    with ranks.working():
        chosen = read_settings(config, {"train": train or None, **given})
        with progress_stages() as stage:
            report = run_fit(chosen, stage, announce, ranks)
        if ranks.is_first:
            print_report(chosen, report)


def print_report(settings: FitSettings, report: FitReport) -> None:
    """Print error tables, then a summary of the fit and its cost."""
    plots = _validation(settings, report)
    for name, table in report.errors.items():
        console.print(error_table(name, table.as_dict()))
    if report.fit.model.calibration is not None:
        console.print(bars_table(report.fit.model.calibration, report.coverage))
    if report.held_out_note:
        console.print(report.held_out_note, highlight=False)
    metrics = report.metrics()
    for warning in report.late_warnings:
        warn(warning)
    memory = f", peak memory {metrics['peak_bytes'] / 2**20:.0f} MiB" if metrics["peak_bytes"] else ""
    energies = ", ".join(f"{e} {value:.6g} eV" for e, value in report.reference_energies.items())
    console.print(
        f"{report.fit.model.summary()['basis functions']} basis functions, {metrics['n_equations']} equations; "
        f"solver {metrics['solver']}, λ = {metrics['regularization']:.3g}, "
        f"{metrics['effective_parameters']:.1f} effective parameters{_correlation(metrics['element_correlation'])}\n"
        f"E0 ({report.e0_source}): {energies}\n"
        f"{metrics['fit_seconds']:.1f} s{memory}\n"
        f"wrote {escape(', '.join(str(p) for p in (settings.output, settings.json_file, *plots) if p))}",
        highlight=False,
        soft_wrap=True,
    )


def _correlation(rho: float) -> str:
    return f"; elements correlated by {rho:g} in the prior" if rho else ""


def _validation(settings: FitSettings, report: FitReport) -> list[Path]:
    """Print tables, save plots beside the model if matplotlib is installed, and return the paths of the plots."""
    plots = []
    if report.candidates and not settings.select:
        console.print(choice_note(report.candidates, settings.criterion or ""), highlight=False, soft_wrap=True)
    if settings.selection_plot:
        console.print(selection_table(report.candidates, settings.select or ""))
        for note in edge_notes(report.candidates):
            console.print(note, highlight=False, soft_wrap=True)
        if has_matplotlib():
            save_figure(selection_figure(report.candidates, settings.select or ""), settings.selection_plot)
            plots.append(settings.selection_plot)
    if settings.learning_plot:
        console.print(learning_table(report.learning_curve))
        if has_matplotlib():
            save_figure(learning_figure(report.learning_curve), settings.learning_plot)
            plots.append(settings.learning_plot)
    return plots
