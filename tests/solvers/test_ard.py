"""Automatic relevance determination: the evidence densely, scikit-learn, and truths that are sparse."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import ARDRegression

from acnn.solvers import ARD, BLR, ReducedProblem, StreamingQR
from acnn.solvers.ard import RELEVANCE, parse_threshold
from acnn.solvers.evidence import SparseModel, evaluate_evidence

EVIDENCE_ACCURACY = 1e-8
N_RELEVANT = 6


def reduced(rows: np.ndarray, targets: np.ndarray) -> ReducedProblem:
    accumulator = StreamingQR(rows.shape[1])
    accumulator.add(rows, targets)
    return accumulator.result()


def sparse(n_rows: int, n_columns: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, targets, and which few coefficients are not zero."""
    rng = np.random.default_rng(seed)
    mixing = np.eye(n_columns) + 0.3 * rng.normal(size=(n_columns, n_columns)) / np.sqrt(n_columns)
    rows = rng.normal(size=(n_rows, n_columns)) @ mixing
    support = np.sort(rng.choice(n_columns, N_RELEVANT, replace=False))
    values = rng.choice([-1.0, 1.0], N_RELEVANT) * rng.uniform(0.5, 2.0, N_RELEVANT)
    return rows, rows[:, support] @ values + noise * rng.normal(size=n_rows), support


def dense_evidence(rows: np.ndarray, targets: np.ndarray, precisions: np.ndarray, beta: float) -> float:
    """log N(y; 0, β⁻¹ I + A diag(1/α) Aᵀ)."""
    covariance = np.eye(len(rows)) / beta + (rows / precisions) @ rows.T
    return float(scipy.stats.multivariate_normal(cov=covariance).logpdf(targets))


@pytest.mark.parametrize(("n_rows", "n_columns"), [(50, 9), (9, 9), (6, 15)])
@pytest.mark.parametrize("beta", [0.1, 30.0, 1e8])
def test_evidence_mean_and_covariance_are_the_dense_formulas(n_rows, n_columns, beta):
    rng = np.random.default_rng(1)
    rows, targets, gamma = rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_rows), rng.uniform(1, 9, n_columns)
    precisions = 10.0 ** rng.uniform(-2, 2, n_columns)
    model = SparseModel.of(reduced(rows, targets), gamma, precisions, beta)
    kept = np.array([0, 2, 3, 5])
    for part, columns in ((model, np.arange(n_columns)), (model.restricted_to(kept), kept)):
        found, a, alpha = evaluate_evidence(part), rows[:, columns] / gamma[columns], precisions[columns]
        expected = np.linalg.inv(beta * a.T @ a + np.diag(alpha))
        np.testing.assert_allclose(found.factor @ found.factor.T, expected, rtol=1e-6, atol=1e-9 * expected.max())
        np.testing.assert_allclose(found.mean, beta * expected @ a.T @ targets, rtol=1e-5, atol=1e-8)
        np.testing.assert_allclose(found.shares, 1 - alpha * np.diag(expected), atol=1e-7)
        if beta < 1e8:  # where the dense formula is accurate enough
            assert found.log_evidence == pytest.approx(dense_evidence(a, targets, alpha, beta), rel=EVIDENCE_ACCURACY)


def test_misfits_of_the_first_functions_are_those_of_fits_with_them_alone():
    rng = np.random.default_rng(2)
    rows, targets, precisions = rng.normal(size=(40, 7)), rng.normal(size=40), 10.0 ** rng.uniform(-1, 2, 7)
    found = evaluate_evidence(SparseModel.of(reduced(rows, targets), np.ones(7), precisions, 5.0))
    order = rng.permutation(7)
    for n, misfit in enumerate(found.misfits(order)):
        first = order[:n]
        whole = np.vstack([np.sqrt(5.0) * rows[:, first], np.diag(np.sqrt(precisions[first]))])
        right = np.append(np.sqrt(5.0) * targets, np.zeros(n))
        expected = right - whole @ np.linalg.lstsq(whole, right, rcond=None)[0]
        assert misfit == pytest.approx(expected @ expected, rel=1e-10)


CASES = [(400, 40, 0.1, 3), (60, 30, 0.05, 4), (40, 60, 0.01, 5), (300, 30, 1e-3, 6)]


@pytest.mark.parametrize("threshold", ["bic", 0.0, 3.0])
@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), CASES)
def test_the_evidence_is_at_a_maximum_and_is_the_marginal_likelihood(n_rows, n_columns, noise, seed, threshold):
    rows, targets, support = sparse(n_rows, n_columns, noise, seed)
    gamma = np.random.default_rng(seed).uniform(1, 5, n_columns)
    found = ARD(threshold, tolerance=1e-7, max_iterations=20_000).solve(reduced(rows, targets), gamma)
    assert not found.warnings
    assert set(support) <= set(np.flatnonzero(found.kept))
    a, beta = rows[:, found.kept], found.noise_precision
    factor = found.covariance_factor[found.kept]
    mean = found.coefficients[found.kept]
    shares = beta * (factor * (a.T @ (a @ factor))).sum(axis=1)  # diag β Σ AᵀA = 1 - α Σ_kk
    assert found.effective_parameters == pytest.approx(shares.sum(), rel=1e-6)
    precisions = (1 - shares) / (factor**2).sum(axis=1)
    expected = dense_evidence(a, targets, precisions, beta)
    assert found.log_evidence == pytest.approx(expected, rel=1e-5, abs=1e-4)
    for k in range(len(mean)):
        for step in (0.7, 1.4):
            changed = np.where(np.arange(len(mean)) == k, step * precisions, precisions)
            assert dense_evidence(a, targets, changed, beta) < expected + 1e-5
    for step in (0.9, 1.1):
        assert dense_evidence(a, targets, precisions, step * beta) < expected + 1e-5


@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), CASES)
def test_one_prior_per_coefficient_has_more_evidence_than_one_for_all(n_rows, n_columns, noise, seed):
    rows, targets, _ = sparse(n_rows, n_columns, noise, seed)
    problem = reduced(rows, targets)
    one = BLR().solve(problem, np.ones(n_columns))
    assert ARD().solve(problem, np.ones(n_columns)).log_evidence > one.log_evidence


@pytest.mark.parametrize("threshold", ["bic", 4.0])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(2000, 40), (200, 40), (60, 90)])
@pytest.mark.parametrize("decades", [0, 6])
def test_the_support_of_a_sparse_truth_is_recovered(n_rows, n_columns, decades, threshold):
    """Whatever the scale of the columns, known to the prior or not."""
    rows, targets, support = sparse(n_rows, n_columns, 0.02, seed=7)
    scale = 10.0 ** np.random.default_rng(8).uniform(-decades, decades, n_columns)
    found = ARD(threshold).solve(reduced(rows * scale, targets), scale)
    surplus = set(np.flatnonzero(found.kept)) - set(support)
    assert set(support) <= set(np.flatnonzero(found.kept))
    assert len(surplus) <= (2 if threshold == "bic" else 0)
    assert (found.coefficients[~found.kept] == 0).all()
    assert found.noise_precision**-0.5 == pytest.approx(0.02, rel=5 / np.sqrt(2 * n_rows))


def test_every_kept_coefficient_is_so_many_deviations_from_zero():
    rows, targets, _ = sparse(150, 40, 0.5, seed=9)
    for threshold in (0.5, 2.0, 5.0):
        found = ARD(threshold).solve(reduced(rows, targets), np.ones(40))
        deviations = np.linalg.norm(found.covariance_factor[found.kept], axis=1)
        assert (np.abs(found.coefficients[found.kept]) >= threshold * deviations).all()


def test_a_higher_threshold_keeps_fewer():
    rows, targets, _ = sparse(150, 40, 0.5, seed=10)
    kept = [ARD(t).solve(reduced(rows, targets), np.ones(40)).kept.sum() for t in (0.0, 1.5, 3.0, 6.0)]
    assert np.all(np.diff(kept) <= 0)
    assert kept[0] > kept[-1]


def test_bic_is_minimal_among_the_thresholds():
    """Of the models that a path of thresholds leaves, refitted by least squares."""
    rows, targets, _ = sparse(300, 40, 0.5, seed=11)
    n = len(rows)

    def bic(kept: np.ndarray) -> float:
        a = rows[:, kept]
        left = targets - a @ np.linalg.lstsq(a, targets, rcond=None)[0]
        return kept.sum() * np.log(n) + n * np.log(left @ left / n)

    problem = reduced(rows, targets)
    chosen = bic(ARD().solve(problem, np.ones(40)).kept)
    for threshold in (0.0, 1.0, 2.0, 2.5, 3.5, 5.0, 10.0):
        assert chosen <= bic(ARD(threshold).solve(problem, np.ones(40)).kept) + 1.0


def test_agreement_with_scikit_learn():
    """With the support of the truth alone both find the same stationary point."""
    rows, targets, support = sparse(500, 30, 0.1, seed=12)
    a = rows[:, support]
    found = ARD(0.0, tolerance=1e-12).solve(reduced(a, targets), np.full(N_RELEVANT, 2.0))
    other = ARDRegression(
        max_iter=5000, tol=1e-13, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, fit_intercept=False
    ).fit(a, targets)
    np.testing.assert_allclose(found.coefficients, other.coef_, rtol=1e-6)
    assert found.noise_precision == pytest.approx(other.alpha_, rel=1e-6)
    factor = found.covariance_factor
    np.testing.assert_allclose(factor @ factor.T, other.sigma_, rtol=1e-5, atol=1e-10)


@pytest.mark.parametrize("threshold", ["bic", 3.0])
def test_exact_data_are_reproduced_by_the_functions_that_made_them(threshold):
    rows, targets, support = sparse(100, 30, 0.0, seed=13)
    found = ARD(threshold).solve(reduced(rows, targets), np.ones(30))
    assert set(support) <= set(np.flatnonzero(found.kept))
    np.testing.assert_allclose(rows @ found.coefficients, targets, atol=1e-10)


def test_equal_functions_share_and_dependent_ones_do_no_harm():
    rows, targets, _ = sparse(100, 10, 0.05, seed=14)
    doubled = np.column_stack([rows, rows, np.zeros(100), rows[:, 0] - rows[:, 1]])
    found = ARD().solve(reduced(doubled, targets), np.ones(22))
    alone = ARD().solve(reduced(rows, targets), np.ones(10))
    np.testing.assert_allclose(doubled @ found.coefficients, rows @ alone.coefficients, atol=0.05)
    assert not found.kept[20]


def test_pure_noise_leaves_next_to_nothing():
    rng = np.random.default_rng(15)
    found = ARD().solve(reduced(rng.normal(size=(500, 30)), rng.normal(size=500)), np.ones(30))
    assert found.kept.sum() <= 2


def test_it_says_when_it_stops_early():
    rows, targets, _ = sparse(100, 30, 0.1, seed=16)
    found = ARD(max_iterations=2).solve(reduced(rows, targets), np.ones(30))
    assert "stopped after 2 iterations before the log evidence converged to 0.001" in found.warnings[0]


@pytest.mark.parametrize(
    ("text", "expected"), [("bic", "bic"), ("relevance", RELEVANCE), ("3", 3.0), (0, 0.0), (2.5, 2.5)]
)
def test_a_threshold_is_read(text, expected):
    assert parse_threshold(text) == expected


@pytest.mark.parametrize("text", ["aic", "-1", "nan", "inf", "", -2.0])
def test_a_wrong_threshold_is_told(text):
    with pytest.raises(ValueError, match=r"threshold of ard must be bic, relevance .*, or the number"):
        parse_threshold(text)
