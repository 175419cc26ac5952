"""Rows of largest volume: the k rows of a tall matrix whose square submatrix has nearly the largest |det|.

    C = B A⁻¹        A: the chosen rows of B. While an entry |C_ij| exceeds 1, row i in the place of row j of A enlarges
                     |det A| by that factor.

Goreinov et al., in Matrix Methods: Theory, Algorithms and Applications (World Scientific, 2010). The first rows are
chosen by QR with column pivoting; more rows come in blocks, so that memory does not grow with their number.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from acnn.arrays import FloatArray, IntArray

TOLERANCE = 1.01
"""Largest |C_ij| of a finished choice."""
SMALLEST = 1e-6
"""Scale, relative to the columns, of the rows that stand in for directions in which the matrix has no rows."""


class MaxVol:
    """Chooses k rows from blocks of rows [n, k].

    Directions that no row has are spanned by small multiples of unit vectors, so that there is an inverse for any
    number of rows; a later row in such a direction has a very large coefficient.
    """

    def __init__(self, n_columns: int) -> None:
        self.n_columns = n_columns
        self._chosen: FloatArray = np.zeros((0, n_columns))

    def add(self, rows: FloatArray) -> None:
        """Add a block of rows; blocks of a few times k rows are the most efficient."""
        if not len(rows) or not self.n_columns:
            return
        if not len(self._chosen):
            spanning = np.concatenate([rows, np.diag(SMALLEST * _scales(rows))])
            self._chosen = np.asarray(spanning[_pivots(spanning)], dtype=float)
        stacked = np.concatenate([self._chosen, rows])
        self._chosen = np.asarray(stacked[_enlarged(stacked, np.arange(self.n_columns))], dtype=float)

    @property
    def inverse(self) -> FloatArray:
        """A⁻¹ [k, k]; empty [0, 0] without any rows."""
        if not len(self._chosen):
            return np.zeros((0, 0))
        return np.asarray(np.linalg.inv(self._chosen), dtype=float)


def _scales(rows: FloatArray) -> FloatArray:
    """Return the root mean squares of the columns, at least the median of those that are not zero."""
    scales: FloatArray = np.sqrt((rows**2).mean(axis=0))
    present = scales[scales > 0]
    least = float(np.median(present)) if len(present) else 1.0
    return np.asarray(np.maximum(scales, least), dtype=float)


def _pivots(rows: FloatArray) -> IntArray:
    scaled = rows / np.sqrt((rows**2).mean(axis=0))  # otherwise rows large in large columns come first
    _, pivots = scipy.linalg.qr(scaled.T, mode="r", pivoting=True, check_finite=False)
    return np.asarray(pivots[: rows.shape[1]], dtype=np.int64)


def _enlarged(rows: FloatArray, chosen: IntArray) -> IntArray:
    """Exchange chosen rows until no coefficient exceeds the tolerance."""
    chosen = chosen.copy()
    for _ in range(rows.shape[1]):  # rounding accumulates in the updates: begin anew now and then
        coefficients = np.linalg.solve(rows[chosen].T, rows.T).T
        exchanged = False
        for _ in range(rows.shape[1]):
            row, column = np.unravel_index(np.argmax(np.abs(coefficients)), coefficients.shape)
            pivot = coefficients[row, column]
            if abs(pivot) <= TOLERANCE:
                break
            change = coefficients[row].copy()
            change[column] -= 1.0
            coefficients -= np.outer(coefficients[:, column], change / pivot)
            chosen[column] = row
            exchanged = True
        if not exchanged:
            break
    return chosen
