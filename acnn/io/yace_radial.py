"""Functions of a distance as sums of the radial functions g_k of the ``.yace`` format (`acnn.io.yace_functions`).

For every ordered pair of elements two kinds of functions are fitted:

    R_n(r)                                                             the radial functions of the products
    V(r) = Σ_n c_n R_n / sqrt(4π) + ½ V_pair + ½ V_ZBL                 all that a neighbor adds by itself, in eV

with enough g_k to make the error of the fit smaller than that of the splines with which programs tabulate them.
V_pair and V_ZBL diverge as r → 0, the g_k do not: below a shortest distance they are continued by a finite repulsion.
V_ZBL, and a part whose cutoff is shorter than the other's, have a jump in the third derivative, which a sum of g_k
rounds off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.basis.radial import pair_bond_length
from acnn.io.yace_functions import GBase, weighted_least_squares
from acnn.models.fixed_terms import switch, zbl_energy
from acnn.models.linear import LinearACE

Bond = tuple[int, int]
"""Element indices of a center and of a neighbor."""
Target = Callable[[Tensor], Tensor]
"""r [n_points] -> R_n / sqrt(4π) by n, then the smooth and the diverging part of V in eV [n_points, n_max + 2]."""

FEWEST_RADIAL_FUNCTIONS = 24
MOST_RADIAL_FUNCTIONS = 120
STEP = 8
ROUGH_RADIAL_FUNCTIONS = 20
WORTHWHILE = 0.85
"""From this many functions more than R_n on, further ones are tried while they reduce the error by this factor."""
STRETCHES = (1.0, 2.0, 3.0, 4.0, 6.0)
"""Candidate values of λ."""
TOLERANCE_INSIDE = (1e-6, 0.1)
"""Tolerances of functions that are smooth there, and of the invented part of V; relative to the largest value."""
CONTINUATION_TERMS = 6
SAMPLES = 1000
WORST_KNOT = (1 - 1 / math.sqrt(3)) / 2
"""Where between two knots, at 0 and 1, the slope of a cubic Hermite spline has its largest error."""
ROUNDING = 1e-13


@dataclass(frozen=True)
class SlopeErrors:
    """Largest errors of slopes at r ≥ the shortest distance.

    Attributes:
        radial: of R_n, relative to its largest slope.
        pair: of V, in eV/Å.
    """

    radial: float
    pair: float


@dataclass(frozen=True)
class BondFit:
    """The radial functions of one ordered pair of elements.

    Attributes:
        cutoff, shortest: in Å.
        stretch: λ.
        radial: coefficients crad of R_n / sqrt(4π) [n, k].
        pair: coefficients of V in eV [k].
        contact: ½ (V_pair + V_ZBL) at r = 0 in eV, as it is exported.
        error: of the fit.
        spline: of splines through what was fitted.
    """

    cutoff: float
    shortest: float
    stretch: float
    radial: FloatArray
    pair: FloatArray
    contact: float
    error: SlopeErrors
    spline: SlopeErrors

    def excess(self, tolerance: float) -> float:
        """Return the error of the fit over the tolerance or, if larger, the splines' error; 1 is good enough."""
        radial = self.error.radial / max(self.spline.radial, tolerance, ROUNDING)
        return max(radial, self.error.pair / max(self.spline.pair, tolerance, ROUNDING))


def fit_radial(model: LinearACE, shortest: float, spline_step: float, tolerance: float) -> dict[Bond, BondFit]:
    """Fit all radial functions of a model, with the same number of g_k for all pairs of elements.

    Args:
        shortest: distance in bond lengths from which on V is exact.
        spline_step: in Å.
        tolerance: errors of slopes (eV/Å, relative for R_n) that are small enough, if the splines' are not larger.
    """
    elements = range(len(model.elements))
    problems = {(i, j): RadialProblem(model, (i, j), shortest, spline_step) for i in elements for j in elements}
    rough = min(ROUGH_RADIAL_FUNCTIONS + model.basis.n_max, MOST_RADIAL_FUNCTIONS)
    fits: dict[Bond, BondFit] = {}
    previous = math.inf
    for n in range(FEWEST_RADIAL_FUNCTIONS, MOST_RADIAL_FUNCTIONS + 1, STEP):
        fits = {bond: problem.best_fit(n, tolerance) for bond, problem in problems.items()}
        excess = max(fit.excess(tolerance) for fit in fits.values())
        if excess <= 1 or (n > rough and excess > WORTHWHILE * previous):
            break
        previous = excess
    return fits


class RadialProblem:
    """The functions to be fitted for one ordered pair of elements."""

    def __init__(self, model: LinearACE, bond: Bond, shortest: float, spline_step: float) -> None:
        length = pair_bond_length(model.elements[bond[0]], model.elements[bond[1]])
        self.cutoff, self.shortest = common_cutoff(model), shortest * length
        if self.shortest > 0.9 * self.cutoff:
            raise ValueError(f"{shortest:g} of the bond length {length:g} Å is beyond the cutoff {self.cutoff:g} Å")
        self.spline_step = self.cutoff / int(self.cutoff / spline_step)
        self.target = radial_target(model, bond, self.shortest)
        self.samples = np.linspace(self.shortest, self.cutoff, SAMPLES, endpoint=False)
        self.slopes = v_summed(slopes(self.target, torch.as_tensor(self.samples)))

    def best_fit(self, n: int, tolerance: float) -> BondFit:
        """Fit n functions, with the best λ."""
        fits = (self.fit(GBase(self.cutoff, stretch, n)) for stretch in STRETCHES)
        return min(fits, key=lambda fit: fit.excess(tolerance))

    def fit(self, base: GBase) -> BondFit:
        """Fit these functions g_k, and compare the errors with those of splines."""
        parts = self._least_squares(base)
        b = v_summed(parts)
        error = np.abs(base.values_and_slopes(self.samples)[1] @ b - self.slopes).max(axis=0)
        scale = np.append(np.abs(self.slopes[:, :-1]).max(axis=0), 1.0)
        spline = self._spline_errors(base, b)
        contact = base.values_and_slopes(np.zeros(1))[0] @ parts[:, -1]
        g = base.in_format(b)
        return BondFit(
            self.cutoff,
            self.shortest,
            base.stretch,
            g[:, :-1].T,
            g[:, -1],
            float(contact[0]),
            _slope_errors(error, scale),
            _slope_errors(spline, scale),
        )

    def _least_squares(self, base: GBase) -> FloatArray:
        """Return coefficients of envelope · (T_k - 1) [k, n_max + 2]."""
        outside, inside = base.nodes(self.shortest, self.cutoff, 4 * base.n), base.nodes(0.0, self.shortest, 2 * base.n)
        g = [base.values_and_slopes(r)[0] for r in (outside, inside)]
        f = [self.target(torch.as_tensor(r)).numpy() for r in (outside, inside)]
        smooth = weighted_least_squares(g, [values[:, :-1] for values in f], TOLERANCE_INSIDE[0])
        return np.hstack([smooth, weighted_least_squares(g, [values[:, -1:] for values in f], TOLERANCE_INSIDE[1])])

    def _spline_errors(self, base: GBase, b: FloatArray) -> FloatArray:
        """Return the errors of slopes of cubic Hermite splines in sampled intervals [n_max + 1]."""
        t, step = WORST_KNOT, self.spline_step
        left = np.unique(np.floor(self.samples / step)) * step
        left = left[(left > 0) & (left + step < self.cutoff)]
        ends = [base.values_and_slopes(left + h) for h in (0.0, step)]
        (f0, d0), (f1, d1) = ((value @ b, slope @ b) for value, slope in ends)
        spline = 6 * t * (1 - t) * (f1 - f0) / step + (1 - t) * (1 - 3 * t) * d0 + t * (3 * t - 2) * d1
        return np.abs(spline - base.values_and_slopes(left + t * step)[1] @ b).max(axis=0, initial=0.0)


def radial_target(model: LinearACE, bond: Bond, shortest: float) -> Target:
    """Return the functions to be fitted, continued below ``shortest`` (Å) where they diverge."""
    basis, device = model.basis, model.basis.numbers.device
    z_i, z_j = (torch.tensor(element, device=device) for element in bond)
    c_alone, c_pair = _order_one(model, bond), _pair_coefficients(model, bond)

    def target(r: Tensor) -> Tensor:
        d = r.to(device)
        pair = z_i.expand(len(r)), z_j.expand(len(r))
        radial = basis.radial(d, *pair).cpu() / math.sqrt(4 * math.pi)
        diverging = torch.zeros_like(r)
        if len(c_pair):
            diverging = diverging + 0.5 * (basis.pair_radial(d, *pair).cpu() @ c_pair)
        if model.zbl is not None:
            diverging = diverging + 0.5 * _zbl(model, bond, r)
        v = [radial @ c_alone, diverging * _softening(r, shortest)]
        return torch.cat([radial[:, : basis.n_shaped], torch.stack(v, dim=1)], dim=1)

    return target


def slopes(target: Target, r: Tensor) -> FloatArray:
    """Return derivatives in 1/Å at r [n_points, n_max + 2]: every value depends on a single distance."""
    point = r.clone().requires_grad_()
    columns = target(point).unbind(dim=1)
    found = [torch.autograd.grad(column.sum(), point, retain_graph=True, allow_unused=True)[0] for column in columns]
    return np.stack([np.zeros(len(r)) if slope is None else slope.numpy() for slope in found], axis=1)


def v_summed(columns: FloatArray) -> FloatArray:
    """Return columns with the two parts of V summed [n, n_max + 1]."""
    return np.column_stack([columns[:, :-2], columns[:, -2:].sum(axis=1)])


def _softening(r: Tensor, shortest: float) -> Tensor:
    """Return 1 for r ≥ shortest; below, r times a Taylor expansion of 1/r about it, all of whose terms repel."""
    closer = (1 - r / shortest).clamp(min=0.0)
    powers = torch.stack([closer**k for k in range(CONTINUATION_TERMS)])
    return torch.where(r < shortest, r / shortest * powers.sum(dim=0), torch.ones_like(r))


def _zbl(model: LinearACE, bond: Bond, r: Tensor) -> Tensor:
    """Return V_ZBL in eV [n_points]."""
    assert model.zbl is not None
    numbers = [atomic_numbers[model.elements[z]] for z in bond]
    z_i, z_j = (torch.tensor(float(number), dtype=r.dtype) for number in numbers)
    return zbl_energy(r, z_i, z_j) * switch(r / float(model.zbl.radii[numbers].sum()))


def _order_one(model: LinearACE, bond: Bond) -> Tensor:
    """Return the coefficients (eV) of the densities A_zn00 of a neighbor, by n [n_max]."""
    basis, total = model.basis, np.zeros(model.basis.n_max)
    block = basis.by_element[bond[0]]
    if 1 in block.coupled.factors:
        c = model.coefficients.detach().cpu().double().numpy()[block.columns]
        z, n, _, _ = basis.table.rows[block.coupled.factors[1][:, 0]].T
        folded = block.coupled.coefficients[1].T @ c
        np.add.at(total, n[z == bond[1]] - 1, folded[z == bond[1]])
    return torch.as_tensor(total)


def _pair_coefficients(model: LinearACE, bond: Bond) -> Tensor:
    """Return the coefficients (eV) of the pair functions [n]."""
    columns = model.basis.pair_columns.get((min(bond), max(bond)), slice(0, 0))
    return model.coefficients.detach()[columns].cpu().double()


def common_cutoff(model: LinearACE) -> float:
    """Return the cutoff in Å; the format has one for products and single neighbors together."""
    basis = model.basis
    products = basis.specification.cutoff if any(block.n_functions for block in basis.by_element) else 0.0
    pairs = basis.pair_radial.cutoff if basis.pair_columns else 0.0
    return max(products, pairs) or model.cutoff


def _slope_errors(errors: FloatArray, scale: FloatArray) -> SlopeErrors:
    relative = errors / np.where(scale > 0, scale, 1.0)
    return SlopeErrors(float(relative[:-1].max(initial=0.0)), float(relative[-1]))


def largest(errors: Iterable[SlopeErrors]) -> SlopeErrors:
    """Return the largest error of either kind."""
    found = list(errors)
    return SlopeErrors(max(e.radial for e in found), max(e.pair for e in found))
