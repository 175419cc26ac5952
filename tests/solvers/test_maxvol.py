"""MaxVol: no coefficient exceeds one, in blocks too; directions without rows stand out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from acnn.solvers.maxvol import TOLERANCE, MaxVol


def chosen(rows: np.ndarray, block: int) -> np.ndarray:
    found = MaxVol(rows.shape[1])
    for start in range(0, len(rows), block):
        found.add(rows[start : start + block])
    return found.inverse


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(500, 12)) * np.logspace(0, -4, 12)


def test_no_coefficient_exceeds_one(rows: np.ndarray) -> None:
    assert np.abs(rows @ chosen(rows, len(rows))).max() <= TOLERANCE


def test_in_blocks_hardly_any_does(rows: np.ndarray) -> None:
    assert np.abs(rows @ chosen(rows, 50)).max() < 2


def test_the_volume_is_nearly_the_largest() -> None:
    """Of all choices of three out of ten; a finished exchange is within a factor of √k! of the best."""
    rows = np.random.default_rng(1).normal(size=(10, 3))
    best = max(abs(np.linalg.det(rows[list(three)])) for three in itertools.combinations(range(10), 3))
    assert abs(np.linalg.det(np.linalg.inv(chosen(rows, 10)))) > best / np.sqrt(6)


def test_the_scale_of_the_columns_does_not_matter(rows: np.ndarray) -> None:
    scales = np.logspace(-3, 3, 12)
    one, other = rows @ chosen(rows, 500), (rows * scales) @ chosen(rows * scales, 500)
    np.testing.assert_allclose(np.abs(other).max(axis=1), np.abs(one).max(axis=1), rtol=1e-6)


def test_a_direction_without_rows_stands_out(rows: np.ndarray) -> None:
    flat = rows.copy()
    flat[:, 3] = 0.0
    inverse = chosen(flat, 500)
    assert np.abs(flat @ inverse).max() <= TOLERANCE
    assert np.abs(rows @ inverse).max() > 1e3


def test_fewer_rows_than_columns(rows: np.ndarray) -> None:
    inverse = chosen(rows[:5], 5)
    assert np.abs(rows[:5] @ inverse).max() <= TOLERANCE
    assert np.abs(rows[5:] @ inverse).max() > 1e3


def test_without_rows_there_is_no_inverse() -> None:
    assert MaxVol(4).inverse.shape == (0, 0)
