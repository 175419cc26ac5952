"""Pointwise optimal parameter sets: each fits its row, by the most probable change; members lie in the box of all."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.solvers import BLR, StreamingQR
from acnn.solvers.base import require_precision
from acnn.solvers.pops import PointwiseSets

P, N = 6, 80


@pytest.fixture(scope="module")
def equations() -> tuple[np.ndarray, np.ndarray]:
    """A cubic and more, to be fitted by functions that cannot."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-1, 1, size=N))
    rows = np.stack([x**k for k in range(P)], axis=1) * np.logspace(0, 3, P)
    return rows, np.sin(7 * x) + np.abs(x)


def fitted(rows: np.ndarray, y: np.ndarray, gamma: np.ndarray):  # type: ignore[no-untyped-def]
    stream = StreamingQR(rows.shape[1])
    stream.add(rows, y)
    return BLR().solve(stream.result(), gamma)


def sets_of(rows: np.ndarray, y: np.ndarray, gamma: np.ndarray | None = None, **options: int) -> PointwiseSets:
    solution = fitted(rows, y, np.ones(rows.shape[1]) if gamma is None else gamma)
    found = PointwiseSets(solution.covariance_factor, require_precision(solution.noise_precision), **options)
    for start in range(0, len(y), 17):
        block = slice(start, start + 17)
        found.add(rows[block], y[block] - rows[block] @ solution.coefficients)
    return found


def test_each_fits_its_row_by_the_most_probable_change(equations) -> None:
    rows, y = equations
    solution = fitted(rows, y, np.ones(P))
    beta, lam = require_precision(solution.noise_precision), solution.regularization
    inverse = np.linalg.inv(rows.T @ rows + lam * np.eye(P))
    leverage = np.einsum("np,pq,nq->n", rows, inverse, rows)
    high = leverage >= np.median(leverage)
    residuals = y - rows @ solution.coefficients
    expected = (rows @ inverse * (residuals / leverage)[:, None])[high]
    found = sets_of(rows, y).sets @ solution.covariance_factor.T
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(np.einsum("np,np->n", rows[high], found), residuals[high], rtol=1e-4)
    assert beta > 0


def test_members_lie_in_the_box_of_the_sets(equations) -> None:
    rows, y = equations
    found, solution = sets_of(rows, y), fitted(rows, y, np.ones(P))
    sets = found.sets
    axes = np.linalg.eigh(sets.T @ sets)[1]
    members = np.linalg.lstsq(solution.covariance_factor, found.draw(500, seed=1).T, rcond=None)[0].T
    for inside, box in zip((members @ axes).T, (sets @ axes).T, strict=True):
        width = np.ptp(box)
        assert box.min() - 1e-6 * width <= inside.min() <= box.min() + 0.05 * width
        assert box.max() - 0.05 * width <= inside.max() <= box.max() + 1e-6 * width


def test_they_cover_what_no_coefficients_fit(equations) -> None:
    """The posterior's spread is much smaller than the misfit, that of the box is not."""
    rows, y = equations
    solution = fitted(rows, y, np.ones(P))
    misfit = np.sqrt(((y - rows @ solution.coefficients) ** 2).mean())
    posterior = np.sqrt(((rows @ solution.covariance_factor) ** 2).sum(axis=1).mean())
    box = np.sqrt(((rows @ sets_of(rows, y).draw(200, seed=0).T) ** 2).mean())
    assert posterior < 0.5 * misfit < box


def test_the_scale_of_the_functions_does_not_matter(equations) -> None:
    rows, y = equations
    scales = np.array([1.0, 10.0, 0.1, 3.0, 100.0, 7.0])
    one = rows @ sets_of(rows, y).draw(5, seed=2).T
    other = (rows * scales) @ sets_of(rows * scales, y, gamma=scales).draw(5, seed=2).T
    np.testing.assert_allclose(np.abs(other), np.abs(one), rtol=1e-2, atol=1e-3 * np.abs(one).max())


def test_shares_of_the_rows_combine(equations) -> None:
    rows, y = equations
    whole, half = sets_of(rows, y), sets_of(rows, y)
    solution = fitted(rows, y, np.ones(P))
    parts = [PointwiseSets(solution.covariance_factor, solution.noise_precision or 0.0) for _ in range(2)]
    for part, block in zip(parts, (slice(0, 30), slice(30, N)), strict=True):
        part.add(rows[block], y[block] - rows[block] @ solution.coefficients)
    parts[0].combine(parts[1])
    np.testing.assert_allclose(parts[0].sets, whole.sets, rtol=1e-6)
    np.testing.assert_array_equal(half.draw(3, 0), whole.draw(3, 0))
    turned = PointwiseSets(solution.covariance_factor, solution.noise_precision or 0.0)
    turned.add(rows[::-1], (y - rows @ solution.coefficients)[::-1])
    expected = whole.draw(3, 0)
    np.testing.assert_allclose(turned.draw(3, 0), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_of_many_rows_those_of_high_leverage_are_kept(equations) -> None:
    rows, y = equations
    few, every = sets_of(rows, y, most_rows=12).sets, sets_of(rows, y).sets
    assert len(few) <= 15
    assert {tuple(row) for row in few.round(5)} <= {tuple(row) for row in every.round(5)}


def test_without_equations_there_is_nothing(equations) -> None:
    solution = fitted(*equations, np.ones(P))
    empty = PointwiseSets(solution.covariance_factor, 1.0)
    empty.add(np.zeros((3, P)), np.ones(3))
    with pytest.raises(ValueError, match="no equation depends on the coefficients"):
        _ = empty.sets
