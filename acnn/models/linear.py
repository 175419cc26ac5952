"""Linear ACE: e_i = E0(z_i) + ½ Σ_j V2(r_ij) + c·B_i (+ ZBL), paper eqs. (2) and (3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.models.reference import ZBL, ReferenceEnergies
from acnn.potential import Potential


class LinearACE(Potential):
    """A potential linear in its coefficients.

    Args:
        basis: the basis, or its specification.
        coefficients: c in eV [n_functions]; zeros if left out.
        reference_energies: E0 in eV for every element.
        zbl: add screened nuclear repulsion at short range.
    """

    def __init__(
        self,
        basis: ACEBasis | BasisSpecification,
        reference_energies: Mapping[str, float],
        coefficients: Tensor | None = None,
        zbl: bool = False,
    ) -> None:
        super().__init__()
        self.basis = basis if isinstance(basis, ACEBasis) else ACEBasis(basis)
        self.elements = self.basis.elements
        self.cutoff = self.basis.specification.largest_cutoff
        self.e0 = ReferenceEnergies(self.elements, reference_energies)
        self.zbl = ZBL() if zbl else None
        if coefficients is None:
            coefficients = torch.zeros(self.basis.n_functions, dtype=torch.float64)
        if coefficients.shape != (self.basis.n_functions,):
            raise ValueError(f"{self.basis.n_functions} coefficients expected, got {tuple(coefficients.shape)}")
        self.coefficients = nn.Parameter(coefficients.clone(), requires_grad=False)

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """e_i in eV [n_centers], float64."""
        energies = self.fixed_energies(graph)
        if graph.n_pairs == 0:
            return energies
        near = graph.within(self.basis.specification.cutoff)
        densities = self.basis.densities(near, self.basis.edges(near))
        for block, centers in zip(self.basis.by_element, self.basis.centers_of(graph), strict=True):
            if len(centers) and block.n_functions:
                folded = block.fold(self.coefficients[block.columns])
                energies = energies.index_add(0, centers, block.contract(densities[:, centers], folded).double())
        return energies + self._pair_energies(graph)

    def fixed_energies(self, graph: AtomicGraph) -> Tensor:
        """The part a fit leaves as it is: E0, and ZBL if there is any [n_centers]."""
        self.basis.element_index(graph.species)
        energies = self.e0(graph)
        return energies + self.zbl(graph) if self.zbl is not None and graph.n_pairs else energies

    def _pair_energies(self, graph: AtomicGraph) -> Tensor:
        zeros = graph.pair_vectors.new_zeros(graph.n_centers, dtype=torch.float64)
        if not self.basis.pair_columns:
            return zeros
        radial, kind = self.basis.pair_embedding(graph)
        table = torch.stack([self.coefficients[c] for c in self.basis.pair_columns.values()]).to(radial.dtype)
        return zeros.index_add(0, graph.pair_i, 0.5 * (radial * table[kind]).sum(dim=1).double())


class FixedTerms(Potential):
    """Only the terms of a model that a fit leaves as they are."""

    def __init__(self, model: LinearACE) -> None:
        super().__init__()
        self.model = model
        self.elements, self.cutoff = model.elements, model.cutoff

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        return self.model.fixed_energies(graph)
