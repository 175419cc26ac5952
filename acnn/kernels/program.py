"""Compile a model into a program: index and coefficient arrays that the C++ kernel executes.

Energy program of a linear model, per center element (see `Features` for the rows f):

    e_i = E0 + Σ_j v(r_ij) + ½ fᵀ M f
    v(r) = Σ_n q_n R_n(r) + ½ Σ_n c_n R^pair_n(r)

f are densities and products of two or three of them; order 2 is density · density, order 3 pair · density, order 4
pair · pair, order 5 triple · pair. All functions linear in the densities, including the purification, are functions of
single distances and become part of v.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
from ase.data import atomic_numbers, covalent_radii
from ase.units import Bohr, Hartree
from numpy.typing import NDArray
from safetensors.numpy import load, save

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.ace import ACEBasis, ElementBasis
from acnn.kernels.features import Features, features
from acnn.kernels.monomials import Split, shared_splits
from acnn.kernels.radial import radial_arrays, recurrence
from acnn.kernels.tiles import Tiles, tile
from acnn.sealed import safetensors_header

PROGRAM_VERSION = 2
COMPLEX_TILE, REAL_TILE = 4, 6

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Program:
    """Arrays by name of one kind of program; `acnn/kernels/src/program_views.h` describes how the kernel uses them.

    Equal models give equal programs, array by array.
    """

    kind: str
    elements: tuple[str, ...]
    cutoff: float
    arrays: Arrays

    def to_bytes(self) -> bytes:
        """Return the program as safetensors."""
        header = {"version": PROGRAM_VERSION, "kind": self.kind, "elements": self.elements, "cutoff": self.cutoff}
        return save(self.arrays, metadata={"acnn-program": json.dumps(header)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Program:
        """Read what `to_bytes` returned."""
        header = safetensors_header(content, "acnn-program")
        if header["version"] != PROGRAM_VERSION:
            raise ValueError(f"program version {header['version']}, but this acnn executes {PROGRAM_VERSION}")
        return cls(header["kind"], tuple(header["elements"]), header["cutoff"], load(content))


def compile_energy(
    basis: ACEBasis,
    coefficients: FloatArray,
    reference_energies: Mapping[str, float],
    zbl_reach: float | None = None,
) -> Program:
    """Compile the energy program of a linear model with these coefficients (eV, [n_functions]).

    Args:
        zbl_reach: the distance beyond which nuclear repulsion vanishes (Å); None leaves it out.
    """
    arrays = shared_arrays(basis, zbl_reach)
    arrays["reference_energies"] = np.array([reference_energies[e] for e in basis.elements], dtype=float)
    for z, block in enumerate(basis.by_element):
        folded = fold(block, coefficients[block.columns])
        own = element_arrays(basis, z)
        own["scalar_coefficients"] = scalar_coefficients(basis, block, folded)
        own["pair_coefficients"] = pair_coefficients(basis, z, coefficients)
        products = {o: _nonzero(block, folded, o) for o in folded if o >= 2}
        own |= _quadratic(basis, {o: p for o, p in products.items() if len(p[0])})
        arrays |= {f"{z}.{name}": values for name, values in own.items()}
    return Program("energy", basis.elements, float(arrays["cutoffs"].max()), _used(arrays, len(basis.elements)))


def _used(arrays: Arrays, n_elements: int) -> Arrays:
    """Leave out harmonics and radial functions beyond the last that has a coefficient other than zero."""
    n, _, zbl, _, _ = arrays["sizes"].tolist()
    l_max = max((int(arrays[f"{z}.blocks"][:, 1].max(initial=0)) for z in range(n_elements)), default=0)
    sizes = [n, l_max, zbl]
    found: Arrays = {}
    for name in ("scalar_coefficients", "pair_coefficients"):
        every = np.stack([arrays[f"{z}.{name}"] for z in range(n_elements)])
        last = int(np.flatnonzero(every.any(axis=(0, 1))).max(initial=-1)) + 1
        found |= {f"{z}.{name}": np.ascontiguousarray(every[z][:, :last]) for z in range(n_elements)}
        sizes.append(last)
    return arrays | found | {"sizes": np.array(sizes, dtype=np.int32)}


def fold(block: ElementBasis, coefficients: FloatArray) -> dict[int, FloatArray]:
    """Return c̃ = Cᵀc, one number per product."""
    return {order: matrix.T @ coefficients for order, matrix in block.coupled.coefficients.items()}


def _nonzero(block: ElementBasis, folded: dict[int, FloatArray], order: int) -> tuple[IntArray, FloatArray]:
    kept = np.flatnonzero(folded[order])
    return block.coupled.factors[order][kept], folded[order][kept]


def scalar_coefficients(basis: ACEBasis, block: ElementBasis, folded: dict[int, FloatArray]) -> FloatArray:
    """Return q_n of Σ_n q_n R_n [n_elements, n_max], from products of a single density A_zn00 = Σ_j R_n / sqrt(4π)."""
    q = np.zeros((len(basis.elements), basis.n_max))
    if 1 in folded:
        rows = basis.table.rows[block.coupled.factors[1][:, 0]]
        q[rows[:, 0], rows[:, 1] - 1] = folded[1] / math.sqrt(4 * math.pi)
    return q


def pair_coefficients(basis: ACEBasis, z: int, coefficients: FloatArray) -> FloatArray:
    """Return ½ c_n of the pairs of this center, [n_elements, n_pair]."""
    n = basis.specification.n_pair_functions
    found = np.zeros((len(basis.elements), n))
    for (a, b), columns in basis.pair_columns.items():
        if z in (a, b):
            found[b if z == a else a] = 0.5 * coefficients[columns]
    return found


def _quadratic(basis: ACEBasis, products: dict[int, tuple[IntArray, FloatArray]]) -> Arrays:
    """Return features and M of ½ fᵀ M f = Σ_p c̃_p Re Π_t A_t."""
    found, split = split_products(basis, {order: rows for order, (rows, _) in products.items()})
    entries = [form_entries(found, split[order], values) for order, (_, values) in products.items()]
    complex_form, real_form = (symmetric([e[k] for e in entries], found.n_rows) for k in (0, 1))
    tiles = (tile(complex_form, COMPLEX_TILE), tile(real_form, REAL_TILE))
    return feature_arrays(found) | tile_arrays(found, *tiles)


def split_products(basis: ACEBasis, products: dict[int, IntArray]) -> tuple[Features, dict[int, Split]]:
    """Split products of densities, by order, into two parts, and return the rows for these parts."""
    table = basis.table
    split = shared_splits(products, table)
    parts = [part.codes for s in split.values() for part in (s.left, s.right)]
    singles = np.concatenate([np.zeros(0, np.int64), *(p[:, 0] // 2 for p in parts if p.shape[1] == 1)])
    return features(parts, singles, table, len(basis.elements)), split


def tile_arrays(found: Features, complex_tiles: Tiles, real_tiles: Tiles) -> Arrays:
    """Return M in the form the kernel reads, and the rows it does not write."""
    own: Arrays = {}
    written: list[IntArray] = []
    for name, tiles in (("complex", complex_tiles), ("real", real_tiles)):
        rows = np.where(tiles.rows < 0, found.padding_row, tiles.rows)
        written += [rows, rows + 1] if name == "complex" else [rows]
        own |= {
            f"{name}.rows": rows.astype(np.int32),
            f"{name}.start": tiles.start.astype(np.int32),
            f"{name}.columns": tiles.columns.astype(np.int32),
            f"{name}.coefficients": tiles.coefficients,
        }
    idle = np.setdiff1d(np.arange(found.n_rows), np.concatenate([w.reshape(-1) for w in written]))
    return own | {"idle": idle.astype(np.int32)}


def feature_arrays(found: Features) -> Arrays:
    """Return densities and products in the form the kernel reads."""
    return {
        "n_rows": np.array([found.n_rows], dtype=np.int32),
        "blocks": found.layout.blocks.astype(np.int32),
        "n_radial": found.layout.n_radial.astype(np.int32),
        "groups": found.groups.astype(np.int32),
        "products": found.products.astype(np.int32),
    }


Entries = tuple[IntArray, IntArray, FloatArray]


def form_entries(found: Features, split: Split, values: FloatArray) -> tuple[Entries, Entries]:
    """Return the contributions of products to M: on complex rows (equal for Re and Im), and on single rows.

    With M > 0 the two parts are conjugates of one another in M: Re(P conj Q) = Re P Re Q + Im P Im Q. With M = 0 either
    part may be conjugated: Re(P Q) = Re P Re Q - Im P Im Q.
    """
    (a, a_real), (b, b_real) = (place(found, part.codes) for part in (split.left, split.right))
    weight = values * split.left.phase * split.right.phase
    same = split.left.conjugated == split.right.conjugated
    whole = split.left.magnetic > 0
    if (same & whole).any():
        raise AssertionError("an invariant product has parts whose M do not cancel")
    flat, imaginary = ~whole, ~whole & ~a_real & ~b_real
    rows = np.concatenate([a[flat], a[imaginary] + 1])
    columns = np.concatenate([b[flat], b[imaginary] + 1])
    signed = np.concatenate([weight[flat], np.where(same, -weight, weight)[imaginary]])
    return (a[whole], b[whole], weight[whole]), (rows, columns, signed)


def place(found: Features, codes: IntArray) -> tuple[IntArray, BoolArray]:
    """Return the workspace row of each monomial, and whether it is real (a single row)."""
    position = found.find(codes)
    order = codes.shape[1]
    return found.row[order][position], found.real[order][position]


def symmetric(parts: list[Entries], n_rows: int) -> scipy.sparse.csr_array:
    """Return the symmetric matrix with ½ fᵀ M f = Σ value f_row f_column."""
    rows, columns, values = (np.concatenate([p[k] for p in parts] or [np.zeros(0)]) for k in range(3))
    indices = (np.concatenate([rows, columns]).astype(np.int64), np.concatenate([columns, rows]).astype(np.int64))
    matrix = scipy.sparse.coo_array((np.concatenate([values, values]), indices), shape=(n_rows, n_rows)).tocsr()
    matrix.eliminate_zeros()
    return matrix


def shared_arrays(basis: ACEBasis, zbl_reach: float | None = None) -> Arrays:
    """Return what all centers share: cutoffs (densities, pair part, overall), polynomials, harmonics, ZBL."""
    specification = basis.specification
    n_harmonics = [(l, m) for l in range(basis.l_max + 1) for m in range(l + 1)]
    n_elements = len(basis.elements)
    pair_cutoff = specification.pair_cutoff or specification.cutoff
    has_zbl, n_pair = int(zbl_reach is not None), specification.n_pair_functions
    return {
        "sizes": np.array([n_elements, basis.l_max, has_zbl, basis.n_max, n_pair], dtype=np.int32),
        "tile_sizes": np.array([COMPLEX_TILE, REAL_TILE], dtype=np.int32),
        "numbers": np.array([atomic_numbers[e] for e in basis.elements], dtype=np.int32),
        "cutoffs": np.array([specification.cutoff, pair_cutoff, max(specification.largest_cutoff, zbl_reach or 0.0)]),
        "recurrence": recurrence(basis.radial, "polynomial"),
        "pair_recurrence": recurrence(basis.pair_radial, "coulomb"),
        "harmonics": np.array([legendre_constants(l, m) for l, m in n_harmonics]).T.copy(),
        "zbl": _zbl_constants(basis),
    }


def legendre_constants(l: int, m: int) -> tuple[float, float, float]:
    """Return alpha and beta of P̄_lm = alpha z P̄_{l-1,m} + beta P̄_{l-2,m}, and P̄'_lm / P̄_{l,m+1}.

    For m = l, alpha is P̄_ll.
    """
    if l == m:
        ratios = math.prod((2 * k + 1) / (2 * k) for k in range(1, l + 1))
        return (-1) ** l * math.sqrt(ratios / (4 * math.pi)), 0.0, 0.0
    alpha = math.sqrt((4 * l * l - 1) / (l * l - m * m))
    beta = -alpha * math.sqrt(((l - 1) ** 2 - m * m) / (4 * (l - 1) ** 2 - 1)) if m <= l - 2 else 0.0
    return alpha, beta, -math.sqrt((l - m) * (l + m + 1))


def _zbl_constants(basis: ACEBasis) -> FloatArray:
    """Return screening length (Å), reach (Å) and e² Z_i Z_j (eV Å) of ZBL [3, n_elements, n_elements].

    See `acnn.models.fixed_terms`.
    """
    numbers = np.array([atomic_numbers[e] for e in basis.elements])
    power, radii = numbers**0.23, covalent_radii[numbers]
    return np.stack(
        [
            0.46850 / (power[:, None] + power[None]),
            radii[:, None] + radii[None],
            Hartree * Bohr * np.outer(numbers, numbers).astype(float),
        ]
    )


def element_arrays(basis: ACEBasis, z: int) -> Arrays:
    """Return the radial functions of one center element."""
    pairs = [(z, neighbor) for neighbor in range(len(basis.elements))]
    many_body = radial_arrays(basis.radial, pairs, "polynomial")
    return many_body | radial_arrays(basis.pair_radial, pairs, "coulomb", "pair_")
