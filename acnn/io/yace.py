"""Linear models as ``.yace`` files, for LAMMPS' ``pair_style pace`` and other programs that read the format.

    E_i = E0 + Σ_k c_k Σ_j g_k(r_ij) + Σ_p c̃_p Re Π_t A_{μ n l m}(t),
    A_μnlm = Σ_j Σ_k crad_nlk g_k(r_ij) sqrt(4π) Y_lm(r̂_ij) δ_{μ μ_j}

Products and coefficients are acnn's own: the harmonics differ only by sqrt(4π), which crad absorbs, and only one of a
product and its conjugate is written, with the coefficient of both. The functions of one neighbor and the radial
functions are sums of the format's g_k, which programs tabulate as cubic splines: see `acnn.io.yace_radial`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acnn.arrays import FloatArray, IntArray
from acnn.basis.ace import ElementBasis
from acnn.basis.products import DensityTable
from acnn.files import write_atomically
from acnn.io.yace_radial import Bond, BondFit, SlopeErrors, fit_radial, largest
from acnn.models.linear import LinearACE, require_linear
from acnn.potential import Potential

SHORTEST_DISTANCE = 0.5
"""In bond lengths; the functions of one neighbor are exact at all larger distances."""
SPLINE_STEP = 0.001
"""Å between the knots of the splines."""
VISIBLE_SLOPE_ERROR = 1e-6
"""eV/Å, and relative for R_n; larger errors of the fits are reported."""


@dataclass(frozen=True)
class ProductFunction:
    """Products of densities that differ only in m.

    Attributes:
        elements, ns, ls: those of the factors [order].
        ms: [n_products, order].
        coefficients: c̃ in eV [n_products].
    """

    elements: list[int]
    ns: list[int]
    ls: list[int]
    ms: IntArray
    coefficients: FloatArray


@dataclass(frozen=True)
class YaceReport:
    """Size and accuracy of an export.

    Attributes:
        bonds: the fits of the radial functions by element indices (center, neighbor).
        n_radial_functions: number of g_k.
        n_functions: number of functions of two or more neighbors, over all elements.
        n_products: number of their products of densities.
        table_bytes: memory of the splines in the program that reads the file.
        limits: differences between the file and the model, one sentence each.
    """

    bonds: dict[Bond, BondFit]
    n_radial_functions: int
    n_functions: int
    n_products: int
    table_bytes: int
    limits: list[str]

    @property
    def fit_error(self) -> SlopeErrors:
        """Largest errors of the fits."""
        return largest(fit.error for fit in self.bonds.values())

    @property
    def spline_error(self) -> SlopeErrors:
        """Largest errors of the splines."""
        return largest(fit.spline for fit in self.bonds.values())


def save_yace(
    model: Potential,
    path: str | os.PathLike[str],
    shortest: float = SHORTEST_DISTANCE,
    spline_step: float = SPLINE_STEP,
    tolerance: float = 0.0,
) -> YaceReport:
    """Write a model for ``pair_style pace``; the file is written completely or not at all.

    Args:
        shortest: distance in bond lengths above which the pair part is exact.
        spline_step: in Å; a larger step saves memory in the program that reads the file, but costs accuracy.
        tolerance: allowed error of slopes of radial functions (eV/Å; relative for R_n), to save radial functions; 0
            allows only that of the splines.
    """
    model = require_linear(model, "the model", "use --to mliap, the .yace format supports only linear models")
    if not 0 < shortest < 1:
        raise ValueError(f"the shortest distance must be between 0 and 1 bond lengths, not {shortest:g}")
    if not 0 < spline_step <= 0.1:
        raise ValueError(f"the step of the splines must be above 0 and at most 0.1 Å, not {spline_step:g}")
    if not 0 <= tolerance <= 0.1:
        raise ValueError(f"the tolerance of slopes must be between 0 and 0.1 eV/Å, not {tolerance:g}")
    if not bool(np.isfinite(model.coefficients.detach().cpu().numpy()).all()):
        raise ValueError("the model cannot be exported: it has coefficients that are not finite")
    bonds = fit_radial(model, shortest, spline_step, tolerance)
    functions = product_functions(model)
    write_atomically(Path(path), "".join(_lines(model, bonds, functions, spline_step)).encode())
    return _report(model, bonds, functions, spline_step)


def _report(
    model: LinearACE, bonds: dict[Bond, BondFit], functions: list[list[ProductFunction]], spline_step: float
) -> YaceReport:
    written = [f for of_element in functions for f in of_element]
    n_max, l_max = _extent(functions)
    n_splines = sum((n_max * (l_max + 1) + len(fit.pair)) * int(fit.cutoff / spline_step) for fit in bonds.values())
    return YaceReport(
        bonds,
        n_radial_functions=len(bonds[0, 0].pair),
        n_functions=len(written),
        n_products=sum(len(f.coefficients) for f in written),
        table_bytes=4 * 8 * n_splines,
        limits=limits(model, bonds),
    )


def product_functions(model: LinearACE) -> list[list[ProductFunction]]:
    """Return, for every center element, the products of two or more densities with nonzero coefficients."""
    table, c = model.basis.table, model.coefficients.detach().cpu().double().numpy()
    return [list(_of_element(block, table, c[block.columns])) for block in model.basis.by_element]


def _of_element(block: ElementBasis, table: DensityTable, c: FloatArray) -> Iterator[ProductFunction]:
    for order, factors in block.coupled.factors.items():
        folded = block.coupled.coefficients[order].T @ c
        used = np.flatnonzero(folded)
        if order > 1 and len(used):
            yield from _grouped(decoded(factors[used], table), folded[used])


def decoded(rows: IntArray, table: DensityTable) -> IntArray:
    """Return (z, n, l, m) of rows of the density table, sorted within every product [n_products, order, 4]."""
    unsigned, sign, _ = table.unsigned(rows.ravel())
    factors = (table.rows[unsigned] * np.where(np.arange(4) == 3, sign[:, None], 1)).reshape(*rows.shape, 4)
    position = np.lexsort(tuple(factors[..., axis] for axis in (3, 2, 1, 0)), axis=-1)
    return np.take_along_axis(factors, position[..., None], axis=1)


def _grouped(factors: IntArray, coefficients: FloatArray) -> Iterator[ProductFunction]:
    """Collect products [n_products, order, 4] with the same (z, n, l) into one function each."""
    znl = factors[..., :3].reshape(len(factors), -1)
    distinct, group = np.unique(znl, axis=0, return_inverse=True)
    position = np.argsort(group.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(group.ravel()))[:-1]
    for row, members in zip(distinct, np.split(position, ends), strict=True):
        z, n, l = row.reshape(-1, 3).T.tolist()
        yield ProductFunction(z, n, l, factors[members, :, 3], coefficients[members])


# --- what the format cannot represent ---------------------------------------------------------------------------------


def limits(model: LinearACE, bonds: dict[Bond, BondFit]) -> list[str]:
    """Describe every difference from the model in one sentence."""
    return [*_short_range_limits(model, bonds), *_rounded_limits(model, bonds)]


def _short_range_limits(model: LinearACE, bonds: dict[Bond, BondFit]) -> Iterator[str]:
    pairs = {bond: fit for bond, fit in bonds.items() if bond[0] <= bond[1]}
    named = ", ".join(f"{_name(model, bond)} {fit.shortest:.2f} Å" for bond, fit in pairs.items())
    if model.basis.pair_columns or model.zbl is not None:
        yield (
            f"pairs closer than {named}: the repulsion, which diverges in the model, stays finite in the file, so runs "
            "in which atoms come this close differ from the model"
        )
    soft = [_name(model, bond) for bond, fit in pairs.items() if fit.contact < 0]
    if soft:
        yield f"the pair part of {', '.join(soft)} attracts at r → 0, in the model and in the file: see acnn check"


def _rounded_limits(model: LinearACE, bonds: dict[Bond, BondFit]) -> Iterator[str]:
    error = largest(fit.error for fit in bonds.values())
    found = f"(errors: pair forces {2 * error.pair:.1g} eV/Å at most, slopes of R_n {error.radial:.1g} of the largest)"
    if model.zbl is not None:
        yield (
            "the exported pair functions include ZBL, so do not add pair_style zbl; at the sum of the covalent radii, "
            f"where its third derivative jumps, it is smoothed {found}"
        )
    products, pairs = model.basis.specification.cutoff, model.basis.pair_radial.cutoff
    mixed = bool(model.basis.pair_columns) and products != pairs and any(b.n_functions for b in model.basis.by_element)
    if mixed:
        yield (
            f"the format has one cutoff for products ({products:g} Å in the model) and pairs ({pairs:g} Å): the "
            f"shorter one is smoothed {found}; a model with equal cutoffs is exported exactly"
        )
    if model.zbl is None and not mixed and max(error.pair, error.radial) > VISIBLE_SLOPE_ERROR:
        yield f"the radial functions are approximated {found}"


def _name(model: LinearACE, bond: Bond) -> str:
    return "-".join(model.elements[z] for z in bond)


# --- the file ---------------------------------------------------------------------------------------------------------


def _lines(
    model: LinearACE, bonds: dict[Bond, BondFit], functions: list[list[ProductFunction]], spline_step: float
) -> Iterator[str]:
    elements = range(len(model.elements))
    yield "# linear ACE, written by acnn; units: eV, Angstrom (LAMMPS: units metal)\n"
    yield f"# pair_style pace\n# pair_coeff * * THIS_FILE {' '.join(model.elements)}\n"
    yield f"elements: [{', '.join(map(_quoted, model.elements))}]\n"
    yield f"E0: {_numbers([model.e0.energies[e] for e in model.elements])}\n"
    yield f"deltaSplineBins: {_number(spline_step)}\nembeddings:\n"
    for z in elements:
        yield f"  {z}: {{ndensity: 1, FS_parameters: [1.0, 1.0], npoti: FinnisSinclairShiftedScaled, "
        yield "rho_core_cutoff: 100000.0, drho_core_cutoff: 250.0}\n"
    yield "bonds:\n"
    n_max, l_max = _extent(functions)
    for bond, fit in bonds.items():
        yield f"  [{bond[0]}, {bond[1]}]: {_bond(fit, n_max, l_max)}\n"
    yield "functions:\n"
    for z in elements:
        of_one = [_single(z, neighbor, bonds[z, neighbor]) for neighbor in elements]
        written = [line for lines in of_one for line in lines] + [_function(z, f) for f in functions[z]]
        yield f"  {z}:{' []' if not written else ''}\n"
        yield from written


def _extent(functions: Sequence[Sequence[ProductFunction]]) -> tuple[int, int]:
    """Return the largest n and l, at least 1 and 0, since readers need one radial function."""
    written = [f for of_element in functions for f in of_element]
    return max((n for f in written for n in f.ns), default=1), max((l for f in written for l in f.ls), default=0)


def _bond(fit: BondFit, n_max: int, l_max: int) -> str:
    """Format a bond; the format has crad [n, l, k], but R_n is the same for all l."""
    by_n = (", ".join([_numbers(row)] * (l_max + 1)) for row in fit.radial[:n_max])
    return (
        f"{{nradmax: {n_max}, lmax: {l_max}, nradbasemax: {len(fit.pair)}, radbasename: ChebExpCos, "
        f"radparameters: [{_number(fit.stretch)}], radcoefficients: [{', '.join(f'[{row}]' for row in by_n)}], "
        f"prehc: 0.0, lambdahc: 1.0, rcut: {_number(fit.cutoff)}, dcut: 0.0, rcut_in: 0.0, dcut_in: 0.0, "
        "inner_cutoff_type: distance}"
    )


def _single(center: int, neighbor: int, fit: BondFit) -> Iterator[str]:
    for k, value in enumerate(fit.pair.tolist(), start=1):
        if value != 0.0:
            yield _entry(center, [neighbor], [k], [0], [0], [value])


def _function(center: int, f: ProductFunction) -> str:
    return _entry(center, f.elements, f.ns, f.ls, f.ms.ravel().tolist(), f.coefficients)


def _entry(
    center: int, mus: list[int], ns: list[int], ls: list[int], ms: list[int], values: Sequence[float] | FloatArray
) -> str:
    return (
        f"    - {{mu0: {center}, rank: {len(mus)}, ndensity: 1, num_ms_combs: {len(values)}, mus: {mus}, ns: {ns}, "
        f"ls: {ls}, ms_combs: {ms}, ctildes: {_numbers(values)}}}\n"
    )


def _numbers(values: Iterable[float]) -> str:
    return f"[{', '.join(_number(value) for value in values)}]"


def _number(value: float) -> str:
    """Return the shortest text that reads back as the same float64; YAML requires a point in the mantissa."""
    text = repr(float(value))
    return text if "." in text else text.replace("e", ".0e")


def _quoted(element: str) -> str:
    """Quote a symbol: YAML reads a bare Y, N or No as booleans."""
    return f'"{element}"'
