"""Dropping the functions of a linear model that buy little accuracy for their time.

Functions leave in groups that the kernel can save: all couplings of the same channels (elements, n, l), and single pair
functions. Without a group g the penalized misfit ‖y - A c‖² + λ ‖Γ c‖² grows by

    Δ_g = c_gᵀ ([(AᵀA + λ Γ²)⁻¹]_gg)⁻¹ c_g

when the other coefficients are found again, which follows from the covariance of the coefficients, β⁻¹ times that
inverse. Most of the time goes into what many groups need: the kernel computes all radial functions and harmonics up to
the last one, and densities and products of them that are shared (`acnn.kernels.needs`). So single groups compete with
sets of groups, those that need a radial function, l or density. What has the smallest Δ per µs that it saves leaves
first, some at a time; then the coefficients are fitted again, as the fit did, and Δ and savings are computed again.
The last step may also take many small savings instead of a large one, if Δ of all is less.
(Functions that are correlated in the prior are fitted under the prior of those that remain: that costs less than Δ.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.ace import ACEBasis
from acnn.basis.functions import Function
from acnn.fit.element_prior import ElementPrior
from acnn.kernels.cost import CostModel, Surroundings
from acnn.kernels.needs import needs_of
from acnn.kernels.program import Program, compile_energy
from acnn.settings.prune import Target
from acnn.solvers import ReducedProblem, Solution, Solver
from acnn.solvers.base import Posterior

MOST_AT_ONCE, LEAST_AT_ONCE = 0.03, 0.01
"""Share of the cost that leaves before the coefficients are fitted again; the least near the target."""
LARGEST_SET = 0.3
"""Share of the functions that leaves with a radial function or harmonics, at most."""
NOTHING, ROUNDING = 1e-9, 1e-12


@dataclass(frozen=True)
class Pruned:
    """A model on the way.

    Attributes:
        columns: the functions that are left, as columns of the basis.
        coefficients: c of all functions of the basis [p], zero for the others.
        tested: the columns of the solution, of which the solver may have dropped some.
        solution: that of these columns.
        microseconds: per atom and core, by the cost model.
        residual: RMS of the weighted residuals of the training data.
        n_equations: number of these.
    """

    columns: IntArray
    coefficients: FloatArray
    tested: IntArray
    solution: Solution
    microseconds: float
    residual: float
    n_equations: int

    def posterior(self) -> tuple[FloatArray, FloatArray]:
        """Return F and c of the columns that are left, in units in which the noise is one."""
        whole = np.isin(self.tested, self.columns)
        scale = math.sqrt(self.solution.noise_precision or 1.0)
        return scale * self.solution.covariance_factor[whole], self.solution.coefficients[whole]

    def whole_solution(self) -> Solution:
        """Return the solution with all functions of the basis; the coefficients of the others are zero."""
        tested = self.tested
        kept = np.zeros(len(self.coefficients), dtype=bool)
        kept[self.columns] = True

        def factor() -> FloatArray:
            own = self.solution.covariance_factor
            found = np.zeros((len(kept), own.shape[1]))
            found[tested] = own
            return found

        return replace(
            self.solution, coefficients=self.coefficients, kept=kept, posterior=Posterior(self.coefficients, factor)
        )

    @property
    def n_functions(self) -> int:
        """Number of functions that are left."""
        return len(self.columns)


@dataclass(frozen=True)
class Pruning:
    """What is pruned, and what it is measured by.

    Attributes:
        basis: that of the model.
        problem: the equations of its training data.
        prior, solver, rho: those of the fit.
        around: atoms for which the cost is computed.
        cost: that of the machine.
    """

    basis: ACEBasis
    problem: ReducedProblem
    prior: ElementPrior
    solver: Solver
    rho: float
    around: Surroundings
    cost: CostModel

    def stages(self, columns: IntArray, target: Target) -> Iterator[Pruned]:
        """Yield the model of these columns, fitted again, and smaller ones, until the target is met.

        Raises:
            ValueError: nothing would be left.
        """
        groups = product_groups(self.basis.specification.functions())
        stage = self._fitted(columns, self.problem.restricted(columns))
        limit = target.limit(stage.microseconds, stage.n_functions)
        yield stage
        while (size := limit.size(stage.microseconds, stage.n_functions)) > limit.most:
            left = self._smaller(stage, groups, limit.of_time, size - limit.most)
            if not len(left):
                raise ValueError(
                    f"nothing is left of the model within {target}: allow more than {size:.3g} {limit.unit}"
                )
            stage = self._fitted(left, self.problem.restricted(left))
            yield stage

    def _fitted(self, columns: IntArray, problem: ReducedProblem) -> Pruned:
        solution = self.prior.restricted(columns).solve(self.solver, problem, self.rho)
        kept = solution.kept & (solution.coefficients != 0)
        coefficients = np.zeros(self.basis.n_functions)
        coefficients[columns] = solution.coefficients
        cost, n = self.cost(self._program(coefficients), self.around), problem.n_rows
        rms = math.sqrt(problem.misfit(solution.coefficients) / n)
        return Pruned(columns[kept], coefficients, columns, solution, cost, rms, n)

    def _program(self, coefficients: FloatArray) -> Program:
        return compile_energy(self.basis, coefficients, dict.fromkeys(self.basis.elements, 0.0))

    def _smaller(self, stage: Pruned, groups: IntArray, by_time: bool, excess: float) -> IntArray:
        """Return the columns without the groups that buy least."""
        of_column = np.unique(groups[stage.columns], return_inverse=True)[1]
        sizes, single = np.bincount(of_column).astype(float), losses(stage, of_column)
        if not by_time:
            order = np.argsort(single / sizes, kind="stable")
            return stage.columns[~np.isin(of_column, order[: _enough(np.cumsum(sizes[order]), excess)])]
        own = np.full(len(groups), -1)
        own[stage.columns] = of_column
        needs = needs_of(self.basis, own, self._program(stage.coefficients), self.around, self.cost)
        sets = needs.levels()
        small = sets @ sizes < LARGEST_SET * sizes.sum()
        sets = sets[small] if small.any() else sets
        worth = np.concatenate([single, [loss_of(stage, inside[of_column]) for inside in sets]])
        saved = np.concatenate([needs.saved_alone(), needs.saved(sets)])
        per_time = worth / np.maximum(saved, NOTHING * needs.costs.sum())
        ways = []
        for too_much in (np.inf, excess) if excess < MOST_AT_ONCE * needs.costs.sum() else (np.inf,):
            position = first_places(np.lexsort((per_time, saved > too_much)), sets)
            leaving = position[of_column] < _enough(needs.saved_in_order(position), excess)
            ways.append((loss_of(stage, leaving), leaving))
        return stage.columns[~min(ways, key=lambda way: way[0])[1]]


def _enough(saved: FloatArray, excess: float) -> int:
    """Return how many of the first to take, from what they save together [n]."""
    wanted = max(LEAST_AT_ONCE * saved[-1], min(MOST_AT_ONCE * saved[-1], excess))
    return int(np.searchsorted(saved, wanted * (1 - 1e-12))) + 1


def first_places(order: IntArray, sets: BoolArray) -> IntArray:
    """Return the first place at which each group leaves [n_groups].

    Args:
        order: single groups, and n_groups + k for the kth set, in order.
        sets: the groups in each set [n_sets, n_groups].
    """
    n_groups = sets.shape[1]
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    in_sets = np.where(sets, place[n_groups:, None], len(order)).min(axis=0, initial=len(order))
    return np.minimum(place[:n_groups], in_sets)


def product_groups(functions: Sequence[Function]) -> IntArray:
    """Return the group of every function: those with the same elements, n and l belong together."""
    found: dict[tuple[object, ...], int] = {}
    return np.array([found.setdefault(function[:3], len(found)) for function in functions], dtype=np.int64)


def losses(stage: Pruned, of_column: IntArray) -> FloatArray:
    """Return Δ_g of every group [n_groups].

    Args:
        of_column: the group of each column of the stage, from 0 on.
    """
    order = np.argsort(of_column, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(of_column[order])) + 1)
    factor, c = stage.posterior()
    return np.array([_loss(factor[members], c[members]) for members in groups])


def loss_of(stage: Pruned, leaving: BoolArray) -> float:
    """Return Δ of the columns that are marked."""
    factor, c = stage.posterior()
    return _loss(factor[leaving], c[leaving])


def _loss(factor: FloatArray, c: FloatArray) -> float:
    """Return cᵀ Σ⁻¹ c with Σ = F Fᵀ."""
    covariance = factor @ factor.T
    covariance[np.diag_indices(len(c))] *= 1 + ROUNDING
    return float(c @ scipy.linalg.solve(covariance, c, assume_a="pos", check_finite=False))
