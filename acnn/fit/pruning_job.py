"""All of ``acnn prune``: read, assemble the equations of the fit again, prune, measure what it cost, write."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acnn.data.dataset import LabeledStructure
from acnn.evaluation.metrics import ErrorTable, evaluate
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler
from acnn.fit.checkpoint import checkpoint_of
from acnn.fit.committees import PartialFit, add_committees
from acnn.fit.contacts import CloseContacts
from acnn.fit.costs import surroundings, typical_atoms
from acnn.fit.job import require_elements
from acnn.fit.linear import LinearFit, LinearProblem
from acnn.fit.pruning import Pruned, Pruning
from acnn.fit.repulsion import repulsion_rows
from acnn.fit.virial_offset import corrected, without_offset
from acnn.io.model_file import load_model, read_header, save_model
from acnn.io.provenance import mapping
from acnn.kernels.calibration import cost_model, measured_microseconds, require_calibrated
from acnn.kernels.loading import instruction_sets
from acnn.models.linear import LinearACE, require_linear
from acnn.parallel import ALONE
from acnn.progress import Advance, Stage, silent
from acnn.settings.fit import FitSettings, fit_settings
from acnn.settings.prune import Target
from acnn.solvers import ReducedProblem
from acnn.uncertainty.grade import active_set_of

INHERITED = ("settings", "weights", "prior", "repulsion", "warnings", "e0_source")
"""What a pruned model's file repeats of the record of the fit."""
WITHOUT = ("select", "select_cutoffs", "budget", "cv", "learning_curve", "split", "add", "checkpoint", "json")
"""Settings of the fit that concern other files and the choice of the basis."""


@dataclass(frozen=True)
class PruneSettings:
    """Files and budget of ``acnn prune``.

    Attributes:
        model: a linear model that ``acnn fit`` wrote.
        train: the structures that it was fitted to.
        output: the model file to write.
        budget: time per atom and core, "2us"; a share of the present time, "50%"; or a number of functions, "300".
        test: held-out structures.
        checkpoint: that of the fit.
    """

    model: Path
    train: Sequence[Path]
    output: Path
    budget: str
    test: Path | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class PruneReport:
    """A pruned model.

    Attributes:
        fit: the model, with the solution of its functions.
        stages: from the whole model to the pruned one: functions, µs per atom, log evidence, RMS of the weighted
            residuals of training and test data.
        errors: of the given model and of the pruned one, by set of data.
        measured: µs per atom and core of both on this machine; None without the compiled kernel.
    """

    fit: LinearFit
    stages: list[dict[str, Any]]
    errors: dict[str, tuple[ErrorTable, ErrorTable]]
    measured: tuple[float, float] | None

    def metrics(self) -> dict[str, Any]:
        """Return what ``--json`` writes."""
        before, after = self.measured or (None, None)
        tables = {name: {"before": a.as_dict(), "after": b.as_dict()} for name, (a, b) in self.errors.items()}
        return {"stages": self.stages, "measured_us_before": before, "measured_us_after": after, **tables}


def run_pruning(settings: PruneSettings, progress: Stage = silent) -> PruneReport:
    """Prune a model and write the result, as ``acnn prune`` does; files that exist are replaced.

    Args:
        progress: what shows each stage of the work.
    """
    target = Target.parse(settings.budget)
    if target.unit == "us":
        require_calibrated("a model is pruned to a time per atom")
    job = _Job(settings, progress)
    fit, stages = job.pruned(target)
    report = PruneReport(fit, stages, job.errors(fit.model), job.measured(fit.model))
    save_model(fit.model, settings.output, job.provenance(report))
    return report


def settings_of_the_fit(record: Mapping[str, Any], model: Path) -> FitSettings:
    """Return the settings with which a model was fitted, but for files and the choice of the basis.

    Raises:
        ValueError: the model has no record of its fit.
    """
    stored = mapping(record.get("settings"))
    if not (stored and mapping(record.get("weights")) and "element_correlation" in record):
        raise ValueError(f"{model} has no record of how it was fitted, which pruning needs: fit it with acnn fit")
    kept = {key: value for key, value in stored.items() if key not in WITHOUT}
    return fit_settings({**kept, "weights": record["weights"], "output": model})


def equations_of(
    problem: LinearProblem,
    structures: Sequence[LabeledStructure],
    virial_offset: Mapping[str, float],
    checkpoint: Path | None = None,
    advance: Advance = lambda: None,
) -> ReducedProblem:
    """Return the equations of a fit, with those of the repulsion.

    Args:
        virial_offset: constants by which virials differ from those of the model, eV by element; none: zero.
    """
    model = problem.model()
    assemble, n = Assembler(model, problem.kernel), model.basis.n_functions
    kept = checkpoint_of(checkpoint, model, assemble.n_columns)
    with kept.held(ALONE) if kept else nullcontext():
        rows = accumulate(assemble, structures, ALONE, kept, advance).result()
    constants = np.array([virial_offset.get(element, 0.0) for element in model.elements])
    equations = corrected(rows, n, constants)
    if problem.repulsion_weight == 0:
        return equations
    contacts = CloseContacts.of(model.elements, structures)
    restraint = repulsion_rows(model, assemble.rows, contacts, problem.repulsion_weight, rows.n_rows)
    return equations.with_rows(*restraint)


class _Job:
    """A model, the data it is pruned on, and its fit."""

    def __init__(self, settings: PruneSettings, progress: Stage) -> None:
        self.settings, self.progress = settings, progress
        name = str(settings.model)
        self.model = require_linear(load_model(settings.model), name, "only the functions of these are pruned")
        self.record = read_header(settings.model)["provenance"]
        self.fitted = settings_of_the_fit(self.record, settings.model)
        self.weights = self.fitted.weight_table()
        files = {"train": settings.train, "test": settings.test}
        self.datasets = {name: self.fitted.read(path, self.weights) for name, path in files.items() if path}
        require_elements(self.datasets, self.model.elements)
        specification = self.model.basis.specification
        problem = LinearProblem.of(self.fitted, specification, self.model.e0.energies)
        self.problem = problem.with_basis(specification)
        self.structures = self.datasets["train"].structures
        self.rho = float(self.record["element_correlation"])
        self.offset = mapping(self.record.get("virial_offset"))

    def pruned(self, target: Target) -> tuple[LinearFit, list[dict[str, Any]]]:
        """Return the pruned model with its solution, and the figures of all stages."""
        start = time.perf_counter()
        specification = self.model.basis.specification
        advance = self.progress(f"equations of {specification.n_functions} functions", len(self.structures))
        equations = equations_of(self.problem, self.structures, self.offset, self.settings.checkpoint, advance)
        seconds, test = time.perf_counter() - start, self._test_equations()
        around = surroundings(typical_atoms(self.structures, specification.largest_cutoff), specification)
        solver, prior = self.problem.solver, self.problem.element_prior()
        pruning = Pruning(self.model.basis, equations, prior, solver, self.rho, around, cost_model())
        rows = []
        for stage in pruning.stages(np.flatnonzero(self.model.coefficients.detach().numpy()), target):
            rows.append(_figures(stage, test))
            last = stage
        return self._fit(last, seconds, time.perf_counter() - start), rows

    def _fit(self, pruned: Pruned, assembly_seconds: float, seconds: float) -> LinearFit:
        """Return the model, with a committee and an active set where the fit made them."""
        model, n = self.model, pruned.n_equations
        small = LinearACE(model.basis, model.e0.energies, torch.as_tensor(pruned.coefficients), model.zbl is not None)
        small.combinations = model.combinations
        fit = LinearFit(small, pruned.whole_solution(), n, seconds, assembly_seconds, self.rho, self.offset)
        structures, every = self._consistent("train"), np.ones(len(self.structures), dtype=bool)
        if self.fitted.committee:
            add_committees(
                [PartialFit(fit, every, ~every)], structures, self.fitted, self.weights, ALONE, self.progress
            )
        if self.fitted.gamma:
            advance = self.progress("active set", len(structures))
            small.active_set = active_set_of(small, structures, advance, self.fitted.kernel)
        return fit

    def _test_equations(self) -> ReducedProblem | None:
        if "test" not in self.datasets:
            return None
        structures = self._consistent("test")
        advance, assemble = self.progress("equations of the test", len(structures)), Assembler(self.problem.model())
        found = accumulate(assemble, structures, ALONE, None, advance).result()
        return found.leading(self.model.basis.n_functions)

    def _consistent(self, name: str) -> list[LabeledStructure]:
        """Return the structures with virials that are those of the model, but for errors."""
        return [without_offset(structure, self.offset) for structure in self.datasets[name]]

    def errors(self, small: LinearACE) -> dict[str, tuple[ErrorTable, ErrorTable]]:
        """Return the errors of the given model and of the pruned one."""
        found = {}
        for name, dataset in self.datasets.items():
            advance = self.progress(f"errors on {name}", 2 * len(dataset))
            before, after = (
                evaluate(m, self._consistent(name), advance, self.fitted.kernel) for m in (self.model, small)
            )
            found[name] = (before, after)
        return found

    def measured(self, small: LinearACE) -> tuple[float, float] | None:
        """Return the measured µs per atom and core of both models."""
        if not instruction_sets():
            return None
        graph = typical_atoms(self.structures, self.model.cutoff)
        before, after = (measured_microseconds(model.program(), graph) for model in (self.model, small))
        return before, after

    def provenance(self, report: PruneReport) -> dict[str, Any]:
        """Return the facts about fit and pruning that the model file keeps."""
        first, last = report.stages[0], report.stages[-1]
        data: dict[str, Any] = {name: dataset.provenance() for name, dataset in self.datasets.items()}
        return {
            "acnn_version": version("acnn"),
            **{key: self.record[key] for key in INHERITED if key in self.record},
            "data": data,
            "pruned": f"from {first['functions']} functions, {first['us_per_atom']:.3g} µs per atom, to "
            f"{last['functions']}, {last['us_per_atom']:.3g} µs",
            **report.fit.metrics(),
            **{name: after.as_dict() for name, (_, after) in report.errors.items()},
        }


def _figures(stage: Pruned, test: ReducedProblem | None) -> dict[str, Any]:
    row = {
        "functions": stage.n_functions,
        "us_per_atom": stage.microseconds,
        "log_evidence": stage.solution.log_evidence,
        "train": stage.residual,
    }
    return row if test is None else row | {"test": rms(test, stage.coefficients)}


def rms(problem: ReducedProblem, coefficients: np.ndarray) -> float:
    """Return the RMS of the residuals y - A c."""
    return float(np.sqrt(problem.misfit(coefficients) / max(problem.n_rows, 1)))
