"""acnn fit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import (
    announce,
    console,
    error_table,
    learning_table,
    progress_stages,
    selection_table,
    warn,
)
from acnn.cli.plots import has_matplotlib, learning_plot, selection_plot
from acnn.cli.settings import PRINT_ALL, described, printing
from acnn.fit.job import FitReport, run_fit
from acnn.fit.settings import FitSettings, read_settings
from acnn.parallel.mpi import job_ranks


def _option(name: str, *names: str, panel: str = "Options") -> Any:
    return typer.Option(*names, help=described(FitSettings, name), rich_help_panel=panel, show_default=False)


BASIS, REGRESSION, DATA, VALIDATION = "Basis", "Regression", "Data", "Validation and choice of the basis"

AllSettings = Annotated[
    bool, typer.Option("--settings", help=PRINT_ALL, is_eager=True, callback=printing(FitSettings, "acnn fit"))
]


def fit(
    train: Annotated[Path | None, typer.Argument(help=described(FitSettings, "train"), show_default=False)] = None,
    output: Annotated[Path | None, _option("output", "--output", "-o")] = None,
    test: Annotated[Path | None, _option("test")] = None,
    add: Annotated[Path | None, _option("add")] = None,
    checkpoint: Annotated[Path | None, _option("checkpoint")] = None,
    split: Annotated[float | None, _option("split", panel=VALIDATION)] = None,
    cv: Annotated[int | None, _option("cv", panel=VALIDATION)] = None,
    learning_curve: Annotated[bool | None, _option("learning_curve", panel=VALIDATION)] = None,
    select: Annotated[str | None, _option("select", panel=VALIDATION)] = None,
    select_cutoffs: Annotated[str | None, _option("select_cutoffs", panel=VALIDATION)] = None,
    budget: Annotated[str | None, _option("budget", panel=VALIDATION)] = None,
    seed: Annotated[int | None, _option("seed", panel=VALIDATION)] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file of settings; every flag is a key. Flags win.", show_default=False)
    ] = None,
    settings: AllSettings = False,
    json: Annotated[Path | None, _option("json")] = None,
    overwrite: Annotated[bool | None, _option("overwrite", "--overwrite")] = None,
    kernel: Annotated[str | None, _option("kernel")] = None,
    elements: Annotated[str | None, _option("elements", panel=BASIS)] = None,
    order: Annotated[int | None, _option("order", panel=BASIS)] = None,
    degree: Annotated[str | None, _option("degree", panel=BASIS)] = None,
    wl: Annotated[float | None, _option("wl", panel=BASIS)] = None,
    cutoff: Annotated[float | None, _option("cutoff", panel=BASIS)] = None,
    pair_cutoff: Annotated[float | None, _option("pair_cutoff", panel=BASIS)] = None,
    pair_degree: Annotated[int | None, _option("pair_degree", panel=BASIS)] = None,
    formulation: Annotated[str | None, _option("formulation", panel=BASIS)] = None,
    zbl: Annotated[bool | None, _option("zbl", panel=BASIS)] = None,
    solver: Annotated[str | None, _option("solver", panel=REGRESSION)] = None,
    slack: Annotated[float | None, _option("slack", panel=REGRESSION)] = None,
    tikhonov: Annotated[float | None, _option("tikhonov", panel=REGRESSION)] = None,
    rtol: Annotated[float | None, _option("rtol", panel=REGRESSION)] = None,
    damp: Annotated[float | None, _option("damp", panel=REGRESSION)] = None,
    atol: Annotated[float | None, _option("atol", panel=REGRESSION)] = None,
    ard_threshold: Annotated[str | None, _option("ard_threshold", panel=REGRESSION)] = None,
    prior: Annotated[str | None, _option("prior", panel=REGRESSION)] = None,
    committee: Annotated[int | None, _option("committee", panel=REGRESSION)] = None,
    repulsion: Annotated[float | None, _option("repulsion", panel=REGRESSION)] = None,
    e0: Annotated[str | None, _option("e0", panel=REGRESSION)] = None,
    weights: Annotated[Path | None, _option("weights", panel=REGRESSION)] = None,
    energy_key: Annotated[str | None, _option("energy_key", panel=DATA)] = None,
    forces_key: Annotated[str | None, _option("forces_key", panel=DATA)] = None,
    virial_key: Annotated[str | None, _option("virial_key", panel=DATA)] = None,
    stress_key: Annotated[str | None, _option("stress_key", panel=DATA)] = None,
    max_force: Annotated[float | None, _option("max_force", panel=DATA)] = None,
    drop_nan: Annotated[bool | None, _option("drop_nan", panel=DATA)] = None,
) -> None:
    """Fit a linear ACE potential to labeled structures.

    Example: acnn fit train.xyz -o si.acnn --test test.xyz --elements Si --order 3 --degree 14

    On many processors: mpiexec -n 8 acnn fit …
    """
    given = {key: value for key, value in locals().items() if key not in ("config", "settings")}
    ranks = job_ranks()
    with ranks.working():
        chosen = read_settings(config, given)
        with progress_stages() as stage:
            report = run_fit(chosen, stage, announce, ranks)
        if ranks.is_root:
            print_report(chosen, report)


def print_report(settings: FitSettings, report: FitReport) -> None:
    """Error tables, then what was fitted and at what cost."""
    plots = _validation(settings, report)
    for name, table in report.errors.items():
        console.print(error_table(name, table.as_dict()))
    metrics = report.metrics()
    for warning in [*report.fit.solution.warnings, *(d for d in report.doubts if d not in report.warnings)]:
        warn(warning)
    memory = f", peak memory {metrics['peak_bytes'] / 2**20:.0f} MiB" if metrics["peak_bytes"] else ""
    energies = ", ".join(f"{e} {value:.6g} eV" for e, value in report.reference_energies.items())
    console.print(
        f"{report.fit.model.summary()['basis functions']} basis functions, {metrics['n_equations']} equations; "
        f"solver {metrics['solver']}, λ = {metrics['regularization']:.3g}, "
        f"{metrics['effective_parameters']:.1f} effective parameters\n"
        f"E0 ({report.e0_source}): {energies}\n"
        f"{metrics['fit_seconds']:.1f} s{memory}\n"
        f"wrote {escape(', '.join(str(p) for p in (settings.output, settings.json_file, *plots) if p))}",
        highlight=False,
    )


def _validation(settings: FitSettings, report: FitReport) -> list[Path]:
    """Tables, and plots beside the model where matplotlib is there; returns the plots."""
    plots = []
    if report.candidates:
        console.print(selection_table(report.candidates, settings.select or ""))
        path = settings.output.with_suffix(".selection.png")
        if has_matplotlib():
            selection_plot(report.candidates, settings.select or "", path)
            plots.append(path)
    if report.learning_curve:
        console.print(learning_table(report.learning_curve))
        path = settings.output.with_suffix(".learning.png")
        if has_matplotlib():
            learning_plot(report.learning_curve, path)
            plots.append(path)
    return plots
