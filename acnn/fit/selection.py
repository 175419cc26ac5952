"""Which basis: candidates of several orders, degrees and cutoffs, compared on the same equations.

For one cutoff the functions of a smaller order or degree are among those of the largest, so the equations are assembled
once, and every candidate is a choice of columns of their triangular factor. The criteria:

    evidence    log p(y | β, ζ) at its maximum (paper eq. 16), to be large
    bic         N log(‖y - A c‖² / N) + p log N, to be small (Schwarz, Ann. Stat. 6, 461 (1978))
    cv          RMS of the weighted residuals of held-out folds, to be small
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.linalg
import torch

from acnn.arrays import FloatArray, IntArray
from acnn.basis.coupling import n_invariants
from acnn.basis.specification import BasisSpecification, ElementOverride, grouped
from acnn.data.dataset import LabeledStructure
from acnn.data.splits import folds
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler
from acnn.fit.contacts import CloseContacts
from acnn.fit.linear import chosen, together
from acnn.fit.memory import require_memory
from acnn.fit.repulsion import repulsion_rows
from acnn.graph import AtomicGraph
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.parallel.mpi import ALONE, Ranks
from acnn.solvers import BLR, Prior, ReducedProblem, Solution, StreamingQR

CRITERIA = ("evidence", "bic", "cv")
N_FOLDS = 5
DEGREE_STEP, LOWEST_DEGREE = 2.0, 4.0
CUTOFF_FACTORS = (0.85, 1.0, 1.15)
TIMED_ATOMS = 500
"""Least number of atoms on which the cost of a candidate is measured."""


@dataclass(frozen=True)
class Candidate:
    """A basis and how it did.

    Attributes:
        n_functions: number of coefficients p.
        residual: RMS of the weighted training residuals, in eV/Å where forces have weight one.
        evidence: log evidence.
        bic: Bayesian information criterion.
        cv: RMS of the weighted residuals of held-out folds; None unless that is the criterion.
        microseconds: per atom, energy and forces, on this machine with the threads of the fit.
        on_front: no other candidate is both cheaper and better by the criterion.
        is_chosen: the best by the criterion.
    """

    specification: BasisSpecification
    n_functions: int
    residual: float
    evidence: float
    bic: float
    cv: float | None
    microseconds: float
    on_front: bool = False
    is_chosen: bool = False

    def score(self, criterion: str) -> float:
        """To be small."""
        value = getattr(self, criterion)
        return -value if criterion == "evidence" else float(value)

    def as_dict(self) -> dict[str, Any]:
        spec = self.specification
        values = {key: value for key, value in asdict(self).items() if key != "specification"}
        return {"order": spec.order, "degree": spec.total_degree, "cutoff": spec.cutoff, **values}


@dataclass(frozen=True)
class Budget:
    """Limits of a search: functions of a candidate, seconds of the whole search."""

    functions: float = math.inf
    seconds: float = math.inf

    @classmethod
    def parse(cls, text: str | float) -> Budget:
        """ "500" functions, or "120s"."""
        given = str(text).strip()
        try:
            number = float(given.removesuffix("s"))
        except ValueError:
            number = math.nan
        if not number > 0:
            raise ValueError(f"a budget is a number of functions, 500, or of seconds, 120s, not {text!r}")
        return cls(seconds=number) if given.endswith("s") else cls(functions=number)


def candidate_cutoffs(cutoff: float, given: Sequence[float] | None = None) -> tuple[float, ...]:
    """Cutoffs in Å, the wanted one first: the search may end early."""
    cutoffs = given or [round(factor * cutoff, 2) for factor in CUTOFF_FACTORS]
    return tuple(sorted(set(cutoffs), key=lambda value: (abs(value - cutoff), value)))


def smaller_bases(largest: BasisSpecification) -> list[BasisSpecification]:
    """Bases of lower order and degree, in steps of two, and the largest itself; by number of functions."""
    found: dict[tuple[float, ...], BasisSpecification] = {}
    degrees = _of_orders(largest.total_degree, largest.order)
    for order in range(1, largest.order + 1):
        for steps in itertools.count():
            lowered = _lowered(degrees[:order], steps)
            found.setdefault(lowered, _smaller(largest, order, lowered, steps))
            if lowered == _lowered(degrees[:order], steps + 1):
                break
    return sorted(found.values(), key=lambda spec: spec.n_functions)


def _of_orders(degree: float | tuple[float, ...], order: int) -> tuple[float, ...]:
    return degree if isinstance(degree, tuple) else (degree,) * order


def _lowered(degrees: tuple[float, ...], steps: int) -> tuple[float, ...]:
    """By so many steps, but not below the lowest one or what they are."""
    return tuple(max(min(LOWEST_DEGREE, d), d - DEGREE_STEP * steps) for d in degrees)


def _smaller(spec: BasisSpecification, order: int, degrees: tuple[float, ...], steps: int) -> BasisSpecification:
    """With these degrees; what elements have of their own is lowered by as much."""
    overrides = {name: _smaller_override(own, spec.order, order, steps) for name, own in spec.overrides.items()}
    degree = degrees[0] if len(set(degrees)) == 1 else degrees
    return spec.model_copy(update={"order": order, "total_degree": degree, "overrides": overrides})


def _smaller_override(own: ElementOverride, largest: int, order: int, steps: int) -> ElementOverride:
    own_order = own.order or largest
    changed: dict[str, object] = {"order": min(own.order, order) if own.order else None}
    if own.total_degree is not None:
        changed["total_degree"] = _lowered(_of_orders(own.total_degree, own_order)[: min(own_order, order)], steps)
    return own.model_copy(update=changed)


def covering(specifications: Sequence[BasisSpecification]) -> BasisSpecification:
    """The smallest basis that holds all functions of these, which differ in orders and degrees."""
    first, order = specifications[0], max(spec.order for spec in specifications)
    degrees = _highest([_of_orders(spec.total_degree, spec.order) for spec in specifications])
    overrides = {
        name: ElementOverride(order=len(own), total_degree=own, wl=override.wl)
        for name, override in first.overrides.items()
        for own in [_highest([spec.degrees(name) for spec in specifications])]
    }
    return first.model_copy(update={"order": order, "total_degree": degrees, "overrides": overrides})


def _highest(degrees: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Of each order."""
    return tuple(max(d for d in of_order if d is not None) for of_order in itertools.zip_longest(*degrees))


def column_keys(spec: BasisSpecification) -> list[tuple[Any, ...]]:
    """What each column of a basis is: the same key, the same function."""
    keys: list[tuple[Any, ...]] = []
    for element in spec.elements:
        for multiset in spec.multisets(element):
            keys += [(element, multiset, k) for k in range(n_invariants(grouped(multiset)))]
    for pair in itertools.combinations_with_replacement(spec.elements, 2):
        keys += [(pair, n) for n in range(spec.n_pair_functions)]
    return keys


def columns_of(small: BasisSpecification, large: BasisSpecification) -> IntArray:
    """Where the functions of a smaller basis are among those of a larger one."""
    position = {key: column for column, key in enumerate(column_keys(large))}
    return np.array([position[key] for key in column_keys(small)], dtype=np.int64)


def restricted(problem: ReducedProblem, columns: IntArray) -> ReducedProblem:
    """The problem of some columns alone."""
    stacked = np.column_stack([problem.factor[:, columns], problem.target])
    (factor,) = scipy.linalg.qr(stacked, mode="r", check_finite=False)
    p = len(columns)
    full = np.zeros((p + 1, p + 1))
    rows = min(p + 1, len(factor))
    full[:rows] = factor[:rows]
    residual = math.hypot(problem.residual, full[p, p])
    return ReducedProblem(np.triu(full[:p, :p]), full[:p, p], residual, problem.n_rows)


def misfit(problem: ReducedProblem, columns: IntArray, coefficients: FloatArray) -> float:
    """‖y - A c‖², c on some columns and zero on the others."""
    return float(((problem.target - problem.factor[:, columns] @ coefficients) ** 2).sum() + problem.residual**2)


def select_basis(
    largest: BasisSpecification,
    cutoffs: Sequence[float],
    structures: Sequence[LabeledStructure],
    reference_energies: Mapping[str, float],
    prior: Prior,
    criterion: str,
    *,
    budget: Budget | None = None,
    zbl: bool = False,
    repulsion_weight: float = 0.0,
    seed: int = 0,
    kernel: str | None = None,
    ranks: Ranks = ALONE,
    advance: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """All candidates with the chosen one marked; the smallest first.

    Args:
        largest: the largest basis to consider; its cutoffs are replaced.
        cutoffs: of the candidates, Å; those that the budget does not reach are left out.
        prior: of each candidate, whose λ maximizes the evidence.
        criterion: one of `CRITERIA`.
        repulsion_weight: as in `fit_linear`; those rows are no data and count in no criterion but the evidence.
        advance: called after each structure, for each cutoff.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"bases are chosen by {', '.join(CRITERIA)}, not {criterion!r}")
    budget, start = budget or Budget(), time.perf_counter()
    affordable = [spec for spec in smaller_bases(largest) if spec.n_functions <= budget.functions]
    if not affordable:
        least = smaller_bases(largest)[0].n_functions
        raise ValueError(f"no basis has at most {budget.functions:g} functions: the smallest has {least}")
    assembled = covering(affordable)
    require_memory(assembled, structures, n_factors=1 + N_FOLDS * (criterion == "cv"))
    contacts = CloseContacts.of(largest.elements, structures) if repulsion_weight > 0 else None
    found: list[Candidate] = []
    for cutoff in cutoffs:
        search = _Search(
            assembled, cutoff, reference_energies, prior, criterion, zbl, contacts, repulsion_weight, kernel
        )
        factors = search.factors(structures, seed, ranks, advance)
        found += ranks.by_root(lambda s=search, f=factors: s.candidates(f, affordable, structures))  # type: ignore[misc]
        if ranks.by_root(lambda: time.perf_counter() - start) > budget.seconds / 2:  # another one may take as long
            break
    return marked(found, criterion)


def marked(candidates: Iterable[Candidate], criterion: str) -> list[Candidate]:
    """With the best one and the Pareto front of cost and criterion."""
    by_cost = sorted(candidates, key=lambda c: (c.microseconds, c.score(criterion)))
    best = min(by_cost, key=lambda c: (c.score(criterion), c.n_functions))
    result, lowest = [], math.inf
    for candidate in by_cost:
        better = candidate.score(criterion) < lowest
        lowest = min(lowest, candidate.score(criterion))
        result.append(replace(candidate, on_front=better, is_chosen=candidate is best))
    return sorted(result, key=lambda c: (c.specification.cutoff, c.n_functions))


class _Search:
    """All candidates of one cutoff."""

    def __init__(
        self,
        largest: BasisSpecification,
        cutoff: float,
        reference_energies: Mapping[str, float],
        prior: Prior,
        criterion: str,
        zbl: bool,
        contacts: CloseContacts | None,
        repulsion_weight: float,
        kernel: str | None,
    ) -> None:
        self.prior, self.criterion, self.cutoff, self.kernel = prior, criterion, cutoff, kernel
        self.largest = self._at_cutoff(largest)
        self.model = LinearACE(self.largest, reference_energies, zbl=zbl)
        self.assemble = Assembler(self.model, kernel, keep_zero_rows=True)
        self.gamma = prior([nl for _, nl in self.model.basis.labels()])
        self.contacts, self.repulsion_weight = contacts, repulsion_weight
        self.repulsion: tuple[FloatArray, FloatArray] | None = None

    def _at_cutoff(self, spec: BasisSpecification) -> BasisSpecification:
        ratio = self.cutoff / spec.cutoff
        pair_cutoff = None if spec.pair_cutoff is None else ratio * spec.pair_cutoff
        return spec.model_copy(update={"cutoff": self.cutoff, "pair_cutoff": pair_cutoff})

    def factors(
        self, structures: Sequence[LabeledStructure], seed: int, ranks: Ranks, advance: Callable[[], None]
    ) -> dict[int, StreamingQR]:
        """One for all, or one for each fold."""
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
        specifications: Sequence[BasisSpecification],
        structures: Sequence[LabeledStructure],
    ) -> list[Candidate]:
        parts = [part for part in factors if part >= 0]
        data = together(factors, parts).result()
        if self.contacts is not None:
            restraint = (self.contacts, self.repulsion_weight, data.n_rows)
            self.repulsion = repulsion_rows(self.model, self.assemble.rows, *restraint)
        graph = timing_graph(structures, self.model.cutoff)
        left_out = parts if len(parts) > 1 else []
        training = {part: together(factors, [p for p in parts if p != part]).result() for part in left_out}
        held_out = {part: factors[part].result() for part in training}
        return [self._candidate(self._at_cutoff(s), data, training, held_out, graph) for s in specifications]

    def _candidate(
        self,
        spec: BasisSpecification,
        data: ReducedProblem,
        training: Mapping[int, ReducedProblem],
        held_out: Mapping[int, ReducedProblem],
        graph: AtomicGraph,
    ) -> Candidate:
        columns = columns_of(spec, self.largest)
        problem = restricted(data, columns)
        solution = self._solution(problem, columns)
        n, p = problem.n_rows, len(columns)
        square = misfit(data, columns, solution.coefficients)
        cv = None
        if training:
            squares = 0.0
            for part, rest in training.items():
                fitted = self._solution(restricted(rest, columns), columns)
                squares += misfit(held_out[part], columns, fitted.coefficients)
            cv = math.sqrt(squares / sum(problem.n_rows for problem in held_out.values()))
        return Candidate(
            specification=spec,
            n_functions=p,
            residual=math.sqrt(square / n),
            evidence=float(solution.log_evidence or 0.0),
            bic=n * math.log(max(square, np.finfo(float).tiny) / n) + p * math.log(n),
            cv=cv,
            microseconds=1e6 * seconds_per_atom(self._model(spec, solution), graph, self.kernel),
        )

    def _solution(self, problem: ReducedProblem, columns: IntArray) -> Solution:
        """Of the data and the restraint."""
        if self.repulsion is not None:
            rows = StreamingQR(len(columns))
            rows.add(problem.factor, problem.target)
            rows.add(np.zeros((1, len(columns))), np.array([problem.residual]))
            rows.add(self.repulsion[0][:, columns], self.repulsion[1])
            problem = replace(rows.result(), n_rows=problem.n_rows + len(self.repulsion[1]))
        return BLR().solve(problem, self.gamma[columns])

    def _model(self, spec: BasisSpecification, solution: Solution) -> LinearACE:
        coefficients = torch.as_tensor(solution.coefficients)
        return LinearACE(spec, self.model.e0.energies, coefficients, self.model.zbl is not None)


def timing_graph(structures: Sequence[LabeledStructure], cutoff: float) -> AtomicGraph:
    """The largest structure, repeated to some hundreds of atoms where it is periodic."""
    atoms = max(structures, key=len).atoms.copy()
    for axis in itertools.islice(itertools.cycle(np.flatnonzero(atoms.pbc)), 12):
        if len(atoms) >= TIMED_ATOMS:
            break
        repeats = [1, 1, 1]
        repeats[axis] = 2
        atoms *= repeats
    return atomic_graph(atoms, cutoff)


def seconds_per_atom(model: LinearACE, graph: AtomicGraph, kernel: str | None, repeats: int = 3) -> float:
    """Energy and pair gradients, the best of a few times."""
    times = []
    model.pair_gradients(graph, kernel)
    for _ in range(repeats):
        start = time.perf_counter()
        model.pair_gradients(graph, kernel)
        times.append(time.perf_counter() - start)
    return min(times) / graph.n_centers
