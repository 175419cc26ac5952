"""Radial functions as arrays: closed forms where the kernel has them, else quintic splines.

Between knots h apart, with t = (r - r_k) / h,

    r R_n(r) = Σ_m c_m t^m , m = 0 … 5

with the values and two derivatives of r R_n at both knots: C² like the functions themselves, off by h⁶/46080 times the
sixth derivative at most. The factor r keeps functions that diverge as 1/r finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.basis.radial import ClosedForm, RadialBasis

N_INTERVALS = 512
FIRST_KNOT = 1e-3
"""Start of the splines, in cutoffs; at shorter distances, the first polynomial continues."""
HERMITE = np.array([
    [1, 0, 0, 0, 0, 0],
    [0, 1, 0, 0, 0, 0],
    [0, 0, 1 / 2, 0, 0, 0],
    [-10, -6, -3 / 2, 10, -4, 1 / 2],
    [15, 8, 3 / 2, -15, 7, -1],
    [-6, -3, -1 / 2, 6, -3, 1 / 2],
])  # fmt: skip
"""c_0 … c_5 from value, slope and curvature at t = 0 and then at t = 1."""


def radial_arrays(
    radial: RadialBasis, pairs: Sequence[tuple[int, int]], envelope: str, prefix: str = ""
) -> dict[str, NDArray[Any]]:
    """Return the functions of pairs of elements.

    Args:
        pairs: indices of their elements.
        envelope: the one that closed forms have at this place in the kernel.
        prefix: of the arrays' names.
    """
    form = _closed_form(radial, envelope)
    if form is not None:
        return {f"{prefix}transforms": np.array([form.transforms[pair] for pair in pairs])}
    first = FIRST_KNOT * radial.cutoff
    step = (radial.cutoff - first) / N_INTERVALS
    return {
        f"{prefix}table": np.stack([_splines(radial, pair, first, step) for pair in pairs]),
        f"{prefix}table_sizes": np.array([N_INTERVALS, radial.n_max], dtype=np.int32),
        f"{prefix}table_knots": np.array([first, step]),
    }


def recurrence(radial: RadialBasis, envelope: str) -> FloatArray:
    """Return u, v, w of the polynomials [3, n], zeros where there are none."""
    form = _closed_form(radial, envelope)
    return np.zeros((3, max(1, radial.n_max))) if form is None else form.recurrence


def _closed_form(radial: RadialBasis, envelope: str) -> ClosedForm | None:
    form = radial.closed_form()
    return form if form is not None and form.envelope == envelope else None


def _splines(radial: RadialBasis, pair: tuple[int, int], first: float, step: float) -> FloatArray:
    """Return c_m by interval and function [N_INTERVALS, n_max, 6]."""
    device = next((buffer.device for buffer in radial.buffers()), torch.device("cpu"))
    r = torch.linspace(first, radial.cutoff, N_INTERVALS + 1, dtype=torch.float64, device=device).requires_grad_()
    elements = (torch.full(r.shape, z, dtype=torch.int64, device=device) for z in pair)
    knots = []
    for column in (r[:, None] * radial(r, *elements)).unbind(dim=1):
        (slope,) = torch.autograd.grad(column.sum(), r, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), r, retain_graph=True)
        knots.append(torch.stack([column, step * slope, step**2 * curvature], dim=1).detach().cpu().numpy())
    values = np.array(knots).reshape(-1, len(r), 3).transpose(1, 0, 2)
    return np.concatenate([values[:-1], values[1:]], axis=2) @ HERMITE.T
