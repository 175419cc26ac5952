"""A fit that grows is the fit of everything at once, for the largest basis and for those within it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.labeling import calculated
from acnn.data.weights import Weights
from acnn.fit import growing
from acnn.fit.growing import GrowingFit
from acnn.fit.linear import LinearProblem, fit_problem
from acnn.fit.selection import select_basis
from acnn.solvers import BLR, AlgebraicPrior

LARGEST = BasisSpecification(elements=("Al", "Cu"), order=2, degree=6, cutoff=4.5)
PROBLEM = LinearProblem(LARGEST, {"Al": 0.1, "Cu": -0.2}, BLR(), AlgebraicPrior(3.0), repulsion_weight=0.1)


def structure(seed: int) -> LabeledStructure:
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=rng.uniform(3.6, 4.0))
    atoms.symbols[:] = rng.choice(["Al", "Cu"], 4).tolist()
    atoms.positions += rng.normal(scale=0.1, size=(4, 3))
    labels = calculated(atoms, EMT())
    return LabeledStructure(atoms, labels.energy, labels.forces, labels.virial, "alloy", Weights(), f"#{seed}")


@pytest.fixture(scope="module")
def structures() -> list[LabeledStructure]:
    return [structure(seed) for seed in range(8)]


def grown(path: Path, structures: list[LabeledStructure], *sizes: int) -> GrowingFit:
    fit = GrowingFit(PROBLEM, path / "equations.factor")
    for n in sizes:
        fit.add(structures[:n])
    return fit


@pytest.mark.parametrize("basis", [LARGEST, LARGEST.model_copy(update={"degree": 4.0})], ids=["largest", "smaller"])
def test_it_is_the_fit_of_everything_at_once(tmp_path, structures, basis):
    found = grown(tmp_path, structures, 3, 5, 8).fit(basis)
    expected = fit_problem(PROBLEM.with_basis(basis), structures)
    np.testing.assert_allclose(
        found.model.coefficients.numpy(), expected.model.coefficients.numpy(), rtol=1e-6, atol=1e-9
    )
    assert found.solution.log_evidence == pytest.approx(expected.solution.log_evidence, rel=1e-8)
    np.testing.assert_array_equal(found.model.combinations.seen, expected.model.combinations.seen)


def test_only_new_structures_are_assembled_and_a_killed_run_has_the_same_bits(tmp_path, structures, monkeypatch):
    assembled: list[int] = []
    accumulate = growing.accumulate

    def counting(assemble, given, ranks, kept, advance):
        before = len(kept.collect())
        assembled.append(len(given) - before)
        return accumulate(assemble, given, ranks, kept, advance)

    monkeypatch.setattr(growing, "accumulate", counting)
    whole = grown(tmp_path, structures, 3, 8).fit(LARGEST)
    assert assembled == [3, 0, 5, 0]
    again = grown(tmp_path, structures, 8).fit(LARGEST)
    assert assembled[4:] == [0, 0]
    assert again.model.coefficients.equal(whole.model.coefficients)


@pytest.mark.parametrize("criterion", ["evidence", "bic"])
def test_the_chosen_basis_is_that_of_a_search(tmp_path, structures, criterion):
    fit = grown(tmp_path, structures, 8)
    candidates = select_basis(PROBLEM, [LARGEST.cutoff], structures, criterion)
    (best,) = [candidate.specification for candidate in candidates if candidate.is_chosen]
    assert fit.chosen_basis(criterion, 10_000) == best
    most = sorted(candidate.n_functions for candidate in candidates)[1]
    assert fit.chosen_basis(criterion, most).n_functions <= most
    with pytest.raises(ValueError, match="no basis has at most 2 functions: the smallest has"):
        fit.chosen_basis(criterion, 2)


def test_without_equations_there_is_nothing_to_fit(tmp_path):
    with pytest.raises(ValueError, match="there are no equations yet: add structures first"):
        GrowingFit(PROBLEM, tmp_path / "equations.factor").fit(LARGEST)
