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
    one_sentence_errors,
    progress_stages,
    selection_table,
    warn,
)
from acnn.cli.plots import has_matplotlib, learning_plot, selection_plot
from acnn.fit.job import FitReport, run_fit
from acnn.fit.settings import FitSettings, read_settings
from acnn.ranks import job_ranks


def _option(help_text: str, *names: str, panel: str = "Options", **keywords: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False, **keywords)


BASIS, REGRESSION, DATA, VALIDATION = "Basis", "Regression", "Data", "Validation and choice of the basis"


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
    split: Annotated[
        float | None,
        _option("Share of every config type to hold out of TRAIN and test on, 0.1.", panel=VALIDATION),
    ] = None,
    cv: Annotated[
        int | None,
        _option("Also predict every structure by a fit without its fold, of so many: 5.", panel=VALIDATION),
    ] = None,
    learning_curve: Annotated[
        bool | None,
        _option("Also fit 1/32, 1/16 … of TRAIN: errors on --test or --split by training size.", panel=VALIDATION),
    ] = None,
    select: Annotated[
        str | None,
        _option(
            "Choose order and degree, up to those given, and cutoff: evidence (no test set needed), bic (small "
            "models), or cv (held-out folds). Table and plot show errors and µs/atom of the candidates.",
            panel=VALIDATION,
        ),
    ] = None,
    select_cutoffs: Annotated[
        str | None,
        _option("Cutoffs for --select in Å, '4.5,5.5'. \\[default: 0.85, 1 and 1.15 × cutoff]", panel=VALIDATION),
    ] = None,
    budget: Annotated[
        str | None, _option("Limit for --select: functions, 500, or seconds, 120s.", panel=VALIDATION)
    ] = None,
    seed: Annotated[int | None, _option("Of --split, --cv, --learning-curve. \\[default: 0]", panel=VALIDATION)] = None,
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
    formulation: Annotated[
        str | None,
        _option(
            "pure2b: products vanish for a single neighbor, pairs have functions of their own. canonical: those of "
            "order ν vanish for fewer than ν neighbors (a true many-body expansion). self_interacting: plain products, "
            "which vanish for no neighbor only. \\[default: pure2b]",
            panel=BASIS,
        ),
    ] = None,
    zbl: Annotated[
        bool | None, _option("Add screened nuclear repulsion (ZBL) below the bond length.", panel=BASIS)
    ] = None,
    solver: Annotated[
        str | None,
        _option(
            "blr: finds the regularization by maximizing the evidence. ard: as blr, with one prior per function, and "
            "drops functions the data do not support: smaller, faster models. qr: ridge regression with --tikhonov. "
            "rrqr: drops directions below --rtol. lsqr: iterative, with --damp and --atol. \\[default: blr]",
            panel=REGRESSION,
        ),
    ] = None,
    slack: Annotated[
        float | None,
        _option(
            "blr: the smoothest coefficients whose residual is SLACK times that of the most probable ones, such as 2: "
            "less accurate on the data, safer beyond them. \\[default: 1]",
            panel=REGRESSION,
        ),
    ] = None,
    tikhonov: Annotated[
        float | None,
        _option("qr: λ of ‖y − Ac‖² + λ‖Γc‖²; larger: smoother, worse on the data. \\[default: 0]", panel=REGRESSION),
    ] = None,
    rtol: Annotated[
        float | None,
        _option(
            "rrqr: leave out what the data determine less than RTOL times the best-determined direction. "
            "\\[default: 1e-8]",
            panel=REGRESSION,
        ),
    ] = None,
    damp: Annotated[
        float | None, _option("lsqr: square root of the λ of --tikhonov. \\[default: 1e-5]", panel=REGRESSION)
    ] = None,
    atol: Annotated[
        float | None,
        _option(
            "lsqr: relative accuracy at which it stops; larger: sooner, smoother. \\[default: 1e-8]", panel=REGRESSION
        ),
    ] = None,
    ard_threshold: Annotated[
        str | None,
        _option(
            "ard: which functions stay. bic: minimize the Bayesian information criterion; a number: coefficients so "
            "many standard deviations from zero; relevance: 2 of them. \\[default: bic]",
            panel=REGRESSION,
        ),
    ] = None,
    prior: Annotated[
        str | None,
        _option(
            "Smoothness prior, which holds back functions of large n and l: algebraic:P, γ = Σ(n^P + w_L l^P); "
            "exponential:A, exp(A Σ(n + w_L l)); gaussian:S, exp(S Σ(n² + w_L l²)); identity. "
            "\\[default: algebraic:4]",
            panel=REGRESSION,
        ),
    ] = None,
    committee: Annotated[
        int | None,
        _option(
            "Store so many samples of the posterior in the model: acnn evaluate --uncertainty and the ASE calculator "
            "then tell standard deviations. 8 to 32 are usual. \\[default: 0]",
            panel=REGRESSION,
        ),
    ] = None,
    repulsion: Annotated[
        float | None,
        _option(
            "Weight of the restraint to nuclear repulsion (ZBL) of what is closer than any atoms in the data; 0: none. "
            "\\[default: 0.3]",
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
    energy_key: Annotated[
        str | None, _option("Energy, eV per cell; or several, REF_energy,energy. Usual names are found.", panel=DATA)
    ] = None,
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
    plots = _validation(settings, report)
    for name, table in report.errors.items():
        console.print(error_table(name, table.as_dict()))
    metrics = report.metrics()
    for warning in report.fit.solution.warnings:
        warn(warning)
    energies = ", ".join(f"{e} {value:.6g} eV" for e, value in report.reference_energies.items())
    console.print(
        f"{metrics['n_basis']} basis functions, {metrics['n_equations']} equations; solver {metrics['solver']}, "
        f"λ = {metrics['regularization']:.3g}, {metrics['effective_parameters']:.1f} effective parameters\n"
        f"E0 ({report.e0_source}): {energies}\n"
        f"{metrics['fit_seconds']:.1f} s, peak memory {metrics['peak_bytes'] / 2**20:.0f} MiB\n"
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
