"""Monomials, features and tiles against the products, and the matrix, that they stand for: no C++ here."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acnn.basis.products import DensityTable
from acnn.kernels.features import COMPLEX_COMPLEX, COMPLEX_CONJUGATE, REAL_COMPLEX, REAL_REAL, features
from acnn.kernels.monomials import MonomialIndex, canonical, shared_splits, splits
from acnn.kernels.tiles import tile

PRODUCT_ACCURACY = 1e-13  # relative to the largest product

quick = settings(max_examples=40, suppress_health_check=list(HealthCheck))

channels = st.sets(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=8)
seeds = st.integers(0, 2**20)


def signed_densities(table: DensityTable, rng: np.random.Generator) -> np.ndarray:
    """A of all rows, those with m < 0 behind: A_l0 real, A_l,-m = (-1)^m conj(A_lm)."""
    plus = rng.normal(size=table.n_plus) + 1j * np.where(table.rows[:, 3] > 0, rng.normal(size=table.n_plus), 0.0)
    return np.concatenate([plus, table.parity * plus[table.mirrored].conj()])


def invariant_rows(table: DensityTable, order: int, rng: np.random.Generator, n: int = 30) -> np.ndarray:
    """Distinct ascending signed products with Σm = 0."""
    m = np.concatenate([table.rows[:, 3], -table.rows[table.mirrored, 3]])
    drawn = rng.integers(0, len(m), size=(40 * n, order))
    return np.unique(np.sort(drawn[m[drawn].sum(axis=1) == 0], axis=1), axis=0)[:n]


def any_rows(table: DensityTable, order: int, rng: np.random.Generator, n: int = 30) -> np.ndarray:
    return rng.integers(0, table.n_plus + len(table.mirrored), size=(n, order))


def values_of(codes: np.ndarray, densities: np.ndarray) -> np.ndarray:
    """Π_t A_t of codes 2 · row + conjugated."""
    factors = densities[codes // 2]
    return np.where(codes % 2 == 1, factors.conj(), factors).prod(axis=1)


def assert_products(found: np.ndarray, expected: np.ndarray) -> None:
    scale = np.abs(expected).max(initial=1e-300)
    np.testing.assert_allclose(found, expected, rtol=0, atol=PRODUCT_ACCURACY * scale)


def value_of(part, densities):
    value = values_of(part.codes, densities)
    return part.phase * np.where(part.conjugated, value.conj(), value)


@quick
@given(channels, st.integers(1, 5), seeds)
def test_a_product_is_a_phase_times_its_canonical_monomial_or_the_conjugate(channels, order, seed):
    table, rng = DensityTable(sorted(channels)), np.random.default_rng(seed)
    densities, rows = signed_densities(table, rng), any_rows(table, order, rng)
    found = canonical(rows, table)
    assert_products(value_of(found, densities), densities[rows].prod(axis=1))
    assert (np.diff(found.codes, axis=1) >= 0).all()
    m = table.rows[found.codes // 2, 3] * np.where(found.codes % 2 == 1, -1, 1)
    np.testing.assert_array_equal(m.sum(axis=1), found.magnetic)
    assert (found.magnetic >= 0).all()


@quick
@given(channels, st.integers(1, 4), seeds)
def test_order_of_factors_and_conjugation_do_not_change_the_canonical_monomial(channels, order, seed):
    table, rng = DensityTable(sorted(channels)), np.random.default_rng(seed)
    rows = any_rows(table, order, rng)
    mirror = np.arange(table.n_plus + len(table.mirrored))
    mirror[table.mirrored] = table.n_plus + np.arange(len(table.mirrored))
    mirror[table.n_plus :] = table.mirrored
    codes = canonical(rows, table).codes
    np.testing.assert_array_equal(canonical(rng.permuted(rows, axis=1), table).codes, codes)
    np.testing.assert_array_equal(canonical(mirror[rows], table).codes, codes)


@quick
@given(channels, st.integers(2, 5), seeds)
def test_every_split_is_the_product(channels, order, seed):
    table, rng = DensityTable(sorted(channels)), np.random.default_rng(seed)
    densities, rows = signed_densities(table, rng), any_rows(table, order, rng)
    expected = densities[rows].prod(axis=1)
    options = splits(rows, table)
    assert len(options) == {2: 1, 3: 3, 4: 3, 5: 10}[order]
    for split in [*options, shared_splits({order: rows}, table)[order]]:
        assert_products(value_of(split.left, densities) * value_of(split.right, densities), expected)
        assert split.left.codes.shape[1] == (order + 1) // 2


def test_nothing_splits_into_nothing():
    table = DensityTable([(0, 1, 1)])
    assert shared_splits({}, table) == {}
    assert shared_splits({3: np.zeros((0, 3), np.int64)}, table) == {}


def test_shared_splits_share():
    """Of A1 A2 A3, A1 A2 A4, … the pair A1 A2 is the one to keep."""
    table = DensityTable([(0, n, 0) for n in range(1, 12)])
    rows = np.array([[0, 1, third] for third in range(2, 11)])
    split = shared_splits({3: rows}, table)[3]
    assert len(MonomialIndex(split.left.codes)) == 1


def executed(found, densities: np.ndarray, table: DensityTable) -> np.ndarray:
    """The rows of the workspace, by the recipes in order (each row is written before it is read)."""
    f = np.full(found.n_rows, np.nan)
    for position, row in enumerate(found.layout.row):
        if row >= 0:
            f[row] = densities[position].real
            if table.rows[position, 3] > 0:
                f[row + 1] = densities[position].imag
    for kind, first, last in found.groups:
        for left, right, out in found.products[first:last]:
            a, b = f[left], f[right]
            if kind != REAL_REAL:
                b = complex(f[right], f[right + 1])
            if kind in (COMPLEX_COMPLEX, COMPLEX_CONJUGATE):
                a = complex(f[left], f[left + 1])
            product = a * (np.conj(b) if kind == COMPLEX_CONJUGATE else b)
            assert np.isfinite(product)
            f[out] = np.real(product)
            if kind != REAL_REAL:
                f[out + 1] = np.imag(product)
    return f


@quick
@given(channels, st.sets(st.integers(2, 4), min_size=1), seeds)
def test_every_row_of_the_workspace_is_the_product_of_its_densities(channels, orders, seed):
    table, rng = DensityTable(sorted(channels)), np.random.default_rng(seed)
    densities = signed_densities(table, rng)
    monomials = [canonical(any_rows(table, order, rng, 12), table).codes for order in orders]
    singles = rng.integers(0, table.n_plus, size=2)
    # Densities of a block that only fill it up to its largest n may be missing in the table: they stay unwritten.
    found = features(monomials, singles, table, 3)
    f = executed(found, densities, table)
    occupied = np.zeros(found.n_rows, dtype=int)
    for order, index in found.index.items():
        row, real = found.row[order], found.real[order]
        expected = values_of(index.codes, densities)
        assert_products(f[row] + 1j * np.where(real, 0.0, f[np.where(real, row, row + 1)]), expected)
        np.add.at(occupied, np.concatenate([row, row[~real] + 1]), 1)
    assert occupied.max() == 1  # no two monomials in one row
    assert not occupied[-2:].any()  # the padding
    assert {r for (k, a, b) in found.groups for r in range(a, b)} == set(range(len(found.products)))
    assert {int(k) for k in found.groups[:, 0]} <= {REAL_REAL, REAL_COMPLEX, COMPLEX_COMPLEX, COMPLEX_CONJUGATE}
    for codes in monomials:
        position = found.find(codes)
        np.testing.assert_array_equal(found.index[codes.shape[1]].codes[position], codes)


def test_features_of_nothing_are_the_padding():
    found = features([], np.zeros(0, np.int64), DensityTable([(0, 1, 1)]), 1)
    assert (found.n_rows, found.padding_row, len(found.products)) == (2, 0, 0)


def test_a_table_without_magnetic_densities_has_products_too():
    """l = 0 everywhere, the basis of order 2 and degree 2 for one."""
    table = DensityTable([(0, 1, 0), (0, 2, 0)])
    found = canonical(np.array([[0, 0], [1, 0]]), table)
    np.testing.assert_array_equal(found.codes, [[0, 0], [0, 2]])
    np.testing.assert_array_equal(found.phase, [1.0, 1.0])


# --- tiles ------------------------------------------------------------------------------------------------------------


@st.composite
def symmetric_matrices(draw):
    n, density, seed = draw(st.integers(0, 90)), draw(st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0])), draw(seeds)
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(n, n)) * (rng.random((n, n)) < density)
    return scipy.sparse.csr_array(dense + dense.T)


def from_tiles(tiles, n):
    """The dense matrix, every entry written once."""
    found, written = np.zeros((n, n)), np.zeros((n, n), dtype=int)
    for t, rows in enumerate(tiles.rows):
        for k in range(tiles.start[t], tiles.start[t + 1]):
            for slot, row in enumerate(rows):
                if row >= 0:
                    found[row, tiles.columns[k]] += tiles.coefficients[k, slot]
                    written[row, tiles.columns[k]] += 1
                else:
                    assert tiles.coefficients[k, slot] == 0
    assert written.max(initial=0) <= 1
    return found


@pytest.mark.parametrize("size", [1, 4, 8])
@quick
@given(matrix=symmetric_matrices())
def test_tiles_are_the_matrix(size, matrix):
    tiles = tile(matrix, size)
    n = matrix.shape[0]
    np.testing.assert_array_equal(from_tiles(tiles, n), matrix.toarray())
    rows = tiles.rows[tiles.rows >= 0]
    assert sorted(rows) == np.flatnonzero(np.diff(matrix.indptr)).tolist()  # each row of M once, empty ones never
    assert tiles.rows.shape[1] == size
    assert tiles.start[0] == 0
    assert tiles.start[-1] == len(tiles.columns) == len(tiles.coefficients)


def test_similar_rows_share_a_tile():
    """Two blocks without common columns: no padding is needed."""
    tiles = tile(scipy.sparse.csr_array(np.kron(np.eye(2), np.ones((4, 4)))), 4)
    assert tiles.fill == 1.0
    assert [set(rows) for rows in tiles.rows.tolist()] == [{0, 1, 2, 3}, {4, 5, 6, 7}]


def test_index_numbers_distinct_rows():
    codes = np.array(list(itertools.product(range(3), repeat=2)))[[4, 4, 1, 0, 8]]
    index = MonomialIndex(codes)
    np.testing.assert_array_equal(index.codes[index.inverse], codes)
    assert len(index) == 4
