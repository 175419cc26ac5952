"""Compile a basis into a program for B, products with its Jacobian, and design-matrix rows.

Per center element the kernel holds ∂B_k/∂A_c as sparse sums of lower products of densities (`differentiate`), and terms
that are linear in the densities, including the purification, as constants per function, neighbor element and n.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.ace import ACEBasis, ElementBasis
from acnn.basis.coupling import n_invariants
from acnn.basis.functions import grouped
from acnn.basis.products import DensityTable, differentiate
from acnn.kernels.features import Features, features
from acnn.kernels.monomials import Canonical, canonical
from acnn.kernels.program import Arrays, Program, element_arrays, feature_arrays, shared_arrays


def compile_basis(basis: ACEBasis) -> Program:
    """Compile the basis program; its columns are those of the basis."""
    arrays = shared_arrays(basis)
    arrays["n_functions"] = np.array([basis.n_functions], dtype=np.int32)
    for z, block in enumerate(basis.by_element):
        own = element_arrays(basis, z) | _invariants(basis, block)
        own["pair_columns"] = np.array(_pair_columns(basis, z), dtype=np.int32)
        own["first_column"] = np.array([block.columns.start], dtype=np.int32)
        arrays |= {f"{z}.{name}": values for name, values in own.items()}
    return Program("basis", basis.elements, float(arrays["cutoffs"].max()), arrays)


def value_program(program: Program) -> Program:
    """Return the basis program that gives correct values, which may be the program itself.

    The kernel divides Σ_c A_c ∂B_k/∂A_c by one order per function. If functions contain products of several orders
    (``inverse_term_order``), the terms are divided beforehand, which is correct for values only.
    """
    arrays = dict(program.arrays)
    for name, inverse in program.arrays.items():
        if name.endswith(".inverse_term_order"):
            z = name.split(".")[0]
            arrays[f"{z}.term_value"] = arrays[f"{z}.term_value"] * inverse
            arrays[f"{z}.inverse_order"] = np.ones_like(arrays[f"{z}.inverse_order"])
            del arrays[name]
    return program if len(arrays) == len(program.arrays) else replace(program, arrays=arrays)


def _pair_columns(basis: ACEBasis, z: int) -> list[int]:
    found = {pair: columns.start for pair, columns in basis.pair_columns.items()}
    return [found.get((min(z, s), max(z, s)), 0) for s in range(len(basis.elements))]


@dataclass(frozen=True)
class _Terms:
    """∂B_k/∂A_c += value · f[row], one entry per term; ``order`` is that of the product in B_k."""

    function: IntArray
    density: IntArray
    imaginary: BoolArray
    row: IntArray
    value: FloatArray
    order: IntArray


def _invariants(basis: ACEBasis, block: ElementBasis) -> Arrays:
    table, n_elements = basis.table, len(basis.elements)
    program = differentiate(block.coupled, table)
    lower = {order: canonical(rows, table) for order, rows in program.factors.items()}
    linear = _linear(block, table)
    used = [np.unique(rows.tocoo().row // max(1, block.n_functions)) for rows in (program.real, program.imaginary)]
    found = features([part.codes for part in lower.values()], np.concatenate(used), table, n_elements)
    terms = _all_terms(found, program.real, program.imaginary, lower, block.n_functions, table)
    own = feature_arrays(found)
    own |= _entries(found, terms, block.n_functions, table, n_elements)
    own |= _linear_arrays(found, linear, block.n_functions, table, n_elements)
    own |= _orders(block, own.pop("term_order"))
    return own


def _orders(block: ElementBasis, term_order: IntArray) -> Arrays:
    """Return how B follows from its derivatives: Σ_c A_c ∂B/∂A_c counts a product as often as it has factors.

    If functions contain products of one order, this is undone per function, otherwise per term.
    """
    counts = [n_invariants(grouped(multiset)) for multiset in block.multisets]
    orders = np.repeat(np.array([len(multiset) for multiset in block.multisets], dtype=np.int64), counts)
    own: Arrays = {"inverse_order": 1.0 / orders.astype(float)}
    if _mixed(block):
        own["inverse_term_order"] = 1.0 / term_order
    return own


def _mixed(block: ElementBasis) -> bool:
    """Return whether a function contains products of two orders above 1."""
    present = [np.diff(c.indptr) > 0 for order, c in block.coupled.coefficients.items() if order > 1]
    return bool((np.sum(present, axis=0) > 1).any()) if present else False


def _linear(block: ElementBasis, table: DensityTable) -> scipy.sparse.coo_array:
    """Return the terms linear in the densities: value of (function, density row)."""
    shape = (block.n_functions, table.n_plus)
    if 1 not in block.coupled.factors:
        return scipy.sparse.coo_array(shape)
    entries = block.coupled.coefficients[1].tocoo()
    rows = block.coupled.factors[1][entries.col, 0]
    return scipy.sparse.coo_array((entries.data, (entries.row, rows)), shape=shape)


def _all_terms(
    found: Features,
    real: scipy.sparse.csr_array,
    imaginary: scipy.sparse.csr_array,
    lower: dict[int, Canonical],
    n_functions: int,
    table: DensityTable,
) -> _Terms:
    """Express the derivative program in terms of workspace rows.

    Column 0 of its maps is the constant 1, which the linear terms include; columns 1 … are the lower products, each a
    phase times a monomial or its conjugate.
    """
    row, phase, is_real, conjugated, order = (np.concatenate(c) for c in zip(*_columns(found, lower), strict=True))
    parts = []
    for matrix, is_imaginary in ((real, False), (imaginary, True)):
        entries = matrix.tocoo()
        kept = entries.col > 0
        column, at, value = entries.col[kept] - 1, entries.row[kept], entries.data[kept]
        if is_imaginary:
            kept = (table.rows[at // max(1, n_functions), 3] > 0) & ~is_real[column]
            column, at, value = column[kept], at[kept], value[kept]
        sign = np.where(conjugated[column], 1.0, -1.0) if is_imaginary else np.ones(len(column))
        parts.append(
            _Terms(
                at % max(1, n_functions),
                at // max(1, n_functions),
                np.full(len(at), is_imaginary),
                row[column] + is_imaginary,
                value * phase[column] * sign,
                order[column],
            )
        )
    return _Terms(*(np.concatenate([getattr(p, name) for p in parts]) for name in _Terms.__dataclass_fields__))


def _columns(found: Features, lower: dict[int, Canonical]) -> list[tuple[NDArray, ...]]:
    """Return row, phase, whether real, and whether conjugated, of the lower products in the derivative program's order.

    The last column is the order of the products that they are derivatives of.
    """
    columns: list[tuple[NDArray, ...]] = [
        (np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool), np.zeros(0, np.int64))
    ]
    for order in sorted(lower):
        part = lower[order]
        position = found.find(part.codes)
        above = np.full(len(position), order + 1)
        columns.append((found.row[order][position], part.phase, found.real[order][position], part.conjugated, above))
    return columns


def _entries(found: Features, terms: _Terms, n_functions: int, table: DensityTable, n_elements: int) -> Arrays:
    """Collect terms into entries (function, neighbor element, component), ascending."""
    component = found.layout.row[terms.density] + terms.imaginary
    block = terms.function * n_elements + table.rows[terms.density, 0]
    order = np.lexsort((terms.row, component, block))
    keys = np.stack([block[order], component[order]], axis=1)
    first = np.flatnonzero(np.concatenate([[True], (keys[1:] != keys[:-1]).any(axis=1)])[: len(keys)])
    counts = np.bincount(keys[first, 0], minlength=n_functions * n_elements)
    return {
        "entry_start": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "component": keys[first, 1].astype(np.int32),
        "term_start": np.append(first, len(order)).astype(np.int32),
        "term_row": terms.row[order].astype(np.int32),
        "term_value": np.ascontiguousarray(terms.value[order]),
        "term_order": terms.order[order].astype(np.int32),
    }


def _linear_arrays(
    found: Features, linear: scipy.sparse.coo_array, n_functions: int, table: DensityTable, n_elements: int
) -> Arrays:
    z, n = table.rows[linear.col, 0], table.rows[linear.col, 1]
    block = linear.row * n_elements + z
    order = np.lexsort((n, block))
    counts = np.bincount(block, minlength=n_functions * n_elements)
    first = [found.layout.row[(table.rows == (s, 1, 0, 0)).all(axis=1)] for s in range(n_elements)]
    return {
        "linear_start": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "linear_n": (n[order] - 1).astype(np.int32),
        "linear_value": linear.data[order].astype(float),
        "linear_row": np.array([int(row[0]) if len(row) else -1 for row in first], dtype=np.int32),
    }
