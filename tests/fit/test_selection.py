"""Candidates of one assembly are the fits they stand for, and the criteria are their formulas."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.data.dataset import LabeledStructure
from acnn.data.splits import folds
from acnn.data.weights import Weights
from acnn.fit.assembly import Assembler
from acnn.fit.candidates import (
    Candidate,
    at_cutoff,
    candidate_cutoffs,
    columns_of,
    covering,
    edge_notes,
    smaller_bases,
)
from acnn.fit.linear import LinearProblem, chosen, fit_linear
from acnn.fit.selection import N_FOLDS, marked, select_basis
from acnn.kernels.loading import instruction_sets
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.settings.fit import Budget
from acnn.solvers import BLR, AlgebraicPrior, Prior, StreamingQR

E0 = {"Al": -1.0, "Cu": -2.0}
LARGEST = BasisSpecification(elements=("Al", "Cu"), order=3, degree=8, cutoff=4.5)
AGREEMENT = 1e-9


def crystal(seed: int) -> LabeledStructure:
    """Labels of a model of order 2, with less noise than what is beyond pairs."""
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=rng.uniform(3.6, 4.0))
    atoms.symbols[:] = rng.choice(["Al", "Cu"], 4).tolist()
    atoms.positions += rng.normal(scale=0.1, size=(4, 3))
    specification = BasisSpecification(elements=("Al", "Cu"), order=2, degree=6, cutoff=4.5)
    n = ACEBasis(specification).n_functions
    truth = LinearACE(specification, E0, torch.as_tensor(np.random.default_rng(9).normal(size=n)))
    found = truth.pair_gradients(atomic_graph(atoms, truth.cutoff))
    energy, forces = float(found.energies[0]) + rng.normal(scale=1e-3), found.forces.numpy()
    forces = forces + rng.normal(scale=1e-3, size=(4, 3))
    return LabeledStructure(atoms, energy, forces, None, "crystal", Weights(), f"#{seed}")


def problem(prior: Prior) -> LinearProblem:
    return LinearProblem(LARGEST, E0, BLR(), prior)


@pytest.fixture(scope="module")
def data() -> list[LabeledStructure]:
    return [crystal(seed) for seed in range(24)]


@pytest.mark.parametrize("small", smaller_bases(LARGEST), ids=lambda s: f"{s.order}-{s.degree}")
def test_functions_of_a_smaller_basis_are_columns_of_the_larger_one(small, data):
    graph = atomic_graph(data[0].atoms, LARGEST.cutoff)
    small_values, values = ACEBasis(small)(graph), ACEBasis(LARGEST)(graph)
    np.testing.assert_allclose(small_values, values[columns_of(small, LARGEST)], atol=1e-12)


@pytest.mark.parametrize("criterion", ["evidence", "cv"])
def test_a_candidate_is_the_fit_it_stands_for(data, criterion):
    prior = AlgebraicPrior(3.0)
    found = select_basis(problem(prior), [LARGEST.cutoff], data, criterion)
    candidate = found[len(found) // 2]
    fit = fit_linear(candidate.specification, data, E0, BLR(), prior)
    assert candidate.evidence == pytest.approx(fit.solution.log_evidence, rel=1e-8)
    square, n = weighted_square(fit.model, data)
    assert candidate.residual == pytest.approx(math.sqrt(square / n), rel=1e-6)
    p = fit.model.basis.n_functions
    assert candidate.n_functions == p
    assert candidate.bic == pytest.approx(n * math.log(square / n) + p * math.log(n), rel=1e-8)
    if criterion == "cv":
        assert candidate.cv == pytest.approx(cross_validated(candidate.specification, data, prior), rel=1e-6)
    else:
        assert candidate.cv is None


def test_other_angular_weights_are_tried_within_the_same_size(data):
    found = select_basis(problem(AlgebraicPrior(3.0)), [4.5], data[:8], "evidence", angular_weights=(1.0,))
    finer = [c for c in found if c.specification.wl == 1.0]
    assert 0 < len(finer) < len(found)
    assert max(c.n_functions for c in finer) <= LARGEST.n_functions
    candidate = finer[-1]
    fit = fit_linear(candidate.specification, data[:8], E0, BLR(), AlgebraicPrior(3.0, wl=1.0))
    assert candidate.evidence == pytest.approx(fit.solution.log_evidence, rel=1e-8)


def test_degrees_may_fall_with_the_order():
    found = smaller_bases(LARGEST.model_copy(update={"order": 4, "degree": 10.0}))
    assert (10.0, 10.0, 7.0, 5.0) in {spec.degrees("Al") for spec in found}
    given = smaller_bases(LARGEST.model_copy(update={"degree": (10.0, 9.0, 8.0)}))
    assert {spec.degrees("Al") for spec in given if spec.order == 3} >= {(10.0, 9.0, 8.0), (8.0, 7.0, 6.0)}


def weighted_square(model: LinearACE, data: list[LabeledStructure]) -> tuple[float, int]:
    assemble = Assembler(LinearACE(model.basis, E0))
    c = model.coefficients.numpy()
    residuals = np.concatenate([y - a[:, : len(c)] @ c for a, y in map(assemble, data)])
    return float((residuals**2).sum()), len(residuals)


def cross_validated(specification: BasisSpecification, data: list[LabeledStructure], prior: AlgebraicPrior) -> float:
    parts, total, n = folds(data, N_FOLDS, 0), 0.0, 0
    for fold in range(N_FOLDS):
        fit = fit_linear(specification, chosen(data, parts != fold), E0, BLR(), prior)
        square, rows = weighted_square(fit.model, chosen(data, parts == fold))
        total, n = total + square, n + rows
    return math.sqrt(total / n)


def test_the_evidence_finds_the_order_of_the_data(data):
    found = select_basis(problem(AlgebraicPrior(4.0)), [LARGEST.cutoff], data, "bic")
    (best,) = [c for c in found if c.is_chosen]
    assert best.specification.order == 2
    assert best.specification.degrees("Al") == (6.0, 6.0)


def test_restriction_is_the_problem_of_the_columns():
    rng = np.random.default_rng(3)
    rows, targets = rng.normal(size=(30, 8)), rng.normal(size=30)
    whole, part = StreamingQR(8), StreamingQR(3)
    columns = np.array([1, 4, 6])
    whole.add(rows, targets)
    part.add(rows[:, columns], targets)
    found, expected = whole.result().restricted(columns), part.result()
    np.testing.assert_allclose(found.factor.T @ found.factor, expected.factor.T @ expected.factor, atol=AGREEMENT)
    np.testing.assert_allclose(found.factor.T @ found.target, expected.factor.T @ expected.target, atol=AGREEMENT)
    assert found.residual == pytest.approx(expected.residual)
    assert found.n_rows == 30


def test_budgets():
    assert Budget.parse("300") == Budget(functions=300)
    assert Budget.parse("90s") == Budget(seconds=90)
    assert Budget.parse("2.5us") == Budget(microseconds=2.5) == Budget.parse("2.5µs")
    assert Budget.parse("5us, 120s,300") == Budget(functions=300, microseconds=5, seconds=120)
    for text in ("soon", "-3", "0s", "", "us", "5us,6us", "5ms", "nan"):
        with pytest.raises(ValueError, match="a budget is a number of functions"):
            Budget.parse(text)


def test_a_budget_of_functions_bounds_every_candidate(data):
    found = select_basis(problem(AlgebraicPrior()), [4.5], data[:6], "evidence", budget=Budget(functions=60))
    assert max(c.n_functions for c in found) <= 60
    with pytest.raises(ValueError, match="the budget of 2 functions is too small"):
        select_basis(problem(AlgebraicPrior()), [4.5], data[:6], "evidence", budget=Budget(functions=2))


def test_a_budget_of_time_per_atom_bounds_every_candidate(data):
    if not instruction_sets():
        pytest.skip("acnn was installed without the compiled kernel")
    alike = replace(problem(AlgebraicPrior()), element_correlation=0.9)  # else that of the largest basis within
    everything = select_basis(alike, [3.5, 4.5], data[:6], "evidence")
    most = sorted(c.microseconds for c in everything)[len(everything) // 3]
    found = select_basis(alike, [3.5, 4.5], data[:6], "evidence", budget=Budget(microseconds=most))
    assert [(c.specification, c.evidence) for c in found] == [
        (c.specification, pytest.approx(c.evidence, rel=1e-8)) for c in everything if c.microseconds <= most
    ]
    with pytest.raises(ValueError, match=r"the budget of 0\.001 µs per atom is too small: the cheapest basis takes"):
        select_basis(problem(AlgebraicPrior()), [4.5], data[:6], "evidence", budget=Budget(microseconds=1e-3))


def test_larger_bases_and_cutoffs_cost_more(data):
    found = {
        (c.specification.cutoff, c.specification.order, c.specification.degrees("Al")[0]): c.microseconds
        for c in select_basis(problem(AlgebraicPrior()), [3.5, 4.5], data[:6], "evidence")
    }
    for (cutoff, order, degree), cost in found.items():
        for larger in ((4.5, order, degree), (cutoff, order + 1, degree), (cutoff, order, degree + 2)):
            assert larger not in found or found[larger] >= cost


def test_a_choice_at_the_edge_of_what_was_tried_is_reported():
    def candidate(cutoff: float, n: int, chosen: bool) -> Candidate:
        return Candidate(at_cutoff(LARGEST, cutoff), n, 0.0, 0.0, 0.0, None, 1.0, is_chosen=chosen)

    inside = [candidate(4.0, 10, True), candidate(5.0, 20, False)]
    assert edge_notes(inside) == []
    cutoff, basis = edge_notes([candidate(4.0, 10, False), candidate(5.0, 20, True)])
    assert cutoff == "the best cutoff, 5 Å, is the largest tried: try more with --select-cutoffs"
    assert "the best basis is the largest tried" in basis
    assert edge_notes([candidate(4.0, 10, True)]) == []


@pytest.mark.parametrize("most", [20, 70, 150])
def test_a_budget_may_leave_out_the_bases_that_hold_all_others(data, most):
    """Order 2 of degree 8 is no part of order 3 of degree 6."""
    found = select_basis(problem(AlgebraicPrior()), [4.5], data[:6], "evidence", budget=Budget(functions=most))
    affordable = [spec.n_functions for spec in smaller_bases(LARGEST) if spec.n_functions <= most]
    assert sorted(c.n_functions for c in found) == affordable


def test_all_orders_from_one_on_are_tried():
    tried = {(spec.order, spec.degrees("Al")) for spec in smaller_bases(LARGEST)}
    assert {order for order, _ in tried} == {1, 2, 3}
    assert tried >= {(1, (8.0,)), (2, (8.0, 8.0)), (3, (8.0, 8.0, 8.0))}


def test_settings_of_single_elements_are_lowered_too():
    own = {"Al": ElementOverride(order=2, degree=(6.0, 5.0)), "Cu": ElementOverride(degree=4.0)}
    largest = LARGEST.model_copy(update={"overrides": own})
    found = smaller_bases(largest)
    assert [found[-1].degrees(element) for element in ("Al", "Cu")] == [(6.0, 5.0), (4.0, 4.0, 4.0)]
    assert found[0].degrees("Al") == (4.0,) == found[0].degrees("Cu")
    assert {spec.order: len(spec.degrees("Al")) for spec in found} == {1: 1, 2: 2, 3: 2}
    for spec in found:
        assert len(columns_of(spec, largest)) == spec.n_functions


def test_a_covering_basis_holds_all_and_no_more():
    two, three = (LARGEST.model_copy(update={"order": n, "degree": d}) for n, d in ((2, 8.0), (3, 6.0)))
    assert covering([two, three]).degrees("Cu") == (8.0, 8.0, 6.0)
    assert covering(smaller_bases(LARGEST)).degrees("Al") == LARGEST.degrees("Al")


def test_a_budget_of_time_leaves_out_cutoffs_but_the_wanted_one(data):
    cutoffs = candidate_cutoffs(4.5, [3.5, 4.5, 5.0])
    assert cutoffs[0] == 4.5
    found = select_basis(problem(AlgebraicPrior()), cutoffs, data[:4], "evidence", budget=Budget(seconds=1e-3))
    assert {c.specification.cutoff for c in found} == {4.5}


def test_the_front_has_nothing_cheaper_and_better():
    rng = np.random.default_rng(4)
    found = marked(
        [Candidate(LARGEST, k, 0.0, e, 0.0, None, t) for k, (e, t) in enumerate(rng.uniform(size=(20, 2)))], "evidence"
    )
    for c in found:
        beaten = any(o.microseconds < c.microseconds and o.evidence > c.evidence for o in found)
        assert c.on_front == (not beaten)
    assert [c.evidence for c in found if c.is_chosen] == [max(c.evidence for c in found)]
