"""Solvers of regularized linear least squares, for design matrices of any origin: NumPy and SciPy only, no atoms.

Rows [A | y] stream into one triangular factor, and every solver works on that:

    >>> import numpy as np
    >>> from acnn.solvers import BLR, StreamingQR
    >>> A, y = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]), np.array([1.0, 2.0, 3.1])
    >>> rows = StreamingQR(n_columns=2)
    >>> rows.add(A, y)
    >>> solution = BLR().solve(rows.result(), np.ones(2))
    >>> np.allclose(solution.coefficients, [0.983, 1.050], atol=0.02)
    True

All of them find argmin_c ‖y - A c‖² + λ ‖Γ c‖² with a diagonal prior Γ; some of them also determine λ. Parameters go to
the constructor, and ``solve(problem, gamma)`` returns a `Solution`, which includes the posterior of the coefficients.

    QR      λ is given
    RRQR    drops directions that the data hardly determine
    LSQR    λ is given; iterative
    BLR     λ and the noise maximize the evidence
    ARD     one λ per coefficient, by maximizing the evidence; drops coefficients
"""

from acnn.solvers.ard import ARD
from acnn.solvers.base import Posterior, Solution, Solver
from acnn.solvers.blr import BLR
from acnn.solvers.lsqr import LSQR
from acnn.solvers.priors import AlgebraicPrior, CustomPrior, ExponentialPrior, GaussianPrior, IdentityPrior, Prior
from acnn.solvers.qr import QR, RRQR
from acnn.solvers.streaming_qr import ReducedProblem, StreamingQR

SOLVERS: dict[str, type[ARD | BLR | LSQR | QR | RRQR]] = {"blr": BLR, "qr": QR, "rrqr": RRQR, "lsqr": LSQR, "ard": ARD}
"""Solvers by their names in settings."""

__all__ = [
    "ARD",
    "BLR",
    "LSQR",
    "QR",
    "RRQR",
    "SOLVERS",
    "AlgebraicPrior",
    "CustomPrior",
    "ExponentialPrior",
    "GaussianPrior",
    "IdentityPrior",
    "Posterior",
    "Prior",
    "ReducedProblem",
    "Solution",
    "Solver",
    "StreamingQR",
]
