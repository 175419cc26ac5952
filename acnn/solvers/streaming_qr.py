"""Least squares without the design matrix: rows stream into one triangular factor.

Every block [A | y] of weighted rows is reduced by R ← qr([R; block]). The factor of [A | y] holds R (p x p),
z = Qᵀy and the residual norm, all that any solver needs; memory does not grow with the number of rows, and factors
of separate shares of the rows combine the same way (TSQR, Demmel et al., SIAM J. Sci. Comput. 34, A206 (2012)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray


@dataclass(frozen=True)
class ReducedProblem:
    """‖y - A c‖² = ‖z - R c‖² + residual², from n_rows rows.

    Attributes:
        factor: R [p, p], upper triangular.
        target: z [p].
        residual: norm of what no coefficients can fit.
        n_rows: rows of A.
    """

    factor: FloatArray
    target: FloatArray
    residual: float
    n_rows: int


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
        """Weighted rows [n, n_columns] and targets [n]."""
        if rows.shape != (len(targets), self.n_columns):
            raise ValueError(f"rows {rows.shape} and targets {targets.shape} for {self.n_columns} columns")
        if not (np.isfinite(rows).all() and np.isfinite(targets).all()):
            raise ValueError("an equation is not finite: are two atoms at one place?")
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
        """The upper triangle of the factor of [A | y], row by row [(p + 1)(p + 2) / 2]."""
        full, p = self._square(), self.n_columns
        return np.concatenate([full[row, row:] for row in range(p + 1)])

    @classmethod
    def from_triangle(cls, triangle: FloatArray, n_columns: int, n_rows: int) -> StreamingQR:
        """An accumulator that has seen the rows of which this is the `triangle`."""
        size = n_columns + 1
        if triangle.shape != (size * (size + 1) // 2,):
            raise ValueError(f"{triangle.size} numbers are not the triangle of {n_columns} columns")
        accumulator = cls(n_columns)
        accumulator.n_rows = n_rows
        accumulator._factor = np.zeros((size, size))
        start = 0
        for row in range(size):
            accumulator._factor[row, row:] = triangle[start : start + size - row]
            start += size - row
        return accumulator

    def result(self) -> ReducedProblem:
        full, p = self._square(), self.n_columns
        return ReducedProblem(full[:p, :p].copy(), full[:p, p].copy(), abs(float(full[p, p])), self.n_rows)

    def _square(self) -> FloatArray:
        """The factor of [A | y], filled up with zeros [p + 1, p + 1]."""
        self._reduce()
        full = np.zeros((self.n_columns + 1, self.n_columns + 1))
        full[: len(self._factor)] = self._factor
        return full

    def _reduce(self) -> None:
        if not self._pending:
            return
        blocks = [self._factor, *self._pending]
        stacked = np.empty((sum(map(len, blocks)), self.n_columns + 1), order="F")  # as LAPACK wants it: no copy
        np.concatenate(blocks, out=stacked)
        self._pending, self._n_pending = [], 0
        (factor,) = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
        self._factor = factor[: self.n_columns + 1].copy()
