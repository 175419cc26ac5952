"""Rows that represent others: leverage, farthest points, pivots, spanning groups."""

from __future__ import annotations

import numpy as np
import pytest

from acnn.solvers.row_selection import farthest_rows, leverage_rows, leverages, pivoted_rows, spanning_groups

RNG = np.random.default_rng(0)


def test_leverages_are_the_diagonal_of_the_projection():
    rows = RNG.normal(size=(40, 5))
    projection = rows @ np.linalg.pinv(rows)
    np.testing.assert_allclose(leverages(rows), np.diag(projection), rtol=1e-4)


def test_rows_are_drawn_in_proportion_to_their_leverage():
    rows = np.concatenate([np.ones((50, 1)), np.zeros((50, 1))], axis=1)
    rows[0] = [0.0, 1.0]  # the only one in its direction
    drawn = [leverage_rows(rows, 10, np.random.default_rng(seed)) for seed in range(40)]
    assert all(len(set(chosen)) == 10 for chosen in drawn)
    assert np.mean([0 in chosen for chosen in drawn]) > 0.95


def test_farthest_rows_cover_clusters():
    centers = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    rows = np.concatenate([center + 0.1 * RNG.normal(size=(20, 2)) for center in centers])
    assert sorted(farthest_rows(rows, 4) // 20) == [0, 1, 2, 3]
    assert len(set(farthest_rows(rows, 80))) == 80


def test_pivoted_rows_span_the_others_and_go_on():
    basis = RNG.normal(size=(3, 6))
    rows = RNG.normal(size=(30, 3)) @ basis
    assert np.linalg.matrix_rank(rows[pivoted_rows(rows, 3)]) == 3
    for n in (1, 7, 30):
        assert len(set(pivoted_rows(rows, n))) == n


def test_spanning_groups_take_rows_of_large_volume():
    rows = 0.1 * RNG.normal(size=(60, 4))
    groups = np.repeat(np.arange(20), 3)
    rows[[7, 31, 44, 58]] = np.eye(4) * 3
    assert set(spanning_groups([rows], [groups], 4)) == {7 // 3, 31 // 3, 44 // 3, 58 // 3}
    for n in (1, 12, 20):
        assert len(set(spanning_groups([rows], [groups], n))) == n


def test_groups_of_several_kinds():
    first, second = RNG.normal(size=(30, 3)), RNG.normal(size=(20, 5))
    chosen = spanning_groups([first, second], [np.arange(30) % 10, np.arange(20) % 10], 5)
    assert len(chosen) == 5


@pytest.mark.parametrize("choose", [farthest_rows, pivoted_rows])
def test_equal_rows_are_chosen_too(choose):
    assert len(set(choose(np.ones((6, 2)), 4))) == 4
