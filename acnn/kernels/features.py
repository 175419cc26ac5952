"""Rows of a kernel's workspace: densities, and products of densities that build on each other."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import BoolArray, IntArray
from acnn.basis.products import DensityTable
from acnn.kernels.monomials import Canonical, MonomialIndex, canonical, shared_splits

REAL_REAL, REAL_COMPLEX, COMPLEX_COMPLEX, COMPLEX_CONJUGATE = range(4)


@dataclass(frozen=True)
class Layout:
    """The places of the densities of one center element.

    Attributes:
        blocks: int64 [n, 4]: neighbor element, l, number of n, first row.
        row: workspace row of every row of the density table, -1 if unused; Im is the row after Re.
        n_rows: number of rows.
        n_radial: radial functions needed per neighbor element.
    """

    blocks: IntArray
    row: IntArray
    n_rows: int
    n_radial: IntArray


def layout(used: IntArray, table: DensityTable, n_elements: int) -> Layout:
    """Lay out the density rows in use: all n from 1 to the largest per neighbor element and l, components together."""
    row = np.full(table.n_plus, -1)
    n_radial = np.zeros(n_elements, dtype=np.int64)
    blocks, offset = [], 0
    z, n, l, m = table.rows.T
    for neighbor, degree in sorted({(int(z[a]), int(l[a])) for a in used}):
        of_block = (z == neighbor) & (l == degree)
        count = int(n[np.intersect1d(used, np.flatnonzero(of_block))].max())
        inside = of_block & (n <= count)
        row[inside] = offset + (n[inside] - 1) * (2 * degree + 1) + np.maximum(2 * m[inside] - 1, 0)
        blocks.append((neighbor, degree, count, offset))
        offset += count * (2 * degree + 1)
        n_radial[neighbor] = max(n_radial[neighbor], count)
    return Layout(np.array(blocks, dtype=np.int64).reshape(-1, 4), row, offset, n_radial)


@dataclass(frozen=True)
class Features:
    """Monomials of all orders in the workspace, and how to compute those of order 2 and higher.

    Attributes:
        layout: that of the densities.
        index: monomials by order.
        row: order -> workspace row of each monomial.
        real: order -> whether a monomial is real (a single row).
        groups: int64 [n, 3]: kind, first and last product, in order of execution.
        products: int64 [n, 3]: rows left, right, out; out = left · right or left · conj(right).
        n_rows: rows in use, including two spare ones for padding at the end.
    """

    layout: Layout
    index: dict[int, MonomialIndex]
    row: dict[int, IntArray]
    real: dict[int, BoolArray]
    groups: IntArray
    products: IntArray
    n_rows: int

    @property
    def padding_row(self) -> int:
        """The first of the spare rows."""
        return self.n_rows - 2

    def find(self, codes: IntArray) -> IntArray:
        """Return the positions of monomials among those of their order."""
        known = self.index[codes.shape[1]].codes
        return np.searchsorted(_keys(known), _keys(codes))


def _keys(codes: IntArray) -> NDArray:
    """Return rows as single values that sort like the rows."""
    return np.ascontiguousarray(codes.astype(">i8")).view(f"S{8 * codes.shape[1]}").reshape(-1) if len(codes) else codes


def features(monomials: list[IntArray], densities: IntArray, table: DensityTable, n_elements: int) -> Features:
    """Assign rows to canonical monomials (arrays [n, order] of codes, any orders) and to the parts they consist of.

    Args:
        densities: further rows of the density table that are needed.
    """
    wanted = {order: [m for m in monomials if m.shape[1] == order] for order in range(2, 5)}
    recipes: dict[int, tuple[Canonical, Canonical]] = {}
    index: dict[int, MonomialIndex] = {}
    for order in range(4, 1, -1):
        codes = np.concatenate([np.zeros((0, order), np.int64), *wanted[order]])
        if len(codes) == 0:
            continue
        index[order] = MonomialIndex(codes)
        recipes[order] = _recipe(index[order].codes, table)
        if order > 2:
            wanted[order - 1].append(recipes[order][0].codes)
    singles = [codes.reshape(-1, 1) // 2 for found in index.values() for codes in [found.codes]]
    used = np.unique(np.concatenate([densities.reshape(-1, 1), *singles]).astype(np.int64))
    place = layout(used, table, n_elements)
    return _numbered(index, recipes, place, table)


def _recipe(codes: IntArray, table: DensityTable) -> tuple[Canonical, Canonical]:
    """Write monomials of order ν as (order ν - 1) · single density."""
    order = codes.shape[1]
    signed = _signed(codes, table)
    if order == 2:
        return canonical(signed[:, :1], table), canonical(signed[:, 1:], table)
    if order == 3:
        split = shared_splits({3: signed}, table)[3]
        return split.left, split.right
    return canonical(signed[:, :3], table), canonical(signed[:, 3:], table)


def _signed(codes: IntArray, table: DensityTable) -> IntArray:
    """Return codes as rows of the signed density table (ignoring the phases of conjugates)."""
    mirror = np.full(table.n_plus, -1)
    mirror[table.mirrored] = table.n_plus + np.arange(len(table.mirrored))
    return np.where(codes % 2 == 1, mirror[codes // 2], codes // 2)


def _numbered(
    index: dict[int, MonomialIndex],
    recipes: dict[int, tuple[Canonical, Canonical]],
    place: Layout,
    table: DensityTable,
) -> Features:
    singles = np.flatnonzero(place.row >= 0)
    index = {1: MonomialIndex(2 * singles.reshape(-1, 1))} | dict(sorted(index.items()))
    m = table.rows[:, 3]
    real = {order: (m[found.codes // 2] == 0).all(axis=1) for order, found in index.items()}
    row: dict[int, IntArray] = {1: place.row[singles]}
    next_row = place.n_rows
    for order in range(2, max(index) + 1):
        signs = np.where(index[order].codes % 2 == 1, -1, 1)
        magnetic = (m[index[order].codes // 2] * signs).sum(axis=1)
        sequence = np.lexsort((np.arange(len(magnetic)), real[order], magnetic))
        sizes = np.where(real[order], 1, 2)
        row[order] = np.empty(len(sizes), dtype=np.int64)
        row[order][sequence] = next_row + np.cumsum(sizes[sequence]) - sizes[sequence]
        next_row += int(sizes.sum())
    found = Features(place, index, row, real, np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64), next_row + 2)
    groups, products = _products(found, recipes)
    return replace(found, groups=groups, products=products)


def _products(found: Features, recipes: dict[int, tuple[Canonical, Canonical]]) -> tuple[IntArray, IntArray]:
    groups: list[tuple[int, int, int]] = []
    products: list[IntArray] = []
    for order in sorted(recipes):
        left, right = recipes[order]
        kind, table = _operations(found, order, left, right)
        for k in range(4):
            chosen = table[kind == k]
            if len(chosen):
                first = sum(map(len, products))
                groups.append((k, first, first + len(chosen)))
                products.append(chosen[np.lexsort((chosen[:, 1], chosen[:, 0]))])
    return np.array(groups, dtype=np.int64).reshape(-1, 3), np.concatenate([np.zeros((0, 3), np.int64), *products])


def _operations(found: Features, order: int, left: Canonical, right: Canonical) -> tuple[IntArray, IntArray]:
    """Return the kind of every product and its rows (left, right, out)."""
    sides = []
    for part in (left, right):
        position = found.find(part.codes)
        o = part.codes.shape[1]
        sides.append((found.row[o][position], found.real[o][position], part.conjugated))
    (a, a_real, a_conj), (b, b_real, b_conj) = sides
    out = found.row[order]
    kind = np.full(len(out), COMPLEX_COMPLEX)
    kind[a_conj != b_conj] = COMPLEX_CONJUGATE
    kind[a_real | b_real] = REAL_COMPLEX
    kind[a_real & b_real] = REAL_REAL
    swap = np.where(kind == REAL_COMPLEX, b_real, (kind == COMPLEX_CONJUGATE) & a_conj)
    if ((a_conj & b_conj & (kind == COMPLEX_COMPLEX)) | ((kind == REAL_COMPLEX) & (a_conj | b_conj))).any():
        raise AssertionError("a canonical monomial is the conjugate of the product of its parts")
    return kind, np.stack([np.where(swap, b, a), np.where(swap, a, b), out], axis=1)
