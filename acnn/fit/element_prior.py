"""A prior under which functions that differ only in elements have similar coefficients.

Where a basis has one function for each choice of elements (of the center z_0 and of its neighbors z_1 … z_ν), data of
elements and binaries say nothing about those of mixed neighborhoods, which independent priors set to zero. Here the
tensors c[z_0; z_1 … z_ν] of `acnn.basis.element_tensors` have the covariance

    Cov(c, c') = 1 / (ζ γ²) · K(z_0, z_0') K(z_1, z_1') … K(z_ν, z_ν'),         K = (1 - ρ) 1 + ρ J,

with J full of ones. In orders of 1 - ρ this is a part common to all elements, parts that depend on one of them, and so
on: the closer ρ is to 1, the less do two elements matter together that could matter one by one, and the better are
combinations predicted that no data show (benchmarks/alloys.py). The evidence of the training data has its maximum at a
smaller ρ, since they need not be predicted; so where data lack combinations, ρ is the largest at which it is not less
than with independent elements by more than a small part (`ALLOWANCE`). Otherwise it is that of the largest evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray, IntArray
from acnn.basis.element_tensors import ElementGroup, element_groups, largest_group
from acnn.basis.functions import Function
from acnn.basis.specification import BasisSpecification
from acnn.solvers import BLR, ReducedProblem, Solution, Solver
from acnn.solvers.rotation import Rotation

CANDIDATES = (0.9999, 0.999, 0.99, 0.9)
"""Values of ρ that are tried, the largest first."""
ALLOWANCE = 0.02
"""Log evidence per equation that a larger ρ may cost: what errors larger by 2 % cost."""
LARGEST_BLOCK = 4000
"""Columns of a group, and choices of elements in it, beyond which the elements are taken as independent."""


class ElementPrior:
    """The prior of a basis: γ, and which columns differ only in elements.

    Args:
        functions: the columns.
        elements: chemical symbols, by ascending atomic number.
        gamma: γ of every column [p].
    """

    def __init__(self, functions: Sequence[Function], elements: Sequence[str], gamma: FloatArray) -> None:
        self.elements, self.gamma = tuple(elements), gamma
        alike = len(elements) > 1 and largest_group(functions, len(elements)) <= LARGEST_BLOCK
        self.groups = element_groups(functions, elements) if alike else []

    @property
    def has_alike(self) -> bool:
        """Whether there are elements to correlate, in groups of a size that can be handled."""
        return bool(self.groups)

    def restricted(self, columns: IntArray) -> ElementPrior:
        """Return the prior of some of the columns, in this order."""
        part = ElementPrior([], (), self.gamma[columns])
        part.elements = self.elements
        place = {int(column): k for k, column in enumerate(columns)}
        for group in self.groups:
            inside = [k for k, column in enumerate(group.columns.tolist()) if column in place]
            if inside:
                own = np.array([place[int(group.columns[k])] for k in inside])
                part.groups.append(ElementGroup(own, (*group.shape, *inside), group.weights[inside]))
        return part

    def rotation(self, rho: float) -> Rotation:
        """Return T with T Tᵀ = the covariance of the columns, for ζ = 1."""
        n = len(self.elements)
        root = np.linalg.cholesky((1 - rho) * np.eye(n) + rho).astype(np.float64)
        roots: dict[tuple[object, ...], FloatArray] = {}
        blocks = []
        for group in self.groups:
            if group.shape not in roots:
                roots[group.shape] = _root(group.weights, root)
            blocks.append((group.columns, roots[group.shape] / self.gamma[group.columns, None]))
        return Rotation(blocks)

    def solve(self, solver: Solver, problem: ReducedProblem, rho: float) -> Solution:
        """Solve a problem of these columns; with ρ = 0 their coefficients are independent."""
        if rho == 0 or not self.has_alike:
            return solver.solve(problem, self.gamma)
        return self.rotation(rho).solve(solver, problem)

    def solve_by_evidence(self, solver: Solver, problem: ReducedProblem, beyond: bool) -> tuple[Solution, float]:
        """Return the solution at the ρ of largest evidence, and ρ.

        Args:
            beyond: combinations of elements are to be predicted that the data lack: take the largest ρ that the
                evidence allows instead.
        """
        if not self.has_alike:
            return self.solve(solver, problem, 0.0), 0.0

        def at(rho: float) -> tuple[Solution, float]:
            return self.solve(BLR(), problem, rho), rho

        if beyond:
            independent = at(0.0)
            least = _evidence(independent) - ALLOWANCE * problem.n_rows
            found, best = next((one for one in map(at, CANDIDATES) if _evidence(one) >= least), independent)
        else:
            found, best = max(map(at, (*CANDIDATES, 0.0)), key=_evidence)
        return (found if solver == BLR() else self.solve(solver, problem, best)), best


def independence_warnings(specification: BasisSpecification) -> list[str]:
    """Warn where elements are taken as independent although there are several, since they are too many."""
    n, found = len(specification.elements), largest_group(specification.functions(), len(specification.elements))
    if n < 2 or found <= LARGEST_BLOCK:
        return []
    return [
        f"the {n} elements are independent in the prior: functions of order {specification.order} have {found} choices "
        f"of elements, of which {LARGEST_BLOCK} can be correlated; combinations that the data lack are not predicted"
    ]


def _evidence(solved: tuple[Solution, float]) -> float:
    return solved[0].log_evidence or 0.0


def _root(weights: FloatArray, root: FloatArray) -> FloatArray:
    """Return T [n, n] with T Tᵀ = W (K ⊗ K ⊗ … ⊗ 1) Wᵀ, from the root of K."""
    product = weights
    for axis in range(1, weights.ndim - 1):
        product = np.moveaxis(np.tensordot(product, root, axes=(axis, 0)), -1, axis)
    wide = product.reshape(len(weights), -1)
    if wide.shape[0] == wide.shape[1]:
        return wide
    (triangle,) = scipy.linalg.qr(wide.T, mode="r", check_finite=False)
    return np.ascontiguousarray(triangle[: len(weights)].T)
