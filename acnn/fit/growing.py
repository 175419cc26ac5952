"""A fit that grows: structures join it one after the other, and its basis may change, with nothing assembled twice.

The triangular factor is that of the largest basis. A smaller basis is a selection of its columns.
"""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from acnn.basis.specification import BasisSpecification
from acnn.combinations import Combinations
from acnn.data.dataset import LabeledStructure
from acnn.fit.accumulation import accumulate
from acnn.fit.assembly import Assembler
from acnn.fit.candidates import bayesian_criterion, columns_of, smaller_bases
from acnn.fit.checkpoint import checkpoint_of
from acnn.fit.contacts import CloseContacts
from acnn.fit.coverage import combinations_of
from acnn.fit.linear import LinearProblem
from acnn.fit.repulsion import repulsion_rows
from acnn.models.linear import LinearACE
from acnn.parallel import ALONE
from acnn.progress import Advance
from acnn.solvers import BLR, ReducedProblem, Solution
from acnn.wording import counted

Criterion = Literal["evidence", "bic"]


@dataclass(frozen=True)
class Fitted:
    """A fit of a basis: the model, and its solution with the posterior."""

    model: LinearACE
    solution: Solution


class GrowingFit:
    """The equations of all structures so far, kept in a file.

    Args:
        problem: with the largest basis.
        checkpoint: the file of the factor; what it contains is not assembled again.
    """

    def __init__(self, problem: LinearProblem, checkpoint: Path) -> None:
        self.problem, self._path = problem, checkpoint
        self._model = problem.model()
        self._assemble = Assembler(self._model, problem.kernel)
        self._prior = problem.element_prior()
        self._structures: list[LabeledStructure] = []
        self._data: ReducedProblem | None = None
        self._rows: ReducedProblem | None = None

    def add(self, structures: Sequence[LabeledStructure], advance: Advance = lambda: None) -> None:
        """Assemble the equations of those of the structures, which are all so far, that are new.

        The factor is read back from its file, so that a run that was killed continues with the same bits.

        Raises:
            ValueError: there are no equations, or the file holds structures that are not among these.
        """
        kept = checkpoint_of(self._path, self._model, self._assemble.n_columns)
        assert kept is not None
        with kept.held(ALONE):
            for left in self._path.parent.glob(f"{glob.escape(self._path.name)}.rank*"):
                left.unlink()  # of a killed run, which had added up less: the sum would differ in its last bits
            accumulate(self._assemble, structures, ALONE, kept, advance)
            total = accumulate(self._assemble, structures, ALONE, kept, lambda: None)
        if total.n_rows == 0:
            raise ValueError(
                f"no structure has a label and a neighbor inside the cutoff of {self._model.cutoff} Å: there is "
                "nothing to fit"
            )
        self._structures = list(structures)
        self._data = self._rows = total.result().leading(self._model.basis.n_functions)
        if self.problem.repulsion_weight > 0:
            contacts = CloseContacts.of(self._model.elements, structures)
            weight, n = self.problem.repulsion_weight, self._data.n_rows
            self._rows = self._data.with_rows(*repulsion_rows(self._model, self._assemble.rows, contacts, weight, n))

    def chosen_basis(self, criterion: Criterion, most_functions: int) -> BasisSpecification:
        """Return the best of the bases within the largest that have at most so many functions.

        Raises:
            ValueError: all of them have more.
        """
        bases = smaller_bases(self.problem.specification)
        affordable = [basis for basis in bases if basis.n_functions <= most_functions]
        if not affordable:
            raise ValueError(
                f"no basis has at most {counted(most_functions, 'function')}: the smallest has {bases[0].n_functions}"
            )
        return min(affordable, key=lambda basis: self._score(basis, criterion))

    def fit(self, basis: BasisSpecification) -> Fitted:
        """Fit a basis that is contained in the largest one."""
        solution = self._solution(basis, self.problem)
        coefficients = torch.as_tensor(solution.coefficients)
        model = LinearACE(basis, self._model.e0.energies, coefficients, self._model.zbl is not None)
        model.combinations = self._combinations(basis)
        return Fitted(model, solution)

    def _solution(self, basis: BasisSpecification, problem: LinearProblem) -> Solution:
        if self._rows is None:
            raise ValueError("there are no equations yet: add structures first")
        columns = columns_of(basis, self.problem.specification)
        beyond = problem.goes_beyond(self._combinations(basis))
        return problem.solve(self._prior.restricted(columns), self._rows.restricted(columns), beyond)[0]

    def _score(self, basis: BasisSpecification, criterion: Criterion) -> float:
        """Return -log p(y) or the BIC, as `acnn.fit.selection` has them: less is better."""
        solution = self._solution(basis, replace(self.problem, solver=BLR()))
        if criterion == "evidence":
            return -float(solution.log_evidence or 0.0)
        assert self._data is not None
        columns = columns_of(basis, self.problem.specification)
        return bayesian_criterion(self._data.misfit(solution.coefficients, columns), self._data.n_rows, len(columns))

    def _combinations(self, basis: BasisSpecification) -> Combinations:
        return combinations_of(basis.elements, self._structures, basis.largest_cutoff)
