"""Solvers against dense formulas: the normal equations, and the Gaussian marginal likelihood."""

from __future__ import annotations

import doctest
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import BayesianRidge

import acnn.solvers
from acnn.solvers import ARD, BLR, LSQR, QR, RRQR, ReducedProblem, Solution, StreamingQR

DENSE_ACCURACY = 1e-9
EVIDENCE_ACCURACY = 1e-8
OPTIMUM_ACCURACY = 1e-3  # of λ, where the evidence is flat


def reduced(rows: np.ndarray, targets: np.ndarray) -> ReducedProblem:
    accumulator = StreamingQR(rows.shape[1])
    accumulator.add(rows, targets)
    return accumulator.result()


def noisy(n_rows: int, n_columns: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, targets, a prior; coefficients fall off as the prior says, columns are correlated."""
    rng = np.random.default_rng(seed)
    gamma = np.linspace(1.0, 4.0, n_columns)
    mixing = np.eye(n_columns) + 0.4 * rng.normal(size=(n_columns, n_columns)) / np.sqrt(n_columns)
    rows = rng.normal(size=(n_rows, n_columns)) @ mixing
    return rows, rows @ (rng.normal(size=n_columns) / gamma) + noise * rng.normal(size=n_rows), gamma


def log_marginal_likelihood(
    rows: np.ndarray, targets: np.ndarray, gamma: np.ndarray, beta: float, zeta: float
) -> float:
    """log N(y; 0, β⁻¹ I + A (ζ Γ²)⁻¹ Aᵀ), densely."""
    covariance = np.eye(len(rows)) / beta + (rows / (zeta * gamma**2)) @ rows.T
    return float(scipy.stats.multivariate_normal(cov=covariance).logpdf(targets))


@pytest.mark.parametrize(("n_rows", "n_columns"), [(60, 8), (9, 8), (8, 8), (5, 8)])
@pytest.mark.parametrize("regularization", [1e-6, 1e-2, 1.0, 1e4])
def test_ridge_regression_is_the_solution_of_the_normal_equations(n_rows, n_columns, regularization):
    rows, targets, gamma = noisy(n_rows, n_columns, 0.1, seed=1)
    found = QR(regularization).solve(reduced(rows, targets), gamma)
    expected = np.linalg.solve(rows.T @ rows + regularization * np.diag(gamma**2), rows.T @ targets)
    np.testing.assert_allclose(found.coefficients, expected, atol=DENSE_ACCURACY * np.abs(expected).max())
    hat = rows @ np.linalg.solve(rows.T @ rows + regularization * np.diag(gamma**2), rows.T)
    assert found.effective_parameters == pytest.approx(np.trace(hat), rel=1e-7)
    assert found.regularization == regularization


@pytest.mark.parametrize(("n_rows", "n_columns"), [(60, 8), (8, 8), (5, 8)])
def test_without_regularization_the_least_norm_solution_of_least_squares(n_rows, n_columns):
    rows, targets, _ = noisy(n_rows, n_columns, 0.1, seed=2)
    found = QR().solve(reduced(rows, targets), np.ones(n_columns)).coefficients
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=DENSE_ACCURACY * np.abs(expected).max())


def test_least_norm_means_the_norm_of_the_prior():
    rows, targets, gamma = noisy(5, 8, 0.1, seed=3)
    found = QR().solve(reduced(rows, targets), gamma).coefficients
    expected = np.linalg.lstsq(rows / gamma, targets, rcond=None)[0] / gamma
    np.testing.assert_allclose(found, expected, atol=DENSE_ACCURACY * np.abs(expected).max())


def marginal_likelihood_of(rows: np.ndarray, targets: np.ndarray, gamma: np.ndarray) -> Callable[[float, float], float]:
    """The same as a function of (β, ζ), from the eigenvalues of A Γ⁻² Aᵀ, for scans."""
    squares, vectors = np.linalg.eigh((rows / gamma**2) @ rows.T)
    projections = (vectors.T @ targets) ** 2

    def evidence(beta: float, zeta: float) -> float:
        variances = 1 / beta + np.clip(squares, 0, None) / zeta
        return -0.5 * float((projections / variances + np.log(2 * np.pi * variances)).sum())

    return evidence


def rank_deficient(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rows, targets, _ = noisy(60, 6, 0.1, seed)
    return np.column_stack([rows, rows[:, 0] + rows[:, 1], np.zeros(60)]), targets


def test_a_rank_deficient_problem_has_the_least_norm_solution():
    rows, targets = rank_deficient()
    found = QR().solve(reduced(rows, targets), np.ones(8)).coefficients
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(found, expected, atol=DENSE_ACCURACY)
    assert found[7] == pytest.approx(0.0, abs=DENSE_ACCURACY)


def test_without_regularization_the_effective_parameters_are_the_rank():
    rows, targets = rank_deficient()
    assert QR().solve(reduced(rows, targets), np.ones(8)).effective_parameters == 6
    full, targets, gamma = noisy(60, 6, 0.1, seed=4)
    assert QR().solve(reduced(full, targets), gamma).effective_parameters == 6


def test_stronger_regularization_fits_worse_with_smaller_coefficients():
    rows, targets, gamma = noisy(40, 10, 0.3, seed=5)
    found = [QR(10.0**k).solve(reduced(rows, targets), gamma) for k in range(-4, 6)]
    misfits = [np.linalg.norm(targets - rows @ s.coefficients) for s in found]
    norms = [np.linalg.norm(gamma * s.coefficients) for s in found]
    assert np.all(np.diff(misfits) > 0)
    assert np.all(np.diff(norms) < 0)


@pytest.mark.parametrize("slack", [1.5, 3.0])
def test_slack_is_how_many_times_the_residual_of_the_most_probable_coefficients_may_grow(slack):
    rows, targets, gamma = noisy(60, 8, 0.3, seed=5)

    def residual(solution: Solution) -> float:
        return float(np.linalg.norm(targets - rows @ solution.coefficients))

    best, smooth = (BLR(s).solve(reduced(rows, targets), gamma) for s in (1.0, slack))
    assert residual(smooth) == pytest.approx(slack * residual(best), rel=1e-5)
    ridge = QR(smooth.regularization).solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(smooth.coefficients, ridge.coefficients, atol=DENSE_ACCURACY)
    assert np.linalg.norm(gamma * smooth.coefficients) < np.linalg.norm(gamma * best.coefficients)


def test_slack_beyond_what_the_data_say_leaves_nothing():
    rows, targets, gamma = noisy(60, 8, 0.3, seed=5)
    found = BLR(1e6).solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(found.coefficients, 0.0, atol=1e-6)
    assert "so large that the fit ignores the data" in found.warnings[0]
    assert BLR(1.5).solve(reduced(rows, targets), gamma).warnings == ()


BAYESIAN = [(60, 8, 0.3, 6), (200, 20, 1.0, 7), (25, 24, 0.2, 8), (12, 20, 0.2, 9), (40, 5, 3.0, 10)]


def solve_blr(n_rows: int, n_columns: int, noise: float, seed: int) -> tuple[Solution, tuple[np.ndarray, ...]]:
    rows, targets, gamma = noisy(n_rows, n_columns, noise, seed)
    return BLR().solve(reduced(rows, targets), gamma), (rows, targets, gamma)


@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), BAYESIAN)
def test_evidence_is_the_gaussian_marginal_likelihood(n_rows, n_columns, noise, seed):
    found, data = solve_blr(n_rows, n_columns, noise, seed)
    beta = found.noise_precision
    expected = log_marginal_likelihood(*data, beta, found.regularization * beta)
    assert marginal_likelihood_of(*data)(beta, found.regularization * beta) == pytest.approx(expected, abs=1e-6)
    assert found.log_evidence == pytest.approx(expected, abs=EVIDENCE_ACCURACY * max(1, abs(expected)))


@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), BAYESIAN)
def test_the_hyperparameters_maximize_the_evidence(n_rows, n_columns, noise, seed):
    found, data = solve_blr(n_rows, n_columns, noise, seed)
    beta, zeta = found.noise_precision, found.regularization * found.noise_precision
    evidence = marginal_likelihood_of(*data)
    best = found.log_evidence + EVIDENCE_ACCURACY * max(1.0, abs(found.log_evidence))
    near, far = np.linspace(-0.5, 0.5, 11), np.linspace(-20, 20, 41)
    for by_beta, by_zeta in itertools.chain(itertools.product(near, repeat=2), itertools.product(far, repeat=2)):
        assert evidence(beta * np.exp(by_beta), zeta * np.exp(by_zeta)) <= best, (by_beta, by_zeta)
    # The maximum is sharp enough for this to mean something.
    for by_beta, by_zeta in [(2.0, 0.0), (-2.0, 0.0), (0.0, 2.0), (0.0, -2.0)]:
        assert evidence(beta * np.exp(by_beta), zeta * np.exp(by_zeta)) < found.log_evidence - 0.05


@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), BAYESIAN)
def test_coefficients_are_the_posterior_mean(n_rows, n_columns, noise, seed):
    found, (rows, targets, gamma) = solve_blr(n_rows, n_columns, noise, seed)
    beta, zeta = found.noise_precision, found.regularization * found.noise_precision
    expected = np.linalg.solve(beta * rows.T @ rows + zeta * np.diag(gamma**2), beta * rows.T @ targets)
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-8 * np.abs(expected).max())


@pytest.mark.parametrize(("n_rows", "n_columns", "noise", "seed"), [b for b in BAYESIAN if b[0] > b[1]])
def test_agreement_with_scikit_learn(n_rows, n_columns, noise, seed):
    rows, targets, gamma = noisy(n_rows, n_columns, noise, seed)
    found = BLR().solve(reduced(rows, targets), gamma)
    other = BayesianRidge(
        max_iter=20_000, tol=1e-13, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, fit_intercept=False
    ).fit(rows / gamma, targets)
    assert found.noise_precision == pytest.approx(other.alpha_, rel=OPTIMUM_ACCURACY)
    assert found.regularization * found.noise_precision == pytest.approx(other.lambda_, rel=OPTIMUM_ACCURACY)
    np.testing.assert_allclose(
        found.coefficients, other.coef_ / gamma, atol=OPTIMUM_ACCURACY * np.abs(found.coefficients).max()
    )


@pytest.mark.parametrize("noise", [1e-4, 0.05, 2.0])
def test_the_noise_is_found(noise):
    n_rows = 4000
    rows, targets, gamma = noisy(n_rows, 12, noise, seed=11)
    found = BLR().solve(reduced(rows, targets), gamma)
    assert found.noise_precision**-0.5 == pytest.approx(noise, rel=5 / np.sqrt(2 * n_rows))
    assert found.effective_parameters == pytest.approx(12, abs=1.0)


def test_pure_noise_determines_no_parameters():
    rng = np.random.default_rng(12)
    found = BLR().solve(reduced(rng.normal(size=(500, 10)), rng.normal(size=500)), np.ones(10))
    assert found.effective_parameters < 5
    assert found.noise_precision == pytest.approx(1.0, rel=0.2)


def test_exact_data_are_reproduced():
    rows, targets, gamma = noisy(60, 8, 0.0, seed=13)
    found = BLR().solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(rows @ found.coefficients, targets, atol=1e-8)


def test_exact_data_of_a_rank_deficient_problem_are_reproduced():
    rows, _ = rank_deficient(seed=14)
    targets = rows @ np.random.default_rng(15).normal(size=8)
    found = BLR().solve(reduced(rows, targets), np.ones(8))
    np.testing.assert_allclose(rows @ found.coefficients, targets, atol=1e-8)
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-5)


SOLVERS = {
    "least squares": QR(),
    "ridge": QR(0.1),
    "rrqr": RRQR(0.05),
    "lsqr": LSQR(damp=0.3, atol=1e-14),
    "blr": BLR(),
    "ard": ARD(),
}
every_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())


@pytest.mark.parametrize("n_rows", [15, 60])
@every_solver
def test_rescaling_columns_and_prior_together_changes_no_prediction(solver, n_rows):
    rows, targets, gamma = noisy(n_rows, 20, 0.2, seed=16)
    scale = 10.0 ** np.random.default_rng(17).uniform(-3, 3, 20)
    plain = solver.solve(reduced(rows, targets), gamma)
    scaled = solver.solve(reduced(rows * scale, targets), gamma * scale)
    np.testing.assert_allclose((rows * scale) @ scaled.coefficients, rows @ plain.coefficients, atol=1e-7)
    np.testing.assert_allclose(scaled.coefficients * scale, plain.coefficients, atol=1e-7)
    if plain.log_evidence is not None:
        assert scaled.log_evidence == pytest.approx(plain.log_evidence, rel=1e-9)


@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_the_unit_of_the_targets_does_not_matter(factor):
    rows, targets, gamma = noisy(60, 8, 0.3, seed=18)
    one, other = (BLR().solve(reduced(rows, y), gamma) for y in (targets, factor * targets))
    assert other.regularization == pytest.approx(one.regularization, rel=OPTIMUM_ACCURACY)
    np.testing.assert_allclose(other.coefficients, factor * one.coefficients, rtol=1e-4)
    assert other.noise_precision == pytest.approx(one.noise_precision / factor**2, rel=OPTIMUM_ACCURACY)


@every_solver
def test_rows_without_information_give_zero(solver):
    found = solver.solve(reduced(np.zeros((5, 3)), np.ones(5)), np.ones(3))
    assert found.coefficients.tolist() == [0.0, 0.0, 0.0]
    assert found.effective_parameters == 0


@pytest.mark.parametrize(
    "gamma",
    [
        np.array([1.0, 0.0, 1.0]),
        np.array([1.0, -1.0, 1.0]),
        np.ones(2),
        np.full(3, np.nan),
        np.array([1.0, np.inf, 1.0]),
    ],
)
@every_solver
def test_a_prior_must_be_positive_and_complete(solver, gamma):
    with pytest.raises(ValueError, match="one positive number per basis function"):
        solver.solve(reduced(np.eye(3), np.ones(3)), gamma)


@every_solver
def test_every_function_is_kept_except_by_ard(solver):
    rows, targets, gamma = noisy(60, 8, 0.1, seed=19)
    found = solver.solve(reduced(rows, targets), gamma)
    assert found.kept.dtype == bool
    assert found.kept.shape == (8,)
    assert (found.coefficients[~found.kept] == 0).all()
    assert found.kept.all() or isinstance(solver, ARD)


@pytest.mark.parametrize("exponent", [0.0, 6.0, 100.0])
def test_extreme_regularization_is_exact_in_its_limits(exponent):
    """λ → 0: least squares and all parameters; λ → ∞: c → Γ⁻² Aᵀy / λ and none."""
    rows, targets, gamma = noisy(60, 8, 0.1, seed=20)
    largest = np.linalg.norm(rows / gamma, 2) ** 2
    weak = QR(1e-17 * largest * 10**-exponent).solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(weak.coefficients, np.linalg.lstsq(rows, targets, rcond=None)[0], rtol=1e-9)
    assert weak.effective_parameters == pytest.approx(8, abs=1e-12)
    strength = 1e14 * largest * 10**exponent
    strong = QR(strength).solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(strong.coefficients * strength, rows.T @ targets / gamma**2, rtol=1e-9)
    assert strong.effective_parameters == pytest.approx(np.linalg.norm(rows / gamma) ** 2 / strength, rel=1e-9)


def test_the_example_of_the_package_is_what_it_says() -> None:
    failed, attempted = doctest.testmod(acnn.solvers)
    assert failed == 0
    assert attempted > 0
