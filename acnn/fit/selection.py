"""Choosing a basis: candidates of several orders, degrees and cutoffs, compared on the same equations.

At a given cutoff, the functions of a smaller order or degree are among those of the largest. The equations are
therefore assembled once, and every candidate is a selection of columns of their triangular factor. The criteria:

    evidence    log p(y | β, ζ) at its maximum (paper eq. 16), maximized
    bic         N log(‖y - A c‖² / N) + p log N, minimized (Schwarz, Ann. Stat. 6, 461 (1978))
    cv          RMS of the weighted residuals of held-out folds, minimized
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from acnn.arrays import FloatArray, IntArray
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.splits import folds
from acnn.fit.accumulation import accumulate, together
from acnn.fit.assembly import Assembler
from acnn.fit.candidates import Candidate, at_cutoff, bayesian_criterion, columns_of, covering, smaller_bases
from acnn.fit.contacts import CloseContacts
from acnn.fit.costs import microseconds, programs_of
from acnn.fit.coverage import combinations_of
from acnn.fit.linear import LinearProblem, chosen
from acnn.fit.memory import require_memory
from acnn.fit.repulsion import repulsion_rows
from acnn.fit.virial_offset import corrected, solve_with_offset
from acnn.kernels.calibration import require_calibrated
from acnn.parallel import ALONE, Ranks
from acnn.settings.fit import Budget
from acnn.solvers import BLR, ReducedProblem, Solution, StreamingQR

CRITERIA = ("evidence", "bic", "cv")
N_FOLDS = 5


class BudgetError(ValueError):
    """No basis is within the budget."""


def select_basis(
    problem: LinearProblem,
    cutoffs: Sequence[float],
    structures: Sequence[LabeledStructure],
    criterion: str,
    *,
    angular_weights: Sequence[float] = (),
    budget: Budget | None = None,
    seed: int = 0,
    ranks: Ranks = ALONE,
    advance: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Evaluate all candidates and mark the chosen one; the smallest come first.

    Args:
        problem: its basis is the largest to consider; the cutoffs are replaced. λ of each candidate maximizes the
            evidence, whatever the solver; ρ, where it is not given, is that of the largest basis at the cutoff. Rows
            of the repulsion are not data and count only in the evidence.
        cutoffs: those of the candidates, Å; cutoffs beyond the budget of seconds are left out.
        criterion: one of `CRITERIA`.
        angular_weights: further w_L to try; their bases have no more functions than the largest.
        advance: called after each structure, for each cutoff.
    """
    start, budget = time.perf_counter(), budget or Budget()
    found: list[Candidate] = []
    too_small: BudgetError | None = None
    for wl in dict.fromkeys((problem.specification.wl, *angular_weights)):
        largest, most = problem.specification, problem.specification.n_functions
        bases = smaller_bases(largest.model_copy(update={"wl": wl}))
        within = [one.model_copy(update={"wl": wl}) for one in bases if one.n_functions <= most]
        try:
            found += compared(
                problem, within, structures, criterion, cutoffs, budget=budget, seed=seed, ranks=ranks, advance=advance
            )
        except BudgetError as error:
            too_small = error
        if ranks.by_first(lambda: time.perf_counter() - start) > budget.seconds / 2:
            break
    if too_small and not found:
        raise too_small
    return marked(found, criterion)


def compared(
    problem: LinearProblem,
    bases: Sequence[BasisSpecification],
    structures: Sequence[LabeledStructure],
    criterion: str,
    cutoffs: Sequence[float] = (),
    *,
    budget: Budget,
    seed: int = 0,
    costs: bool = True,
    ranks: Ranks = ALONE,
    advance: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Evaluate bases of one w_L, each at all cutoffs (by default its own), on one assembly for every cutoff.

    Without costs, which take a second, candidates have no µs per atom.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"the criterion must be one of {', '.join(CRITERIA)}, not {criterion!r}")
    start = time.perf_counter()
    affordable = [spec for spec in bases if spec.n_functions <= budget.functions]
    if not affordable:
        raise BudgetError(
            f"the budget of {budget.functions:g} functions is too small: the smallest basis has "
            f"{min(spec.n_functions for spec in bases)}"
        )
    require_memory(covering(affordable), structures, n_factors=1 + N_FOLDS * (criterion == "cv"))
    contacts = CloseContacts.of(bases[0].elements, structures) if problem.repulsion_weight > 0 else None
    found: list[Candidate] = []
    tried = cutoffs or (bases[0].cutoff,)
    at_cutoffs: dict[float, list[Priced]] = {cutoff: [(spec, None) for spec in affordable] for cutoff in tried}
    if costs:
        at_cutoffs = ranks.by_first(lambda: _priced(affordable, tried, structures))
    for cutoff, priced in _within(at_cutoffs, budget.microseconds).items():
        assembled = problem.with_basis(covering([spec for spec, _ in priced]))
        search = _Search(assembled, cutoff, criterion, contacts)
        factors = search.factors(structures, seed, ranks, advance)
        found += ranks.by_first(lambda s=search, f=factors, p=priced: s.candidates(f, p, structures))  # type: ignore[misc]
        if ranks.by_first(lambda: time.perf_counter() - start) > budget.seconds / 2:  # another one may take as long
            break
    return found


Priced = tuple[BasisSpecification, float | None]
"""A basis and its µs per atom, if it is wanted."""


def _priced(
    specifications: Sequence[BasisSpecification], cutoffs: Sequence[float], structures: Sequence[LabeledStructure]
) -> dict[float, list[Priced]]:
    """Return the bases with their costs at each cutoff."""
    programs = programs_of(specifications)
    found: dict[float, list[Priced]] = {}
    for cutoff in cutoffs:
        times = microseconds(programs, at_cutoff(specifications[0], cutoff), structures)
        found[cutoff] = list(zip(specifications, times, strict=True))
    return found


def _within(at_cutoffs: Mapping[float, Sequence[Priced]], most: float) -> dict[float, list[Priced]]:
    """Return the bases that take no more µs than allowed, at the cutoffs that have some."""
    if most < math.inf:
        require_calibrated("a basis is chosen by its time per atom")
    found = {cutoff: [(s, t) for s, t in priced if t is None or t <= most] for cutoff, priced in at_cutoffs.items()}
    if not any(found.values()):
        least = min(t for priced in at_cutoffs.values() for _, t in priced if t is not None)
        raise BudgetError(f"the budget of {most:g} µs per atom is too small: the cheapest basis takes {least:.2g} µs")
    return {cutoff: priced for cutoff, priced in found.items() if priced}


def marked(candidates: Iterable[Candidate], criterion: str) -> list[Candidate]:
    """Mark the best candidate and the Pareto front of cost and criterion."""
    by_cost = sorted(candidates, key=lambda c: (c.microseconds or c.n_functions, c.score(criterion)))
    best = min(by_cost, key=lambda c: (c.score(criterion), c.n_functions))
    result, lowest = [], math.inf
    for candidate in by_cost:
        better = candidate.score(criterion) < lowest
        lowest = min(lowest, candidate.score(criterion))
        result.append(replace(candidate, on_front=better, is_chosen=candidate is best))
    return sorted(result, key=lambda c: (c.specification.cutoff, c.n_functions))


class _Search:
    """All candidates of one cutoff."""

    def __init__(self, problem: LinearProblem, cutoff: float, criterion: str, contacts: CloseContacts | None) -> None:
        self.problem = replace(problem, specification=at_cutoff(problem.specification, cutoff))
        self.cutoff, self.criterion, self.contacts = cutoff, criterion, contacts
        self.model = self.problem.model()
        self.assemble = Assembler(self.model, problem.kernel, keep_zero_rows=True)
        self.prior = self.problem.element_prior()
        self.rho = 0.0
        self.repulsion: tuple[FloatArray, FloatArray] | None = None

    def factors(
        self, structures: Sequence[LabeledStructure], seed: int, ranks: Ranks, advance: Callable[[], None]
    ) -> dict[int, StreamingQR]:
        """Return one factor for all structures, or one for each fold."""
        if self.criterion != "cv":
            return {0: accumulate(self.assemble, structures, ranks, None, advance)}
        parts = folds(structures, N_FOLDS, seed, self.model.cutoff)
        return {
            part: accumulate(self.assemble, chosen(structures, parts == part), ranks, None, advance)
            for part in sorted({0, *parts.tolist()})
        }

    def candidates(
        self,
        factors: Mapping[int, StreamingQR],
        priced: Sequence[Priced],
        structures: Sequence[LabeledStructure],
    ) -> list[Candidate]:
        """Evaluate all bases."""
        parts = [part for part in factors if part >= 0]
        data = together(factors, parts).result()
        n_functions = self.model.basis.n_functions
        if self.contacts is not None:
            weight = self.problem.repulsion_weight
            self.repulsion = repulsion_rows(self.model, self.assemble.rows, self.contacts, weight, data.n_rows)
        cutoff = self.problem.specification.largest_cutoff
        beyond = self.problem.goes_beyond(combinations_of(self.model.elements, structures, cutoff))
        by_evidence = replace(self.problem, solver=BLR())

        def solve(reduced: ReducedProblem) -> tuple[Solution, float]:
            return by_evidence.solve(self.prior, reduced, beyond)

        _, self.rho, constants = solve_with_offset(solve, data, n_functions, self.problem.virial_offset)
        data = corrected(data, n_functions, constants)
        left_out = parts if len(parts) > 1 else []
        training = {
            part: corrected(together(factors, [p for p in parts if p != part]).result(), n_functions, constants)
            for part in left_out
        }
        held_out = {part: corrected(factors[part].result(), n_functions, constants) for part in training}
        return [self._candidate(at_cutoff(s, self.cutoff), cost, data, training, held_out) for s, cost in priced]

    def _candidate(
        self,
        spec: BasisSpecification,
        cost: float | None,
        data: ReducedProblem,
        training: Mapping[int, ReducedProblem],
        held_out: Mapping[int, ReducedProblem],
    ) -> Candidate:
        columns = columns_of(spec, self.problem.specification)
        problem = data.restricted(columns)
        solution = self._solution(problem, columns)
        n, p = problem.n_rows, len(columns)
        square = data.misfit(solution.coefficients, columns)
        cv = None
        if training:
            squares = 0.0
            for part, rest in training.items():
                fitted = self._solution(rest.restricted(columns), columns)
                squares += held_out[part].misfit(fitted.coefficients, columns)
            cv = math.sqrt(squares / sum(problem.n_rows for problem in held_out.values()))
        return Candidate(
            specification=spec,
            n_functions=p,
            residual=math.sqrt(square / n),
            evidence=float(solution.log_evidence or 0.0),
            bic=bayesian_criterion(square, n, p),
            cv=cv,
            microseconds=cost,
        )

    def _solution(self, problem: ReducedProblem, columns: IntArray) -> Solution:
        """Solve for the data and the restraint."""
        if self.repulsion is not None:
            problem = problem.with_rows(self.repulsion[0][:, columns], self.repulsion[1])
        return self.prior.restricted(columns).solve(BLR(), problem, self.rho)
