"""Streaming QR against dense linear algebra: nothing of the least-squares problem may be lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acnn.solvers import ReducedProblem, StreamingQR

RELATIVE = 1e-11

SHAPES = [(1, 1), (2, 1), (40, 7), (9, 7), (8, 7), (7, 7), (3, 7), (1, 7), (700, 5), (1500, 30), (513, 1)]


def reduce(rows: np.ndarray, targets: np.ndarray, block: int = 10) -> ReducedProblem:
    accumulator = StreamingQR(rows.shape[1])
    for start in range(0, len(rows), block):
        accumulator.add(rows[start : start + block], targets[start : start + block])
    return accumulator.result()


def problem(n_rows: int, n_columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_rows)


def assert_equivalent(reduced: ReducedProblem, rows: np.ndarray, targets: np.ndarray) -> None:
    """‖y - A c‖² = ‖z - R c‖² + residual² for every c: the three quadratic forms agree."""
    scale = np.linalg.norm(rows, axis=0) + np.finfo(float).tiny
    norm = np.linalg.norm(targets)
    gram = (reduced.factor / scale).T @ (reduced.factor / scale)
    np.testing.assert_allclose(gram, (rows / scale).T @ (rows / scale), atol=RELATIVE * max(1.0, np.sqrt(len(rows))))
    np.testing.assert_allclose(
        (reduced.factor / scale).T @ reduced.target, (rows / scale).T @ targets, atol=RELATIVE * norm
    )
    assert reduced.target @ reduced.target + reduced.residual**2 == pytest.approx(norm**2, rel=RELATIVE)
    assert reduced.n_rows == len(rows)
    assert reduced.factor.shape == (rows.shape[1],) * 2


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
def test_the_reduced_problem_is_the_whole_problem(n_rows, n_columns):
    rows, targets = problem(n_rows, n_columns)
    assert_equivalent(reduce(rows, targets), rows, targets)


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
def test_factor_target_and_residual_are_those_of_a_dense_qr(n_rows, n_columns):
    rows, targets = problem(n_rows, n_columns, seed=1)
    reduced = reduce(rows, targets, block=7)
    assert np.array_equal(reduced.factor, np.triu(reduced.factor))
    dense = np.linalg.qr(np.column_stack([rows, targets]), mode="r")
    padded = np.zeros((n_columns + 1, n_columns + 1))
    padded[: len(dense)] = dense[: n_columns + 1]

    def signed(matrix: np.ndarray) -> np.ndarray:  # rows of R are unique up to their sign
        return matrix * np.where(np.diag(matrix) < 0, -1.0, 1.0)[:, None]

    if n_rows <= n_columns:  # R has a free rotation below its last row that is determined by the data
        padded, expected = padded[:n_rows, :n_columns], reduced.factor[:n_rows]
        np.testing.assert_allclose(padded.T @ padded, expected.T @ expected, atol=RELATIVE * n_columns)
        assert reduced.residual == pytest.approx(0.0, abs=RELATIVE)
        return
    found = np.zeros_like(padded)
    found[:n_columns, :n_columns], found[:n_columns, -1] = reduced.factor, reduced.target
    found[-1, -1] = reduced.residual
    np.testing.assert_allclose(signed(found), signed(padded), atol=RELATIVE * np.sqrt(n_rows))
    minimum = np.linalg.lstsq(rows, targets, rcond=None)[0]
    assert reduced.residual == pytest.approx(np.linalg.norm(targets - rows @ minimum), abs=RELATIVE * np.sqrt(n_rows))


@settings(max_examples=60)
@given(
    n_columns=st.integers(1, 12),
    blocks=st.lists(st.integers(0, 9), min_size=1, max_size=8),
    rank=st.integers(1, 12),
    decades=st.integers(0, 8),
    seed=st.integers(0, 10_000),
)
def test_any_blocks_of_any_rank_and_scale(n_columns, blocks, rank, decades, seed):
    rng = np.random.default_rng(seed)
    n_rows = sum(blocks)
    rows = rng.normal(size=(n_rows, min(rank, n_columns))) @ rng.normal(size=(min(rank, n_columns), n_columns))
    rows *= 10.0 ** rng.uniform(-decades, decades, n_columns)
    targets = rng.normal(size=n_rows)
    accumulator = StreamingQR(n_columns)
    for stop, size in zip(np.cumsum(blocks), blocks, strict=True):
        accumulator.add(rows[stop - size : stop], targets[stop - size : stop])
    assert_equivalent(accumulator.result(), rows, targets)


def test_rank_deficient_rows_leave_a_singular_factor():
    rows, targets = problem(60, 4, seed=2)
    rows = np.column_stack([rows, rows @ [1.0, 2.0, 0.0, -1.0], np.zeros(60)])
    reduced = reduce(rows, targets)
    assert_equivalent(reduced, rows, targets)
    singular = np.linalg.svd(reduced.factor, compute_uv=False)
    assert (singular > 1e-10 * singular[0]).sum() == 4


def test_small_columns_beside_large_ones_keep_their_digits():
    rows, targets = problem(300, 6, seed=3)
    scale = 10.0 ** np.array([-9.0, 6.0, 0.0, -3.0, 9.0, 1.0])
    reduced = reduce(rows * scale, targets)
    assert_equivalent(reduced, rows * scale, targets)
    plain = reduce(rows, targets)
    solution = np.linalg.solve(reduced.factor, reduced.target) * scale
    np.testing.assert_allclose(solution, np.linalg.solve(plain.factor, plain.target), rtol=1e-9)


def test_the_order_of_the_blocks_does_not_matter():
    rows, targets = problem(900, 8, seed=4)
    order = np.random.default_rng(5).permutation(900)
    for shuffled in (order, order[::-1]):
        assert_equivalent(reduce(rows[shuffled], targets[shuffled], block=37), rows, targets)


@pytest.mark.parametrize("share", [(0, 0), (0, 5), (0, 900), (3, 897), (300, 600), (9, 9)])
def test_combined_accumulators_have_seen_all_rows(share):
    rows, targets = problem(sum(share), 8, seed=6)
    first, second = StreamingQR(8), StreamingQR(8)
    first.add(rows[: share[0]], targets[: share[0]])
    second.add(rows[share[0] :], targets[share[0] :])
    first.combine(second)
    assert_equivalent(first.result(), rows, targets)


def test_rows_may_follow_a_result():
    rows, targets = problem(50, 4, seed=7)
    accumulator = StreamingQR(4)
    accumulator.add(rows[:20], targets[:20])
    assert_equivalent(accumulator.result(), rows[:20], targets[:20])
    accumulator.add(rows[20:], targets[20:])
    assert_equivalent(accumulator.result(), rows, targets)


def test_memory_does_not_grow_with_the_number_of_rows():
    accumulator = StreamingQR(5)
    rows, targets = problem(100, 5, seed=8)
    held = []
    for _ in range(100):
        accumulator.add(rows, targets)
        held.append(accumulator._n_pending + len(accumulator._factor))
    assert max(held) < 1000 < accumulator.n_rows == 10_000


def test_no_rows_are_a_problem_without_information():
    reduced = StreamingQR(3).result()
    assert not reduced.factor.any()
    assert not reduced.target.any()
    assert (reduced.residual, reduced.n_rows) == (0.0, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_refused(bad):
    rows, targets = problem(5, 3, seed=9)
    for spoiled in (0, 1):
        pair = (rows.copy(), targets.copy())
        pair[spoiled].flat[2] = bad
        with pytest.raises(ValueError, match="not finite"):
            StreamingQR(3).add(*pair)


def test_a_wrong_shape_is_refused_with_its_numbers():
    with pytest.raises(ValueError, match=r"rows \(5, 4\) and targets \(5,\) do not match 3 columns"):
        StreamingQR(3).add(np.zeros((5, 4)), np.zeros(5))
    with pytest.raises(ValueError, match=r"rows \(5, 3\) and targets \(4,\)"):
        StreamingQR(3).add(np.zeros((5, 3)), np.zeros(4))
