"""All of ``acnn fit``: read, fit, measure the errors, write the model and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.label_keys import other_levels
from acnn.data.weights import DEFAULT, WeightTable
from acnn.fit.candidates import Candidate, candidate_cutoffs
from acnn.fit.checkpoint import basis_of
from acnn.fit.committees import add_committees, partial_fits
from acnn.fit.coverage import combinations_of, coverage_warnings
from acnn.fit.cross_validation import SharedErrors, cross_validation, learning_curve
from acnn.fit.default_basis import ANGULAR_WEIGHTS, default_basis, default_cutoffs
from acnn.fit.doubts import label_warnings
from acnn.fit.element_prior import independence_warnings
from acnn.fit.linear import LinearFit, LinearProblem, chosen, fit_subsets
from acnn.fit.memory import peak_bytes, require_memory
from acnn.fit.outputs import require_outputs
from acnn.fit.plan import Plan, plan_of
from acnn.fit.reference_energies import reference_energies
from acnn.fit.report import FitReport
from acnn.fit.selection import select_basis
from acnn.fit.virial_offset import offset_warnings, without_offset
from acnn.io.model_file import save_model
from acnn.parallel import ALONE, Ranks
from acnn.progress import Stage, stages_of
from acnn.settings.base import SettingsError
from acnn.settings.fit import Budget, FitSettings, fit_settings
from acnn.uncertainty.grade import active_set_of
from acnn.wording import CROSS_VALIDATION, HELD_OUT, counted


def run_fit(
    settings: FitSettings | Mapping[str, Any],
    progress: bool | Stage = False,
    on_data: Callable[[dict[str, Dataset], list[str]], None] = lambda datasets, warnings: None,
    ranks: Ranks = ALONE,
) -> FitReport:
    """Fit, measure and write, as ``acnn fit`` does.

    Args:
        settings: or a mapping with the keys of a settings file: ``{"train": "train.xyz", "output": "si.acnn"}``.
        progress: True shows bars, on a terminal or in a notebook; or what shows each stage of the work.
        on_data: gets the data sets and the warnings before the fit starts.
        ranks: those of the job; all make the same call. The first reports and writes, and only its report is complete.
    """
    settings = fit_settings(settings)
    if not ranks.is_first:
        progress, on_data = False, lambda datasets, warnings: None
    with stages_of(progress) as stage:
        return _fitted(settings, stage, on_data, ranks)


def _fitted(
    settings: FitSettings, stage: Stage, on_data: Callable[[dict[str, Dataset], list[str]], None], ranks: Ranks
) -> FitReport:
    require_outputs(settings)
    weights = settings.weight_table()
    datasets = _read(settings, weights)
    train = datasets["train"]
    elements = settings.elements or train.elements
    require_elements(datasets, elements)
    require_config_types(weights, train)
    structures = [structure for name in ("train", "add") if name in datasets for structure in datasets[name]]
    cutoffs = _cutoffs(settings, elements, structures)
    specification = settings.specification(elements, cutoff=max(cutoffs))
    energies, source, warnings = reference_energies(settings.e0, train, specification)
    warnings += left_out_notes(datasets)
    doubts = label_warnings(datasets, energies, specification.cutoff) if ranks.is_first else []
    of_coverage = coverage_warnings(combinations_of(elements, structures, specification.largest_cutoff))
    warnings += doubts + of_coverage
    require_virials(settings.virial_offset, structures)
    on_data(datasets, warnings)
    problem = replace(LinearProblem.of(settings, specification, energies), virial_offset=settings.virial_offset)
    plan = plan_of(structures, settings, specification.largest_cutoff)
    candidates: list[Candidate] = []
    if kept := basis_of(settings.checkpoint, elements) if settings.basis_is_open and not settings.select else None:
        specification = kept
    elif settings.criterion:
        candidates = _candidates(settings, problem, cutoffs, chosen(structures, ~plan.held_out), stage, ranks)
        specification = next(c.specification for c in candidates if c.is_chosen)
        of_coverage = coverage_warnings(combinations_of(elements, structures, specification.largest_cutoff))
    needed = require_memory(specification, structures, n_factors=len(plan.subsets))
    *partial, fit = fit_subsets(
        problem.with_basis(specification),
        structures,
        plan.parts,
        plan.subsets,
        ranks=ranks,
        checkpoint=settings.checkpoint,
        advance=stage(f"equations of {specification.n_functions} functions{needed}", len(structures)),
    )
    report = FitReport(settings, weights, datasets, energies, source, fit, warnings=warnings, candidates=candidates)
    of_coverage += independence_warnings(specification) if problem.element_correlation != 0 else []
    report.doubts = doubts + of_coverage + offset_warnings(fit.virial_offset, structures)
    report.held_out_note = plan.note
    if ranks.is_first:
        save_model(fit.model, settings.output, report.provenance())  # before anything else can go wrong
    fitted = [without_offset(structure, fit.virial_offset) for structure in structures]
    if settings.committee:
        fits = partial_fits(plan, partial, fit)
        report.coverage = add_committees(fits, fitted, settings, weights, ranks, stage)
    if settings.gamma and ranks.is_first:
        fit.model.active_set = active_set_of(fit.model, fitted, stage("active set", len(fitted)), settings.kernel)
    _measure(report, plan, partial, structures, SharedErrors(ranks, settings.kernel, stage, fit.virial_offset))
    report.peak = max(ranks.gather(peak_bytes()), default=0)
    if ranks.is_first:
        report.write()
    return report


def _measure(
    report: FitReport,
    plan: Plan,
    partial: Sequence[LinearFit],
    structures: Sequence[LabeledStructure],
    errors: SharedErrors,
) -> None:
    """Add the errors on all data, and those of fits to parts of the data on the rest."""
    fit, datasets = report.fit, report.datasets
    for name, dataset in datasets.items():
        report.errors[name] = errors.of(fit.model, dataset.structures, f"errors on {name}")
    if plan.held_out.any():
        held_out = chosen(structures, plan.held_out)
        report.errors[HELD_OUT] = errors.of(partial[-1].model, held_out, "errors on held-out structures")
    if report.settings.cv:
        report.errors[CROSS_VALIDATION] = cross_validation(plan, partial, structures, errors)
    if report.settings.learning_curve:
        unseen = datasets["test"].structures if "test" in datasets else chosen(structures, plan.held_out)
        fits = partial if plan.held_out.any() else [*partial, fit]
        report.learning_curve = learning_curve(plan, fits, unseen, errors)


def _cutoffs(settings: FitSettings, elements: tuple[str, ...], structures: list[LabeledStructure]) -> tuple[float, ...]:
    """Return the cutoffs to try, Å, that of the settings first."""
    if settings.basis_is_open:
        given = settings.select_cutoffs or (() if settings.cutoff is None else (settings.cutoff,))
        return tuple(given) or default_cutoffs(elements, structures)
    cutoff = float(settings.with_defaults("cutoff"))
    return candidate_cutoffs(cutoff, settings.select_cutoffs) if settings.select else (cutoff,)


def _candidates(
    settings: FitSettings,
    problem: LinearProblem,
    cutoffs: tuple[float, ...],
    structures: list[LabeledStructure],
    stage: Stage,
    ranks: Ranks,
) -> list[Candidate]:
    budget = Budget() if settings.budget is None else Budget.parse(settings.budget)
    criterion, seed = settings.criterion or "evidence", settings.seed
    if settings.basis_is_open:
        return default_basis(
            partial(settings.specification, problem.specification.elements),
            problem,
            cutoffs,
            structures,
            criterion,
            budget=budget,
            seed=seed,
            costs=settings.select is not None,
            ranks=ranks,
            stage=stage,
        )
    weights = (problem.specification.wl,) if settings.wl is not None else ANGULAR_WEIGHTS
    n = len(set(weights) | {problem.specification.wl}) * len(cutoffs) * len(structures)
    return select_basis(
        replace(problem, specification=settings.specification(problem.specification.elements)),
        cutoffs,
        structures,
        criterion,
        angular_weights=weights,
        budget=budget,
        seed=seed,
        ranks=ranks,
        advance=stage("candidate bases", n),
    )


def _read(settings: FitSettings, weights: WeightTable) -> dict[str, Dataset]:
    paths = {"train": settings.train, "add": settings.add, "test": settings.test}
    return {name: settings.read(path, weights) for name, path in paths.items() if path is not None}


def require_elements(datasets: dict[str, Dataset], elements: tuple[str, ...]) -> None:
    """Require that structures contain no element that the model lacks."""
    for dataset in datasets.values():
        for structure in dataset:
            foreign = sorted(set(structure.atoms.symbols) - set(elements))
            if foreign:
                raise SettingsError(
                    f"{structure.name} contains {', '.join(foreign)}, which is not among the model's elements "
                    f"({', '.join(elements)})"
                )


def require_config_types(weights: WeightTable, train: Dataset) -> None:
    """Require that weights are given for existing config types only."""
    unused = sorted(set(weights) - {DEFAULT} - set(train.config_types))
    if unused:
        raise SettingsError(
            f"weights are given for {', '.join(unused)}, which the training data do not contain; their config types "
            f"are {', '.join(train.config_types)}"
        )


def require_virials(virial_offset: str, structures: Sequence[LabeledStructure]) -> None:
    """Require virials of some weight where their constants are to be fitted."""
    if virial_offset == "fit" and not any(s.virial is not None and s.weights.virial > 0 for s in structures):
        raise SettingsError("virial_offset is fit, but no structure has a virial of positive weight")


def left_out_notes(datasets: dict[str, Dataset]) -> list[str]:
    """Describe what was not used and what is doubtful, one sentence each, once for every file."""
    notes: dict[str, None] = {}
    for dataset in datasets.values():
        file = dataset.name
        if dataset.left_out:
            notes[f"{file}: {counted(dataset.left_out, 'structure')} left out by max_force"] = None
        if dataset.virials_ignored:
            notes[f"{file}: {dataset.virials_ignored} virials ignored, their structures lack three cell vectors"] = None
        notes |= dict.fromkeys(dataset.notes)
    return [*notes, *other_levels({dataset.name: dataset.keys for dataset in datasets.values()})]
