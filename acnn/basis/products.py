"""Products of densities, and the sparse maps from products to invariants, for one center element.

Factors are rows of the signed density table: first (z, n, l, m) for m ≥ 0, then the conjugates with m < 0.
A product and its conjugate have the same real part and the same coefficient, so only one of the two is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from acnn.arrays import FloatArray, IntArray


class DensityTable:
    """Numbering of the densities A_znlm: rows for m ≥ 0, then rows for m < 0.

    Attributes:
        rows: (z, n, l, m) of every row with m ≥ 0, int64 [n_plus, 4].
        mirrored: the row of |m|, for every row with m < 0.
        mirror: the row of -m, for every row.
    """

    def __init__(self, channels: Sequence[tuple[int, int, int]]) -> None:
        plus = [(z, n, l, m) for z, n, l in channels for m in range(l + 1)]
        self.rows = np.array(plus, dtype=np.int64).reshape(-1, 4)
        self.mirrored = np.flatnonzero(self.rows[:, 3] > 0)
        minus = self.rows[self.mirrored] * [1, 1, 1, -1]
        z, n, l, m = np.concatenate([self.rows, minus]).T
        self._l_max = int(l.max(initial=0))
        self._index = np.full(
            (int(z.max(initial=0)) + 1, int(n.max(initial=0)) + 1, self._l_max + 1, 2 * self._l_max + 1), -1
        )
        self._index[z, n, l, m + self._l_max] = np.arange(len(z))
        self.mirror = self._index[z, n, l, self._l_max - m]

    @property
    def n_plus(self) -> int:
        """Number of rows with m ≥ 0."""
        return len(self.rows)

    @property
    def parity(self) -> FloatArray:
        """(-1)^m of the mirrored rows."""
        return (-1.0) ** self.rows[self.mirrored, 3]

    def find(self, z: IntArray, n: IntArray, l: IntArray, m: IntArray) -> IntArray:
        """Return the rows of densities that are in the table; the arguments are broadcast."""
        found = self._index[z, n, l, m + self._l_max]
        if (found < 0).any():
            raise KeyError("a requested density is not in the table")
        return found

    def unsigned(self, rows: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Return, for signed rows, the row of |m|, +1 or -1 for the conjugate, and the phase (-1)^m of the latter."""
        negative = rows >= self.n_plus
        mirror = np.where(negative, rows - self.n_plus, 0)
        source = self.mirrored[mirror] if len(self.mirrored) else np.zeros_like(rows)
        parity = self.parity[mirror] if len(self.mirrored) else np.ones(rows.shape)
        return (
            np.where(negative, source, rows),
            np.where(negative, -1, 1),
            np.where(negative, parity, 1.0),
        )


@dataclass(frozen=True)
class CoupledProducts:
    """B_k = Σ_p coefficients[k, p] Re(Π_t A_{factors[p, t]}), per order.

    Attributes:
        factors: order -> rows of the density table, int64 [n_products, order], each row ascending.
        coefficients: order -> sparse [n_functions, n_products].
    """

    n_functions: int
    factors: dict[int, IntArray]
    coefficients: dict[int, scipy.sparse.csr_array]


@dataclass(frozen=True)
class Terms:
    """Products of densities as they occur in functions: value · Re Π_t A_{factors[t]}.

    Attributes:
        factors: rows of the density table with Σm = 0, int64 [n, order].
        function: int64 [n].
        value: [n].
    """

    factors: IntArray
    function: IntArray
    value: FloatArray


def couple(terms: Iterable[Terms], n_functions: int, table: DensityTable) -> CoupledProducts:
    """Collect terms of any orders by product and function."""
    by_order: dict[int, list[Terms]] = {}
    for part in terms:
        by_order.setdefault(part.factors.shape[1], []).append(part)
    factors, coefficients = {}, {}
    for order, parts in sorted(by_order.items()):
        rows = _one_of_conjugates(np.concatenate([part.factors for part in parts]), table)
        factors[order], product = _distinct(rows)
        function = np.concatenate([part.function for part in parts])
        value = np.concatenate([part.value for part in parts])
        shape = (n_functions, len(factors[order]))
        coefficients[order] = scipy.sparse.csr_array((value, (function, product)), shape=shape)
    return CoupledProducts(n_functions, factors, coefficients)


def _one_of_conjugates(rows: IntArray, table: DensityTable) -> IntArray:
    """Return the factors, ascending, of each product or of its conjugate, whichever comes first."""
    own, mirrored = np.sort(rows, axis=1), np.sort(table.mirror[rows], axis=1)
    differ = own != mirrored
    first = differ.argmax(axis=1)[:, None]
    later = np.take_along_axis(own, first, axis=1) > np.take_along_axis(mirrored, first, axis=1)
    return np.where(later, mirrored, own)


def _distinct(rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the distinct rows in lexicographic order, and the index of each row among them."""
    rank, size = np.zeros(len(rows), dtype=np.int64), int(rows.max(initial=0)) + 1
    first = rank
    for column in rows.T:
        _, first, rank = np.unique(rank * size + column, return_index=True, return_inverse=True)
    return rows[first], rank


class ProductTree(nn.Module):
    """Evaluates many products of densities, sharing prefixes: node = parent node · density.

    Args:
        factors: order -> int64 [n, order], distinct ascending rows; the tree holds them and all their prefixes.
    """

    def __init__(self, factors: dict[int, IntArray]) -> None:
        super().__init__()
        self.depth = max(factors, default=0)
        nodes = _with_prefixes(factors)
        for order in range(1, self.depth + 1):
            rows = nodes[order]
            parent = np.zeros(len(rows), dtype=np.int64) if order == 1 else _find(rows[:, :-1], nodes[order - 1])
            self.register_buffer(f"parent_{order}", torch.as_tensor(parent), persistent=False)
            self.register_buffer(f"factor_{order}", torch.as_tensor(rows[:, -1].copy()), persistent=False)
        for order, rows in factors.items():
            if order > 0:
                self.register_buffer(f"wanted_{order}", torch.as_tensor(_find(rows, nodes[order])), persistent=False)

    def forward(self, densities: Tensor) -> dict[int, Tensor]:
        """Return order -> products [n, n_atoms] for complex densities [n_rows, n_atoms]."""
        wanted: dict[int, Tensor] = {}
        layer = densities
        for order in range(1, self.depth + 1):
            factor = densities.index_select(0, getattr(self, f"factor_{order}"))
            layer = factor if order == 1 else layer.index_select(0, getattr(self, f"parent_{order}")) * factor
            if hasattr(self, f"wanted_{order}"):
                wanted[order] = layer.index_select(0, getattr(self, f"wanted_{order}"))
        return wanted


def _with_prefixes(factors: dict[int, IntArray]) -> dict[int, IntArray]:
    nodes: dict[int, IntArray] = {}
    above = np.zeros((0, max(factors, default=0) + 1), dtype=np.int64)
    for order in range(max(factors, default=0), 0, -1):
        own = factors.get(order, np.zeros((0, order), dtype=np.int64))
        nodes[order] = above = np.unique(np.concatenate([own, above[:, :-1]]), axis=0)
    return nodes


def _find(rows: IntArray, table: IntArray) -> IntArray:
    """Return the positions of rows in a table of distinct rows that contains all of them."""
    index = {row: position for position, row in enumerate(map(tuple, table.tolist()))}
    return np.array([index[row] for row in map(tuple, rows.tolist())], dtype=np.int64)


@dataclass(frozen=True)
class DerivativeProgram:
    """dB_k/dA_a as sparse maps of lower-order products Q: see `differentiate`.

    Attributes:
        factors: order -> rows of the density table of the products Q (order 0 is the constant 1, listed first).
        real, imaginary: sparse [n_plus · n_functions, n_products], row a · n_functions + k.
    """

    factors: dict[int, IntArray]
    real: scipy.sparse.csr_array
    imaginary: scipy.sparse.csr_array


def differentiate(products: CoupledProducts, table: DensityTable) -> DerivativeProgram:
    """Differentiate the invariants with respect to the densities with m ≥ 0.

    With D_ka = real[ka] · Re Q - i imaginary[ka] · Im Q summed over products,
    dB_k = Re Σ_a D̄_ka dA_a, that is Σ_a (Σ real Re Q) Re dA_a - (Σ imaginary Im Q) Im dA_a.
    A factor with m < 0 is (-1)^m conj(A_{l|m|}), which turns Q into its conjugate.
    """
    triples = [_removals(order, rows, products) for order, rows in products.factors.items()]
    if not triples:
        nothing = scipy.sparse.csr_array((0, 1))
        return DerivativeProgram({}, nothing, nothing)
    sub_factors: dict[int, IntArray] = {}
    offset, offsets = 1, {0: 0}
    for order in sorted(t[0] for t in triples):
        if order > 1:
            sub_factors[order - 1] = np.unique(next(t[2] for t in triples if t[0] == order), axis=0)
            offsets[order - 1] = offset
            offset += len(sub_factors[order - 1])
    parts = []
    for order, removed, remaining, product in triples:
        q = (
            np.zeros(len(remaining), dtype=np.int64)
            if order == 1
            else _find(remaining, sub_factors[order - 1]) + offsets[order - 1]
        )
        a, sign, phase = table.unsigned(removed)
        by_product = products.coefficients[order].tocsc()[:, product].tocoo()
        k, entry, value = by_product.row, by_product.col, by_product.data
        parts.append((a[entry] * products.n_functions + k, q[entry], value * phase[entry], sign[entry]))
    rows, columns, values, signs = (np.concatenate(column) for column in zip(*parts, strict=True))
    shape = (table.n_plus * products.n_functions, offset)
    real = scipy.sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()
    imaginary = scipy.sparse.coo_array((values * signs, (rows, columns)), shape=shape).tocsr()
    return DerivativeProgram(sub_factors, real, imaginary)


def _removals(order: int, rows: IntArray, products: CoupledProducts) -> tuple[int, IntArray, IntArray, IntArray]:
    """Remove every factor of every product in turn: (order, removed, remaining factors, product index)."""
    removed = np.concatenate([rows[:, t] for t in range(order)])
    remaining = np.concatenate([np.delete(rows, t, axis=1) for t in range(order)])
    return order, removed, remaining, np.tile(np.arange(len(rows)), order)
