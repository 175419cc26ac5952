"""acnn fit"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import announce, console, error_table, one_sentence_errors, progress_stages
from acnn.fit.job import FitReport, run_fit
from acnn.fit.settings import FitSettings, read_settings
from acnn.ranks import job_ranks


def _option(help_text: str, *names: str, panel: str = "Options", **keywords: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False, **keywords)


BASIS, REGRESSION, DATA = "Basis", "Regression", "Data"


def fit(
    train: Annotated[Path | None, typer.Argument(help="Training structures, extended XYZ.", show_default=False)] = None,
    output: Annotated[Path | None, _option("Model file to write, MODEL.acnn.", "--output", "-o")] = None,
    test: Annotated[Path | None, _option("Held-out structures for a second error table.")] = None,
    add: Annotated[Path | None, _option("More training structures; E0 and elements stay those of TRAIN.")] = None,
    checkpoint: Annotated[
        Path | None,
        _option(
            "File for the factorized equations: a killed fit goes on from there, and what it holds is not assembled "
            "again when --add brings new structures. Takes 4 p² bytes for p functions."
        ),
    ] = None,
    config: Annotated[Path | None, _option("YAML file of settings; every flag is a key. Flags win.")] = None,
    json: Annotated[Path | None, _option("Write basis size, cost and errors as JSON.")] = None,
    kernel: Annotated[
        str | None,
        _option("cpu: the compiled kernel; torch: the reference, slow; auto. \\[default: ACNN_KERNEL, else auto]"),
    ] = None,
    elements: Annotated[
        str | None, _option("Chemical symbols, 'Ti,Al'. \\[default: those of the data]", panel=BASIS)
    ] = None,
    order: Annotated[int | None, _option("Correlation order 1…5 (body order − 1). \\[default: 3]", panel=BASIS)] = None,
    degree: Annotated[
        str | None,
        _option("Total degree Σ(n + w_L l): one number, or one per order '14,12,10'. \\[default: 12]", panel=BASIS),
    ] = None,
    wl: Annotated[
        float | None,
        _option("Weight w_L of the angular degree; larger: fewer angles. \\[default: 1.5]", panel=BASIS),
    ] = None,
    cutoff: Annotated[float | None, _option("Cutoff radius in Å. \\[default: 5.5]", panel=BASIS)] = None,
    pair_cutoff: Annotated[
        float | None, _option("Cutoff radius of the pair part in Å. \\[default: as --cutoff]", panel=BASIS)
    ] = None,
    pair_degree: Annotated[
        int | None,
        _option("Functions in the pair part; 0: none. \\[default: degree of order 1]", panel=BASIS),
    ] = None,
    formulation: Annotated[str | None, _option("pure2b or self_interacting. \\[default: pure2b]", panel=BASIS)] = None,
    zbl: Annotated[
        bool | None, _option("Add screened nuclear repulsion (ZBL) below the bond length.", panel=BASIS)
    ] = None,
    solver: Annotated[
        str | None,
        _option("blr: evidence maximization; qr: direct, with --tikhonov. \\[default: blr]", panel=REGRESSION),
    ] = None,
    tikhonov: Annotated[float | None, _option("λ of --solver qr. \\[default: 0]", panel=REGRESSION)] = None,
    prior: Annotated[
        str | None,
        _option("Smoothness prior: algebraic:P or identity. \\[default: algebraic:4]", panel=REGRESSION),
    ] = None,
    repulsion: Annotated[
        float | None,
        _option(
            "Weight of the restraint of dimers to nuclear repulsion (ZBL) at short range; 0: none. \\[default: 0.3]",
            panel=REGRESSION,
        ),
    ] = None,
    e0: Annotated[
        str | None,
        _option(
            "E0: isolated, lstsq, or energies in eV 'Si=-0.8'. \\[default: isolated atoms if there are, else lstsq]",
            panel=REGRESSION,
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        _option(
            "YAML of weights by config type, {default: {E: 30, F: 1, V: 1}, liquid: {E: 10}}.",
            panel=REGRESSION,
        ),
    ] = None,
    energy_key: Annotated[str | None, _option("Energy, eV per cell. Keys are found if not given.", panel=DATA)] = None,
    forces_key: Annotated[str | None, _option("Forces, eV/Å.", panel=DATA)] = None,
    virial_key: Annotated[str | None, _option("Virial −dE/dε, eV.", panel=DATA)] = None,
    stress_key: Annotated[str | None, _option("Stress, eV/Å³, positive under tension (ASE).", panel=DATA)] = None,
    max_force: Annotated[float | None, _option("Leave out structures with a larger force, eV/Å.", panel=DATA)] = None,
) -> None:
    """Fit a linear ACE potential to labeled structures.

    Example: acnn fit train.xyz -o si.acnn --test test.xyz --elements Si --order 3 --degree 14

    On many processors: mpiexec -n 8 acnn fit …
    """
    given = {key: value for key, value in locals().items() if key != "config"}
    with one_sentence_errors():
        ranks = job_ranks()
        with ranks.working():
            settings = read_settings(config, given)
            with progress_stages() as stage:
                report = run_fit(settings, stage, announce, ranks)
            if ranks.is_root:
                print_report(settings, report)


def print_report(settings: FitSettings, report: FitReport) -> None:
    """Error tables, then what was fitted and at what cost."""
    for name, table in report.errors.items():
        console.print(error_table(name, table.as_dict()))
    metrics = report.metrics()
    energies = ", ".join(f"{e} {value:.6g} eV" for e, value in report.reference_energies.items())
    console.print(
        f"{metrics['n_basis']} basis functions, {metrics['n_equations']} equations; solver {settings.solver}, "
        f"λ = {metrics['regularization']:.3g}, {metrics['effective_parameters']:.1f} effective parameters\n"
        f"E0 ({report.e0_source}): {energies}\n"
        f"{metrics['fit_seconds']:.1f} s, peak memory {metrics['peak_bytes'] / 2**20:.0f} MiB\n"
        f"wrote {escape(', '.join(str(p) for p in (settings.output, settings.json_file) if p))}",
        highlight=False,
    )
