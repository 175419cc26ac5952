"""Least squares without the design matrix: rows stream into one triangular factor.

Every block [A | y] of weighted rows is reduced by R ← qr([R; block]). The factor of [A | y] holds R (p x p),
z = Qᵀy and the residual norm, which is all that any solver needs. Memory does not grow with the number of rows, and
factors of separate shares of the rows combine in the same way (TSQR, Demmel et al., SIAM J. Sci. Comput. 34, A206
(2012)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class ReducedProblem:
    """‖y - A c‖² = ‖z - R c‖² + residual², from n_rows rows.

    Attributes:
        factor: R [p, p], upper triangular.
        target: z [p].
        residual: norm of the part that no coefficients can fit.
        n_rows: number of rows of A.
    """

    factor: FloatArray
    target: FloatArray
    residual: float
    n_rows: int

    def misfit(self, coefficients: FloatArray, columns: IntArray | slice = slice(None)) -> float:
        """Return ‖y - A c‖² for c on some columns, by default all, and zero on the others."""
        return float(((self.target - self.factor[:, columns] @ coefficients) ** 2).sum() + self.residual**2)

    def leading(self, n: int) -> ReducedProblem:
        """Return the problem of the first n columns; the coefficients of the others are zero."""
        residual = math.hypot(self.residual, float(np.linalg.norm(self.target[n:])))
        return ReducedProblem(self.factor[:n, :n], self.target[:n], residual, self.n_rows)

    def with_rows(self, rows: FloatArray, targets: FloatArray) -> ReducedProblem:
        """Return the problem with more rows [n, p]."""
        accumulator = StreamingQR(len(self.target))
        accumulator.add(self.factor, self.target)
        accumulator.add(np.zeros((1, len(self.target))), np.array([self.residual]))
        accumulator.add(rows, targets)
        return replace(accumulator.result(), n_rows=self.n_rows + len(targets))

    def restricted(self, columns: IntArray) -> ReducedProblem:
        """Return the problem of some of the columns; the coefficients of the others are zero."""
        stacked = np.column_stack([self.factor[:, columns], self.target])
        (factor,) = scipy.linalg.qr(stacked, mode="r", check_finite=False)
        p = len(columns)
        full = np.zeros((p + 1, p + 1))
        rows = min(p + 1, len(factor))
        full[:rows] = factor[:rows]
        residual = math.hypot(self.residual, full[p, p])
        return ReducedProblem(np.triu(full[:p, :p]), full[:p, p], residual, self.n_rows)


class StreamingQR:
    """Accumulates weighted rows of a least-squares problem with ``n_columns`` unknowns."""

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self.n_rows = 0
        self._block_rows = max(512, 2 * n_columns)
        self._factor = np.zeros((0, n_columns + 1))
        self._pending: list[FloatArray] = []
        self._n_pending = 0

    def add(self, rows: FloatArray, targets: FloatArray) -> None:
        """Add weighted rows [n, n_columns] and targets [n]."""
        if rows.shape != (len(targets), self.n_columns):
            raise ValueError(f"rows {rows.shape} and targets {targets.shape} do not match {self.n_columns} columns")
        if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
            raise ValueError("an equation is not finite: do two atoms coincide?")
        for start in range(0, len(rows), self._block_rows):
            piece = slice(start, start + self._block_rows)
            self._pending.append(np.column_stack([rows[piece], targets[piece]]))
            self._n_pending += len(self._pending[-1])
            if self._n_pending >= self._block_rows:
                self._reduce()
        self.n_rows += len(rows)

    def combine(self, other: StreamingQR) -> None:
        """Take over all rows another accumulator has seen."""
        other._reduce()
        self.n_rows += other.n_rows
        if not len(self._factor) and not self._pending:
            self._factor = other._factor.copy()
            return
        self._pending.append(other._factor)
        self._n_pending += len(other._factor)
        self._reduce()

    def triangle(self) -> FloatArray:
        """Return the upper triangle of the factor of [A | y], row by row [(p + 1)(p + 2) / 2]."""
        full, p = self._square(), self.n_columns
        return np.concatenate([full[row, row:] for row in range(p + 1)])

    @classmethod
    def from_triangle(cls, triangle: FloatArray, n_columns: int, n_rows: int) -> StreamingQR:
        """Make an accumulator that has seen the rows of which this is the `triangle`."""
        size = n_columns + 1
        if triangle.shape != (size * (size + 1) // 2,):
            raise ValueError(f"a triangle of {triangle.size} numbers does not match {n_columns} columns")
        accumulator = cls(n_columns)
        accumulator.n_rows = n_rows
        accumulator._factor = np.zeros((size, size))
        start = 0
        for row in range(size):
            accumulator._factor[row, row:] = triangle[start : start + size - row]
            start += size - row
        return accumulator

    def result(self) -> ReducedProblem:
        """Return the reduced problem of all rows so far."""
        full, p = self._square(), self.n_columns
        return ReducedProblem(full[:p, :p].copy(), full[:p, p].copy(), abs(float(full[p, p])), self.n_rows)

    def _square(self) -> FloatArray:
        """Return the factor of [A | y], padded with zeros [p + 1, p + 1]."""
        self._reduce()
        full = np.zeros((self.n_columns + 1, self.n_columns + 1))
        full[: len(self._factor)] = self._factor
        return full

    def _reduce(self) -> None:
        if not self._pending:
            return
        blocks = [self._factor, *self._pending]
        stacked = np.empty((sum(map(len, blocks)), self.n_columns + 1), order="F")  # so that LAPACK need not copy
        np.concatenate(blocks, out=stacked)
        self._pending, self._n_pending = [], 0
        (factor,) = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
        self._factor = factor[: self.n_columns + 1].copy()
