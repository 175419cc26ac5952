"""Linear ACE: e_i = E0(z_i) + ½ Σ_j V2(r_ij) + c·B_i (+ ZBL), paper eqs. (2) and (3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acnn.arrays import BoolArray, FloatArray
from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.kernels.committee import MembersKernel, compile_members
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.potentials import CompiledPotential
from acnn.kernels.program import Program, compile_energy
from acnn.models.fixed_terms import ZBL, ReferenceEnergies, zbl_reach
from acnn.models.noise import Noise
from acnn.potential import Potential


class LinearACE(CompiledPotential):
    """A potential linear in its coefficients.

    Args:
        basis: the basis, or its specification.
        coefficients: c in eV [n_functions]; zeros if left out.
        reference_energies: E0 in eV for every element.
        zbl: add screened nuclear repulsion at short range.
        committee: samples of the coefficients in eV [n_members, n_functions], see `acnn.uncertainty`.

    Attributes:
        noise: what the fit assumed of its labels, None where that is not known.
    """

    level = "linear"
    takes_longer_pairs = True
    committee: Tensor | None

    def __init__(
        self,
        basis: ACEBasis | BasisSpecification,
        reference_energies: Mapping[str, float],
        coefficients: Tensor | None = None,
        zbl: bool = False,
        committee: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.basis = basis if isinstance(basis, ACEBasis) else ACEBasis(basis)
        self.elements = self.basis.elements
        self.cutoff = max(self.basis.specification.largest_cutoff, zbl_reach(self.elements) if zbl else 0.0)
        self.e0 = ReferenceEnergies(self.elements, reference_energies)
        self.zbl = ZBL() if zbl else None
        if coefficients is None:
            coefficients = torch.zeros(self.basis.n_functions, dtype=torch.float64)
        if coefficients.shape != (self.basis.n_functions,):
            raise ValueError(f"{self.basis.n_functions} coefficients expected, got {tuple(coefficients.shape)}")
        self.coefficients = nn.Parameter(coefficients.clone(), requires_grad=False)
        self.register_buffer("committee", None)
        self.set_committee(committee)
        self.noise: Noise | None = None
        self._compiled: tuple[FloatArray, EnergyKernel] | None = None
        self._compiled_deviations: tuple[Tensor, MembersKernel] | None = None

    def set_committee(self, committee: Tensor | None) -> None:
        """Take samples of the coefficients in eV [n_members, n_functions]; None takes them away."""
        n = self.basis.n_functions
        if committee is not None and (committee.ndim != 2 or len(committee) == 0 or committee.shape[1] != n):
            raise ValueError(f"a committee is one row or more of {n} coefficients, not {tuple(committee.shape)}")
        self.committee = None if committee is None else committee.detach().clone().to(self.coefficients)

    @property
    def kept(self) -> BoolArray:
        """Which functions have a coefficient other than 0, also in a member of the committee [n_functions]."""
        used = self.coefficients.detach() != 0
        used = used if self.committee is None else used | (self.committee != 0).any(dim=0)
        return used.cpu().numpy()

    def member(self, index: int) -> LinearACE:
        """The model with the coefficients of one member of the committee."""
        if self.committee is None:
            raise ValueError("this model has no committee: fit it with acnn fit --committee 16")
        one = LinearACE(self.basis, self.e0.energies, self.committee[index], self.zbl is not None)
        return one.to(self.coefficients.device)

    def deviations(self) -> Tensor:
        """Coefficients of the members less those of the model, δc in eV [n_members, n_functions]."""
        if self.committee is None:
            raise ValueError("this model has no committee: fit it with acnn fit --committee 16")
        return self.committee - self.coefficients.detach()

    def deviations_kernel(self) -> MembersKernel:
        """The deviations as a compiled program, compiled again whenever they have changed."""
        found = self.deviations().cpu().double()
        if self._compiled_deviations is None or not torch.equal(self._compiled_deviations[0], found):
            self._compiled_deviations = (found, MembersKernel(compile_members(self.basis, found.numpy())))
        return self._compiled_deviations[1]

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

    def energy_kernel(self) -> EnergyKernel:
        """The compiled model, compiled again whenever coefficients or E0 have changed."""
        parameters = torch.cat([self.coefficients.detach().cpu().double(), self.e0.values.cpu()]).numpy()
        if self._compiled is None or not np.array_equal(self._compiled[0], parameters):
            self._compiled = (parameters, EnergyKernel(self.program()))
        return self._compiled[1]

    def program(self) -> Program:
        """The energy program of the model: what the kernel executes, and what can be stored for it."""
        energies = dict(zip(self.elements, self.e0.values.tolist(), strict=True))
        coefficients = self.coefficients.detach().cpu().double().numpy()
        return compile_energy(self.basis, coefficients, energies, zbl_reach(self.elements) if self.zbl else None)

    def __getstate__(self) -> dict[str, Any]:
        # Where it is loaded, the kernel may be another one.
        return self.__dict__ | {"_compiled": None, "_compiled_deviations": None}

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
