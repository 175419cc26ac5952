"""The ACE basis: site energy functions B_i of an atomic graph, in torch; the definition of the models.

    A_znlm = Σ_j R_n(r_ij) Y_lm(r̂_ij) δ_{z z_j}        density projections ("densities")
    AA     = Π_t A_{k_t}                                products
    B      = C · AA                                     invariants (many-body part)
    B_pair = ½ Σ_j R^pair_n(r_ij)                       pair part, shared by both atoms of a pair

Columns: the many-body functions of each center element in turn, then the pair functions of each unordered pair of
elements. Inside the module, atoms are the last axis, so that every product is a long vector operation.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import scipy.sparse
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor, nn

from acnn.basis.angular import harmonic_index, n_harmonics, spherical_harmonics
from acnn.basis.functions import Channel, Multiset
from acnn.basis.polynomials import AgnesiPolynomials
from acnn.basis.products import CoupledProducts, DensityTable, ProductTree, couple
from acnn.basis.purification import ProductSums
from acnn.basis.radial import RadialBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph


@dataclass(frozen=True)
class Edges:
    """Pairs in padded form: row i·S + z_j, slot within the row.

    Attributes:
        element_i, element_j: element indices [n_pairs].
        slot: flat position row · width + slot of each pair.
        width: slots per row.
    """

    element_i: Tensor
    element_j: Tensor
    slot: Tensor
    width: int


class SparseMap(nn.Module):
    """A constant sparse matrix whose dtype follows what it multiplies."""

    row: Tensor
    column: Tensor
    value: Tensor

    def __init__(self, matrix: scipy.sparse.csr_array) -> None:
        super().__init__()
        entries = matrix.tocoo()
        self.shape = matrix.shape
        self.register_buffer("row", torch.as_tensor(entries.row.astype(np.int64)), persistent=False)
        self.register_buffer("column", torch.as_tensor(entries.col.astype(np.int64)), persistent=False)
        self.register_buffer("value", torch.as_tensor(entries.data), persistent=False)

    def times(self, dense: Tensor) -> Tensor:
        """Return M · dense [n_rows, n] for dense [n_columns, n]."""
        indices, values = torch.stack([self.row, self.column]), self.value.to(dense.dtype)
        matrix = torch.sparse_coo_tensor(indices, values, self.shape, check_invariants=False, is_coalesced=True)
        return torch.sparse.mm(matrix, dense)

    def transposed_times(self, vector: Tensor) -> Tensor:
        """Return Mᵀ · vector [n_columns] for a vector [n_rows]."""
        terms = self.value.to(vector.dtype) * vector[self.row]
        return vector.new_zeros(self.shape[1]).index_add(0, self.column, terms)


class ElementBasis(nn.Module):
    """The many-body functions of one center element."""

    def __init__(self, multisets: list[Multiset], coupled: CoupledProducts, offset: int) -> None:
        super().__init__()
        self.multisets, self.coupled = multisets, coupled
        self.n_functions = coupled.n_functions
        self.columns = slice(offset, offset + coupled.n_functions)
        self.tree = ProductTree(coupled.factors)
        self.maps = nn.ModuleDict({str(order): SparseMap(c) for order, c in coupled.coefficients.items()})

    def _map(self, order: int) -> SparseMap:
        return cast("SparseMap", self.maps[str(order)])

    def forward(self, densities: Tensor) -> Tensor:
        """Return B [n_functions, n_atoms] from signed densities [n_rows, n_atoms]."""
        values = densities.real.new_zeros(self.n_functions, densities.shape[1])
        for order, products in self.tree(densities).items():
            values = values + self._map(order).times(products.real)
        return values

    def contract(self, densities: Tensor, folded: dict[int, Tensor]) -> Tensor:
        """Return c·B [n_atoms] from coefficients of the products, folded[order] = Cᵀc."""
        energies = densities.real.new_zeros(densities.shape[1])
        for order, products in self.tree(densities).items():
            energies = energies + folded[order].to(energies.dtype) @ products.real
        return energies

    def fold(self, coefficients: Tensor) -> dict[int, Tensor]:
        """Return Cᵀc per order, from the coefficients of this element's functions [n_functions]."""
        return {order: self._map(order).transposed_times(coefficients) for order in self.coupled.coefficients}


class ACEBasis(nn.Module):
    """All basis functions of a specification.

    Args:
        specification: the basis to build.

    Attributes:
        n_functions: number of columns.
        pair_columns: columns of the pair part, by (element index, element index) with the smaller first.
    """

    numbers: Tensor
    density_n: Tensor
    density_lm: Tensor
    density_z: Tensor
    mirrored: Tensor
    parity: Tensor

    def __init__(self, specification: BasisSpecification) -> None:
        super().__init__()
        self.specification = specification
        self.elements = specification.elements
        multisets = [specification.multisets(e) for e in self.elements]
        radial, formulation = many_body_radial(specification, 1), specification.formulation
        sums = [ProductSums(formulation, chosen, radial, z) for z, chosen in enumerate(multisets)]
        channels = self._channels(sums)
        shaped = {c for order, of_order in channels.items() if order > 1 for c in of_order}
        everything = set().union(*channels.values())
        self.l_max = max((c.l for c in everything), default=0)
        self.n_shaped = max((c.n for c in shaped), default=1)
        self.n_max = max((c.n for c in everything), default=1)
        self.radial = many_body_radial(specification, self.n_max)
        self.pair_radial = pair_radial(specification)
        self.table = DensityTable(sorted((c.z, c.n, c.l) for c in everything))
        self._register_tables()
        self._blocks = nn.ModuleList()
        offset = 0
        for chosen, functions in zip(multisets, sums, strict=True):
            coupled = couple(functions.terms(self.table), functions.n_functions, self.table)
            self._blocks.append(ElementBasis(chosen, coupled, offset))
            offset += coupled.n_functions
        self.pair_columns: dict[tuple[int, int], slice] = {}
        if specification.n_pair_functions:
            for pair in itertools.combinations_with_replacement(range(len(self.elements)), 2):
                self.pair_columns[pair] = slice(offset, offset + specification.n_pair_functions)
                offset += specification.n_pair_functions
        self.n_functions = offset

    @staticmethod
    def _channels(sums: list[ProductSums]) -> dict[int, set[Channel]]:
        found: dict[int, set[Channel]] = {}
        for functions in sums:
            for order, of_order in functions.channels().items():
                found.setdefault(order, set()).update(of_order)
        return found

    @property
    def by_element(self) -> list[ElementBasis]:
        """The many-body functions of each center element."""
        return cast("list[ElementBasis]", list(self._blocks))

    def _register_tables(self) -> None:
        rows = self.table.rows
        lm = [harmonic_index(l, m) for _, _, l, m in rows.tolist()]
        for name, values in {
            "numbers": [atomic_numbers[e] for e in self.elements],
            "density_z": rows[:, 0].tolist(),
            "density_n": (rows[:, 1] - 1).tolist(),
            "density_lm": lm,
            "mirrored": self.table.mirrored.tolist(),
        }.items():
            self.register_buffer(name, torch.tensor(values, dtype=torch.int64), persistent=False)
        self.register_buffer("parity", torch.as_tensor(self.table.parity), persistent=False)

    def element_index(self, species: Tensor) -> Tensor:
        """Return the index into ``elements`` of each atomic number.

        Raises:
            UnsupportedElementError: one of them is not an element of the model.
        """
        index = torch.searchsorted(self.numbers, species).clamp(max=len(self.elements) - 1)
        unknown = self.numbers[index] != species
        if bool(unknown.any()):
            raise UnsupportedElementError(species[unknown][0].item(), self.elements)
        return index

    def edges(self, graph: AtomicGraph) -> Edges:
        """Assign every pair its place in the padded arrays."""
        element = self.element_index(graph.species)
        element_i, element_j = element[graph.pair_i], element[graph.pair_j]
        row = graph.pair_i * len(self.elements) + element_j
        order = torch.argsort(row, stable=True)
        counts = torch.bincount(row, minlength=graph.n_centers * len(self.elements))
        starts = torch.cumsum(counts, 0) - counts
        slot = torch.empty_like(row)
        slot[order] = torch.arange(len(row), device=row.device) - starts[row[order]]
        width = int(counts.max()) if len(row) else 0
        return Edges(element_i, element_j, row * width + slot, width)

    def harmonics(self, vectors: Tensor) -> Tensor:
        """Return Re Y_lm, then Im Y_lm [n_pairs, 2 n_lm] of pair vectors."""
        directions = vectors / torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        return torch.cat(spherical_harmonics(directions, self.l_max), dim=1)

    def densities(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return the signed densities [n_rows, n_centers], complex."""
        distance = torch.linalg.vector_norm(graph.pair_vectors, dim=1)
        radial = self.radial(distance, edges.element_i, edges.element_j)
        n_rows, n_lm = graph.n_centers * len(self.elements), n_harmonics(self.l_max)
        shape = (n_rows, edges.width)
        radial = padded(radial, edges.slot, shape)
        harmonics = padded(self.harmonics(graph.pair_vectors), edges.slot, shape)
        grid = radial[..., : self.n_shaped].transpose(1, 2) @ harmonics
        scalars = radial[..., self.n_shaped :].sum(dim=1)[..., None] / math.sqrt(4 * math.pi)
        scalars = torch.nn.functional.pad(scalars, (0, 2 * n_lm - 1))
        grid = torch.cat([grid, scalars], dim=1)
        by_channel = grid.reshape(graph.n_centers, -1).T
        place = (self.density_z * self.n_max + self.density_n) * (2 * n_lm) + self.density_lm
        plus = torch.complex(by_channel[place], by_channel[place + n_lm])
        minus = plus[self.mirrored].conj() * self.parity[:, None].to(radial.dtype)
        return torch.cat([plus, minus])

    def centers_of(self, graph: AtomicGraph) -> list[Tensor]:
        """Return the indices of the centers of each element."""
        element = self.element_index(graph.species[: graph.n_centers])
        return [torch.nonzero(element == z)[:, 0] for z in range(len(self.elements))]

    def forward(self, graph: AtomicGraph) -> Tensor:
        """Return B [n_functions, n_centers]; functions of other center elements are zero."""
        values = graph.pair_vectors.new_zeros(self.n_functions, graph.n_centers)
        near = graph.within(self.specification.cutoff)
        densities = self.densities(near, self.edges(near))
        for basis, centers in zip(self.by_element, self.centers_of(graph), strict=True):
            block = basis(densities[:, centers])
            values[basis.columns] = values[basis.columns].index_add(1, centers, block)
        return values + self.pair_functions(graph)

    def pair_functions(self, graph: AtomicGraph) -> Tensor:
        """Return ½ Σ_j R^pair_n(r_ij) in the pair columns [n_functions, n_centers]."""
        values = graph.pair_vectors.new_zeros(self.n_functions, graph.n_centers)
        if not self.pair_columns:
            return values
        radial, pair_kind = self.pair_embedding(graph)
        for kind, columns in enumerate(self.pair_columns.values()):
            chosen = torch.nonzero(pair_kind == kind)[:, 0]
            block = 0.5 * radial[chosen].T
            values[columns] = values[columns].index_add(1, graph.pair_i[chosen], block)
        return values

    def pair_kinds(self, graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Return, for each pair, the element indices of its atoms and the position of its kind in ``pair_columns``."""
        element = self.element_index(graph.species)
        element_i, element_j = element[graph.pair_i], element[graph.pair_j]
        kinds = torch.zeros(len(self.elements), len(self.elements), dtype=torch.int64, device=element.device)
        for kind, (a, b) in enumerate(self.pair_columns):
            kinds[a, b] = kinds[b, a] = kind
        return element_i, element_j, kinds[element_i, element_j]

    def pair_embedding(self, graph: AtomicGraph) -> tuple[Tensor, Tensor]:
        """Return R^pair_n [n_pairs, n] and the kind of each pair."""
        element_i, element_j, kind = self.pair_kinds(graph)
        distance = torch.linalg.vector_norm(graph.pair_vectors, dim=1)
        return self.pair_radial(distance, element_i, element_j), kind


def many_body_radial(s: BasisSpecification, n_max: int) -> RadialBasis:
    """Make R_n of the densities for n ≤ n_max, which purification makes larger than a specification says."""
    return AgnesiPolynomials(s.bond_length_matrix(), s.cutoff, n_max, *s.transform, "polynomial", s.jacobi)


def pair_radial(s: BasisSpecification) -> RadialBasis:
    """Make R^pair_n."""
    cutoff, n_max = s.pair_cutoff or s.cutoff, s.n_pair_functions
    return AgnesiPolynomials(s.bond_length_matrix(), cutoff, n_max, *s.pair_transform, "coulomb", s.jacobi)


class UnsupportedElementError(ValueError):
    """A structure contains an element that the model does not support."""

    def __init__(self, number: float, elements: Sequence[str]) -> None:
        n = int(number)
        symbol = chemical_symbols[n] if 0 <= n < len(chemical_symbols) else f"with atomic number {n}"
        super().__init__(f"the element {symbol} is not in this model, which supports {', '.join(elements)}")


def padded(values: Tensor, slot: Tensor, shape: tuple[int, int]) -> Tensor:
    """Arrange rows of pairs [n_pairs, k] as [rows, slots, k], zero where there is no pair."""
    flat = values.new_zeros(shape[0] * shape[1], values.shape[1])
    return flat.index_copy(0, slot, values).reshape(*shape, values.shape[1])
