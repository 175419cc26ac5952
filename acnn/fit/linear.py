"""Fit a linear ACE: assemble and factor the rows structure by structure, then solve once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.specification import BasisSpecification
from acnn.combinations import Combinations
from acnn.data.dataset import LabeledStructure
from acnn.fit.accumulation import accumulate, together
from acnn.fit.assembly import Assembler
from acnn.fit.checkpoint import checkpoint_of
from acnn.fit.contacts import CloseContacts
from acnn.fit.coverage import combinations_of
from acnn.fit.element_prior import ElementPrior
from acnn.fit.repulsion import repulsion_rows
from acnn.fit.summary import fit_blocks
from acnn.fit.virial_offset import Solved, solve_all
from acnn.html.rendering import fragment
from acnn.models.linear import LinearACE
from acnn.parallel import ALONE, Ranks
from acnn.progress import Advance, advance_of
from acnn.settings.linear import LinearSettings
from acnn.settings.solver import SOLVER_OPTIONS, SolverSettings, parse_correlation
from acnn.solvers import SOLVERS, Prior, ReducedProblem, Solution, Solver, StreamingQR
from acnn.solvers.ard import parse_threshold
from acnn.solvers.priors import parse_prior, weighing_angles
from acnn.wording import counted


def make_solver(settings: SolverSettings) -> Solver:
    """Make the solver with the parameters that were given."""
    given = {
        parameter: getattr(settings, option)
        for option, (solver, parameter) in SOLVER_OPTIONS.items()
        if solver == settings.solver and getattr(settings, option) is not None
    }
    if "threshold" in given:
        given["threshold"] = parse_threshold(given["threshold"])
    return SOLVERS[settings.solver](**given)


def make_prior(settings: LinearSettings) -> Prior:
    """Make the prior, which weighs angles as the basis does."""
    return parse_prior(settings.prior, settings.with_defaults("wl"))


@dataclass(frozen=True)
class LinearProblem:
    """The definition of a fit, independent of the structures.

    Attributes:
        specification: the basis.
        reference_energies: E0 in eV per element.
        solver, prior: see `acnn.solvers`.
        zbl: add fixed screened nuclear repulsion.
        repulsion_weight: weight of the restraint to nuclear repulsion (`acnn.fit.repulsion`); 0 leaves it out.
        kernel: what computes the equations, "cpu", "torch" or "auto"; None takes ``ACNN_KERNEL``.
        element_correlation: ρ of functions that differ in elements only; None: what the evidence allows.
        virial_offset: "none", or "fit" a constant of virials per element; "auto": where the evidence demands it.
    """

    specification: BasisSpecification
    reference_energies: Mapping[str, float]
    solver: Solver
    prior: Prior
    zbl: bool = False
    repulsion_weight: float = 0.0
    kernel: str | None = None
    element_correlation: float | None = None
    virial_offset: str = "none"

    @classmethod
    def of(
        cls, settings: LinearSettings, specification: BasisSpecification, reference_energies: Mapping[str, float]
    ) -> LinearProblem:
        """Make the problem that the settings describe."""
        return cls(
            specification,
            reference_energies,
            make_solver(settings),
            make_prior(settings),
            settings.zbl,
            settings.repulsion,
            settings.kernel,
            parse_correlation(settings.element_correlation),
        )

    def with_basis(self, specification: BasisSpecification) -> LinearProblem:
        """Return the problem with another basis, whose w_L the prior shares."""
        return replace(self, specification=specification, prior=weighing_angles(self.prior, specification.wl))

    def model(self) -> LinearACE:
        """Return the model before the fit, with all coefficients zero."""
        return LinearACE(self.specification, self.reference_energies, zbl=self.zbl)

    def element_prior(self) -> ElementPrior:
        """Return the prior with the columns that differ in elements only."""
        functions = self.specification.functions()
        gamma = self.prior([function.nl for function in functions])
        return ElementPrior(functions, self.specification.elements, gamma)

    def goes_beyond(self, combinations: Combinations) -> bool:
        """Return whether the fit is to predict mixtures of elements that the data lack."""
        return self.element_correlation is None and combinations.lack_mixtures

    def solve(self, prior: ElementPrior, problem: ReducedProblem, beyond: bool) -> tuple[Solution, float]:
        """Return the solution and ρ: that of the settings, or the one that the evidence finds (`ElementPrior`).

        Args:
            beyond: mixtures of elements are to be predicted that the structures lack.
        """
        if self.element_correlation is None:
            return prior.solve_by_evidence(self.solver, problem, beyond)
        return prior.solve(self.solver, problem, self.element_correlation), self.element_correlation


@dataclass(frozen=True, repr=False)
class LinearFit:
    """A fitted model and how it was obtained.

    Attributes:
        model: the potential.
        solution: coefficients, regularization, evidence.
        n_rows: number of equations.
        seconds: wall time of assembly, factorization and solution.
        assembly_seconds: wall time of assembly and factorization.
        element_correlation: ρ of the prior.
        virial_offset: constants by which virials differ from those of the model, eV/atom by element, if there are any.
    """

    model: LinearACE
    solution: Solution
    n_rows: int
    seconds: float
    assembly_seconds: float
    element_correlation: float = 0.0
    virial_offset: Mapping[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        facts = [counted(self.n_rows, "equation"), self.solution.solver, f"{self.seconds:.1f} s", repr(self.model)]
        return f"<LinearFit: {'; '.join(facts)}>"

    def _repr_html_(self) -> str:
        """Return the facts about the fit and its model, for notebooks."""
        return fragment(fit_blocks(self.metrics(), self.model, warnings=self.solution.warnings))

    def metrics(self) -> dict[str, Any]:
        """Return the figures of the fit by the names that ``--json`` gives them."""
        solution = self.solution
        return {
            "n_basis": self.model.basis.n_functions,
            "n_kept": int(self.model.kept.sum()),
            "fit_seconds": self.seconds,
            "assembly_seconds": self.assembly_seconds,
            "n_equations": self.n_rows,
            "solver": solution.solver,
            "regularization": solution.regularization,
            "element_correlation": self.element_correlation,
            "virial_offset": dict(self.virial_offset) or None,
            "effective_parameters": solution.effective_parameters,
            "log_evidence": solution.log_evidence,
        }


def fit_linear(
    specification: BasisSpecification,
    structures: Sequence[LabeledStructure],
    reference_energies: Mapping[str, float],
    solver: Solver,
    prior: Prior,
    *,
    zbl: bool = False,
    repulsion_weight: float = 0.0,
    kernel: str | None = None,
    element_correlation: float | None = None,
    ranks: Ranks = ALONE,
    checkpoint: Path | None = None,
    progress: bool | Advance = False,
) -> LinearFit:
    """Fit coefficients to energies, forces and virials.

    Args:
        structures: labels with their weights.
        ranks: those of an MPI job; all make the same call and get the same fit.
        checkpoint: file to keep the factor in. Structures that it already contains are not assembled again.
        progress: True shows a bar, on a terminal or in a notebook; or a function that is called after each structure.

    The other arguments are those of `LinearProblem`.
    """
    problem = LinearProblem(
        specification, reference_energies, solver, prior, zbl, repulsion_weight, kernel, element_correlation
    )
    with advance_of(progress, "equations", len(structures)) as advance:
        return fit_problem(problem, structures, ranks=ranks, checkpoint=checkpoint, advance=advance)


def fit_problem(
    problem: LinearProblem,
    structures: Sequence[LabeledStructure],
    *,
    ranks: Ranks = ALONE,
    checkpoint: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> LinearFit:
    """Fit a problem, like `fit_linear`."""
    parts = np.zeros(len(structures), np.int64)
    (fit,) = fit_subsets(problem, structures, parts, [[0]], ranks=ranks, checkpoint=checkpoint, advance=advance)
    return fit


def fit_subsets(
    problem: LinearProblem,
    structures: Sequence[LabeledStructure],
    parts: IntArray,
    subsets: Sequence[Sequence[int]],
    *,
    ranks: Ranks = ALONE,
    checkpoint: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> list[LinearFit]:
    """Fit each subset of the parts of a data set; all equations are assembled and factored only once.

    Args:
        parts: the part of each structure [n]; those of part -1 belong to every subset.
        subsets: lists of parts.
        checkpoint: for data in a single part only.

    The other arguments are those of `fit_linear`. The seconds of each fit are those of all together.
    """
    start = time.perf_counter()
    model = problem.model()
    assemble = Assembler(model, problem.kernel)
    kept = checkpoint_of(checkpoint, model, assemble.n_columns)
    with kept.held(ranks) if kept else nullcontext():
        factors = {
            part: accumulate(assemble, chosen(structures, parts == part), ranks, kept, advance)
            for part in sorted({0, *parts.tolist()})
        }

    assembly_seconds = time.perf_counter() - start
    combinations = combinations_of(model.elements, structures, problem.specification.largest_cutoff)

    def solve() -> list[Solved]:
        prior, beyond, repulsion = problem.element_prior(), problem.goes_beyond(combinations), None
        if problem.repulsion_weight > 0:
            contacts = CloseContacts.of(model.elements, structures)
            n_equations = sum(factor.n_rows for factor in factors.values())
            repulsion = repulsion_rows(model, assemble.rows, contacts, problem.repulsion_weight, n_equations)
        found = [_reduced(together(factors, subset), repulsion, model) for subset in subsets]
        return solve_all(found, lambda one: problem.solve(prior, one, beyond), model.elements, problem.virial_offset)

    solved = ranks.by_first(solve, lambda found: [(solution.without_posterior(), *rest) for solution, *rest in found])
    seconds = time.perf_counter() - start
    return [
        LinearFit(_with(model, solution, combinations), solution, n_rows, seconds, assembly_seconds, rho, offset)
        for solution, n_rows, rho, offset in solved
    ]


def chosen(structures: Sequence[LabeledStructure], which: BoolArray) -> list[LabeledStructure]:
    """Return the structures that are marked."""
    return [structure for structure, take in zip(structures, which.tolist(), strict=True) if take]


def _reduced(rows: StreamingQR, repulsion: tuple[FloatArray, FloatArray] | None, model: LinearACE) -> ReducedProblem:
    """Return the problem of data and restraint, in the columns of the assembler."""
    if rows.n_rows == 0:
        raise ValueError(
            "no structure has a label with a positive weight and a neighbor inside the cutoff of "
            f"{model.cutoff} Å: there is nothing to fit"
        )
    if repulsion is not None:
        rows.add(np.pad(repulsion[0], ((0, 0), (0, len(model.elements)))), repulsion[1])
    return rows.result()


def _with(model: LinearACE, solution: Solution, combinations: Combinations) -> LinearACE:
    coefficients = torch.as_tensor(solution.coefficients)
    fitted = LinearACE(model.basis, model.e0.energies, coefficients, model.zbl is not None)
    fitted.combinations = combinations
    return fitted
