"""Posterior distributions and the further direct solvers, against dense formulas, in every shape of problem."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from acnn.solvers import ARD, BLR, LSQR, QR, RRQR, ReducedProblem, StreamingQR

DENSE_ACCURACY = 1e-8
N_SAMPLES = 20_000
SAMPLING_ERROR = 6 / np.sqrt(N_SAMPLES)


def reduced(rows: np.ndarray, targets: np.ndarray) -> ReducedProblem:
    accumulator = StreamingQR(rows.shape[1])
    accumulator.add(rows, targets)
    return accumulator.result()


def problem(kind: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, targets, prior. Where columns are badly scaled the prior knows, as a smoothness prior does."""
    rng = np.random.default_rng(seed)
    n_rows, n_columns = {"wide": (12, 20), "square": (15, 15)}.get(kind, (80, 10))
    rows = rng.normal(size=(n_rows, n_columns)) @ (np.eye(n_columns) + 0.1 * rng.normal(size=(n_columns, n_columns)))
    gamma = rng.uniform(1, 4, n_columns)
    if kind == "deficient":
        rows[:, 3] = rows[:, 1] - 2 * rows[:, 2]
        rows[:, 7] = 0.0
    targets = rows @ (rng.normal(size=n_columns) / gamma) + 0.2 * rng.normal(size=n_rows)
    if kind == "scaled":
        scale = 10.0 ** rng.uniform(-6, 6, n_columns)
        rows, gamma = rows * scale, gamma * scale
    return rows, targets, gamma


KINDS = ("tall", "square", "wide", "scaled", "deficient")


def assert_matrices_agree(found: np.ndarray, expected: np.ndarray) -> None:
    """Relative to the diagonal: entries may differ by many orders of magnitude."""
    size = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found / np.outer(size, size), expected / np.outer(size, size), atol=DENSE_ACCURACY)


def dense_covariance(rows: np.ndarray, gamma: np.ndarray, beta: float, zeta: float) -> np.ndarray:
    """(β AᵀA + ζ Γ²)⁻¹, in units of the prior."""
    scaled = rows / gamma
    return np.linalg.inv(beta * scaled.T @ scaled + zeta * np.eye(len(gamma))) / np.outer(gamma, gamma)


@pytest.mark.parametrize("kind", KINDS)
def test_the_covariance_of_blr_is_the_dense_formula(kind):
    rows, targets, gamma = problem(kind, seed=8)
    found = BLR().solve(reduced(rows, targets), gamma)
    beta = found.noise_precision
    factor = found.covariance_factor
    expected = dense_covariance(rows, gamma, beta, beta * found.regularization)
    assert_matrices_agree(factor @ factor.T, expected)
    mean = beta * expected @ rows.T @ targets
    np.testing.assert_allclose(found.coefficients * gamma, mean * gamma, atol=DENSE_ACCURACY)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", [QR(0.5), LSQR(damp=np.sqrt(0.5), atol=1e-14)], ids=["qr", "lsqr"])
def test_ridge_regression_agrees_with_scikit_learn_and_its_noise_is_that_of_the_residual(kind, solver):
    rows, targets, gamma = problem(kind, seed=2)
    found = solver.solve(reduced(rows, targets), gamma)
    other = Ridge(alpha=0.5, fit_intercept=False, solver="svd").fit(rows / gamma, targets)
    np.testing.assert_allclose(found.coefficients * gamma, other.coef_, atol=DENSE_ACCURACY)
    hat = (rows / gamma) @ np.linalg.solve(
        (rows / gamma).T @ (rows / gamma) + 0.5 * np.eye(len(gamma)), rows.T / gamma[:, None]
    )
    assert found.effective_parameters == pytest.approx(np.trace(hat), rel=1e-8)
    square = float(((targets - rows @ found.coefficients) ** 2).sum())
    beta = (len(rows) - np.trace(hat)) / square
    assert found.noise_precision == pytest.approx(beta, rel=1e-8)
    factor = found.covariance_factor
    assert_matrices_agree(factor @ factor.T, dense_covariance(rows, gamma, beta, 0.5 * beta))
    assert not found.warnings


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rtol", [1e-10, 0.3])
def test_rrqr_is_the_pseudoinverse_of_the_kept_rows(kind, rtol):
    rows, targets, gamma = problem(kind, seed=3)
    found = RRQR(rtol).solve(reduced(rows, targets), gamma)
    q, triangle, pivots = scipy.linalg.qr(rows / gamma, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(triangle))
    rank = int((diagonal > rtol * diagonal[0]).sum())
    kept = np.zeros_like(rows)
    kept[:, pivots] = q[:, :rank] @ triangle[:rank]
    inverse = np.linalg.pinv(kept, rcond=1e-9)
    assert found.effective_parameters == rank
    np.testing.assert_allclose(found.coefficients * gamma, inverse @ targets, atol=DENSE_ACCURACY)
    if rank < len(rows):
        beta = (len(rows) - rank) / float(((targets - kept @ inverse @ targets) ** 2).sum())
        assert found.noise_precision == pytest.approx(beta, rel=1e-7)
        factor = found.covariance_factor * gamma[:, None]
        np.testing.assert_allclose(factor @ factor.T, inverse @ inverse.T / beta, atol=DENSE_ACCURACY)


@pytest.mark.parametrize("kind", ["tall", "scaled", "deficient", "square", "wide"])
def test_rrqr_without_truncation_is_least_squares_of_least_norm(kind):
    rows, targets, gamma = problem(kind, seed=4)
    found = RRQR(0.0).solve(reduced(rows, targets), gamma)
    expected = np.linalg.lstsq(rows / gamma, targets, rcond=1e-12)[0]
    np.testing.assert_allclose(found.coefficients * gamma, expected, atol=1e-7)


def test_rrqr_truncates_more_with_a_larger_tolerance():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(60, 12)) @ np.linalg.qr(rng.normal(size=(12, 12)))[0] * 10.0 ** -np.arange(12.0)
    targets = rng.normal(size=60)
    found = [RRQR(10.0**-k).solve(reduced(rows, targets), np.ones(12)) for k in range(1, 13)]
    assert np.all(np.diff([s.effective_parameters for s in found]) >= 0)
    assert found[0].effective_parameters < 4
    assert found[-1].effective_parameters == 12
    assert np.all(np.diff([np.linalg.norm(targets - rows @ s.coefficients) for s in found]) <= 1e-12)


@pytest.mark.parametrize("solver", [QR(), RRQR()], ids=["qr", "rrqr"])
def test_without_rows_to_spare_there_is_no_noise_to_estimate(solver):
    rows, targets, gamma = problem("wide", seed=6)
    found = solver.solve(reduced(rows, targets), gamma)
    np.testing.assert_allclose(rows @ found.coefficients, targets, atol=1e-9)
    assert found.noise_precision is None
    with pytest.raises(ValueError, match="the noise cannot be estimated: add data or use blr"):
        found.draw(3, seed=0)


def test_lsqr_says_when_it_stops_early():
    rows, targets, gamma = problem("tall", seed=7)
    found = LSQR(damp=0.0, atol=1e-14, max_iterations=3).solve(reduced(rows, targets), gamma)
    assert len(found.warnings) == 1
    assert "stopped after 3 iterations before it reached atol = 1e-14" in found.warnings[0]
    steep = rows * 10.0 ** -np.arange(10.0)
    found = LSQR(damp=0.0, atol=1e-14, conlim=10.0).solve(reduced(steep, targets), np.ones(10))
    assert "condition number exceeds 10" in found.warnings[0]


def test_the_prior_preconditions_lsqr():
    """A prior that undoes the scale of the columns leaves a problem of a few iterations."""
    rows, targets, gamma = problem("scaled", seed=8)

    solver = LSQR(damp=0.0, atol=1e-10, conlim=0.0, max_iterations=14)
    assert not solver.solve(reduced(rows, targets), gamma).warnings
    assert "stopped after 14 iterations" in solver.solve(reduced(rows, targets), np.ones(10)).warnings[0]


SAMPLED = {"qr": QR(0.5), "rrqr": RRQR(1e-9), "lsqr": LSQR(0.7, 1e-14), "blr": BLR(), "ard": ARD(0.0)}


@pytest.mark.parametrize("solver", SAMPLED.values(), ids=SAMPLED.keys())
@pytest.mark.parametrize("kind", ["tall", "scaled"])
def test_samples_have_the_mean_and_covariance_of_the_posterior(solver, kind):
    rows, targets, gamma = problem(kind, seed=9)
    found = solver.solve(reduced(rows, targets), gamma)
    samples = found.draw(N_SAMPLES, seed=10)
    assert samples.shape == (N_SAMPLES, 10)
    assert (samples == found.draw(N_SAMPLES, seed=10)).all()
    assert (samples != found.draw(N_SAMPLES, seed=11)).any()
    assert (samples[:, ~found.kept] == 0).all()
    inverse = np.linalg.pinv(found.covariance_factor * gamma[:, None])
    white = (samples - found.coefficients) * gamma @ inverse.T
    assert np.abs(white.mean(axis=0)).max() < SAMPLING_ERROR
    assert np.abs(np.cov(white.T) - np.eye(white.shape[1])).max() < SAMPLING_ERROR


def test_the_covariance_is_computed_when_asked_for_and_once():
    rows, targets, gamma = problem("tall", seed=12)
    found = BLR().solve(reduced(rows, targets), gamma)
    assert "covariance_factor" not in vars(found.posterior)
    assert found.covariance_factor is found.covariance_factor


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 30), st.integers(1, 12)),
    decades=st.integers(0, 6),
    rank_loss=st.integers(0, 4),
    noise=st.sampled_from([0.0, 1e-6, 0.1, 10.0]),
    seed=st.integers(0, 10_000),
    solver=st.sampled_from([QR(0.0), QR(0.3), RRQR(), LSQR(1e-2), BLR(), ARD(), ARD(2.0)]),
)
def test_any_problem_has_a_finite_solution_no_worse_than_nothing(shape, decades, rank_loss, noise, seed, solver):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=shape) * 10.0 ** rng.uniform(-decades, decades, shape[1])
    rows[:, : min(rank_loss, shape[1] - 1)] = rows[:, -1:]
    targets = rows @ rng.normal(size=shape[1]) + noise * rng.normal(size=shape[0])
    found = solver.solve(reduced(rows, targets), np.ones(shape[1]))
    assert np.isfinite(found.coefficients).all()
    norm = np.linalg.norm(targets)
    assert np.linalg.norm(targets - rows @ found.coefficients) <= norm * (1 + 1e-9)
    assert -1e-9 <= found.effective_parameters <= min(shape) + 1e-6
    if found.noise_precision is not None:
        assert np.isfinite(found.covariance_factor).all()
        assert found.covariance_factor.shape[0] == shape[1]
