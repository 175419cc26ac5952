"""Linear ACE: e_i = E0(z_i) + ½ Σ_j V2(r_ij) + c·B_i (+ ZBL), paper eqs. (2) and (3)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from acnn.arrays import BoolArray
from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph, subgraph
from acnn.kernels.basis import BasisKernel
from acnn.kernels.committee import MembersKernel, compile_members
from acnn.kernels.energy import EnergyKernel
from acnn.kernels.invariants import compile_basis
from acnn.kernels.loading import runs_compiled
from acnn.kernels.program import Program, compile_energy
from acnn.kernels.weight_cache import WeightCache
from acnn.models.features import SiteFeatures, columns_by_element, features_by_torch
from acnn.models.fixed_terms import ZBL, ReferenceEnergies, zbl_reach
from acnn.models.model import Header, Model, Tensors, register
from acnn.models.noise import Noise
from acnn.potential import Description, Potential
from acnn.wording import counted


@register("linear")
class LinearACE(Model):
    """A potential linear in its coefficients.

    Args:
        basis: the basis, or its specification.
        coefficients: c in eV [n_functions]; zeros by default.
        reference_energies: E0 in eV for every element.
        zbl: add screened nuclear repulsion at short range.
        committee: samples of the coefficients in eV [n_members, n_functions], see `acnn.uncertainty`.

    Attributes:
        noise: the noise that the fit assumed in the labels, None if unknown.
    """

    model_type = "linear"
    header_keys = ("specification", "reference_energies", "zbl")
    how_to_get_a_committee = "fit it with acnn fit --committee 16"
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
        self._e0 = ReferenceEnergies(self.elements, reference_energies)
        self.zbl = ZBL() if zbl else None
        if coefficients is None:
            coefficients = torch.zeros(self.basis.n_functions, dtype=torch.float64)
        if coefficients.shape != (self.basis.n_functions,):
            raise ValueError(f"{self.basis.n_functions} coefficients expected, got {tuple(coefficients.shape)}")
        self.coefficients = nn.Parameter(coefficients.clone(), requires_grad=False)
        self.register_buffer("committee", None)
        self.set_committee(committee)
        self.noise: Noise | None = None
        self._compiled: WeightCache[EnergyKernel] = WeightCache()
        self._compiled_basis: BasisKernel | None = None
        self._compiled_deviations: WeightCache[MembersKernel] = WeightCache()

    @property
    def e0(self) -> ReferenceEnergies:
        """The energies of isolated atoms."""
        return self._e0

    @property
    def has_committee(self) -> bool:
        """Whether the fit produced a committee."""
        return self.committee is not None

    def set_committee(self, committee: Tensor | None) -> None:
        """Set samples of the coefficients in eV [n_members, n_functions]; None removes them."""
        n = self.basis.n_functions
        if committee is not None and (committee.ndim != 2 or len(committee) == 0 or committee.shape[1] != n):
            raise ValueError(f"a committee must be rows of {n} coefficients, not {tuple(committee.shape)}")
        self.committee = None if committee is None else committee.detach().clone().to(self.coefficients)

    @property
    def kept(self) -> BoolArray:
        """Which functions have a nonzero coefficient in the model or a member of the committee [n_functions]."""
        used = self.coefficients.detach() != 0
        used = used if self.committee is None else used | (self.committee != 0).any(dim=0)
        return used.cpu().numpy()

    def member(self, index: int) -> LinearACE:
        """Return the model with the coefficients of one member of the committee."""
        if self.committee is None:
            raise ValueError(f"this model has no committee: {self.how_to_get_a_committee}")
        one = LinearACE(self.basis, self.e0.energies, self.committee[index], self.zbl is not None)
        return one.to(self.coefficients.device)

    def deviations(self) -> Tensor:
        """Return the members' coefficients minus those of the model, δc in eV [n_members, n_functions]."""
        if self.committee is None:
            raise ValueError(f"this model has no committee: {self.how_to_get_a_committee}")
        return self.committee - self.coefficients.detach()

    def deviations_kernel(self) -> MembersKernel:
        """Return the kernel of the deviations, compiled again whenever they have changed."""

        def compiled() -> MembersKernel:
            return MembersKernel(compile_members(self.basis, self.deviations().cpu().double().numpy()))

        weights = [self.coefficients] if self.committee is None else [self.coefficients, self.committee]
        return self._compiled_deviations.get(weights, compiled)

    def committee_of(self, graph: AtomicGraph, kernel: str | None, forces: bool) -> tuple[Tensor, ...]:
        """Evaluate the deviations directly, so that E0 costs no precision, with the compiled kernel or torch."""
        if runs_compiled(graph, kernel):
            members = self.deviations_kernel()
            return members.sums(graph) if forces else (members.energies(graph),)
        return self._committee_by_torch(graph) if forces else (self._committee_energies_by_torch(graph),)

    def _committee_energies_by_torch(self, graph: AtomicGraph) -> Tensor:
        """Return δc·B, evaluating the basis once for all members."""
        deviations = self.deviations()
        energies = graph.pair_vectors.new_zeros(len(deviations), graph.n_centers, dtype=torch.float64)
        for centers, pairs in graph.center_chunks(self.max_pairs_per_chunk, self.max_centers_per_chunk):
            energies[:, centers] = deviations.double() @ self.basis(subgraph(graph, centers, pairs)).double()
        return energies

    def _committee_by_torch(self, graph: AtomicGraph) -> tuple[Tensor, Tensor, Tensor]:
        """Evaluate one model after the other: the reference for the kernel, and the path on other devices."""
        nothing = dict.fromkeys(self.elements, 0.0)
        models = [LinearACE(self.basis, nothing, deviation).to(deviation.device) for deviation in self.deviations()]
        found = [one.pair_gradients(graph, "torch") for one in models]
        parts = [(one.site_energies, one.forces, one.virials) for one in found]
        energies, forces, virials = (torch.stack(part) for part in zip(*parts, strict=True))
        return energies, forces, virials

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return e_i in eV [n_centers], float64."""
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

    def features(self, graph: AtomicGraph, kernel: str | None = None) -> SiteFeatures:
        """Return the basis functions of every center, B_i; the rest is E0, and ZBL if the model has it."""
        coefficients, columns = self.coefficients.detach().double(), columns_by_element(self.basis)
        if not runs_compiled(graph, kernel):
            return features_by_torch(graph, lambda part: self.basis(part).T, coefficients, columns)
        compiled = self.basis_kernel()
        return SiteFeatures(graph, compiled.values(graph), coefficients, columns, partial(compiled.vjp, graph))

    def basis_kernel(self) -> BasisKernel:
        """Return the compiled basis functions, which have no coefficients."""
        if self._compiled_basis is None:
            self._compiled_basis = BasisKernel(compile_basis(self.basis))
        return self._compiled_basis

    def energy_kernel(self) -> EnergyKernel:
        """Return the compiled model, compiled again whenever coefficients or E0 have changed."""
        return self._compiled.get([self.coefficients, self.e0.values], lambda: EnergyKernel(self.program()))

    def program(self) -> Program:
        """Return the energy program of the model, which the kernel executes and which can be stored for it."""
        energies = dict(zip(self.elements, self.e0.values.tolist(), strict=True))
        coefficients = self.coefficients.detach().cpu().double().numpy()
        return compile_energy(self.basis, coefficients, energies, zbl_reach(self.elements) if self.zbl else None)

    def to_parts(self) -> tuple[Header, Tensors]:
        """Return specification, E0 and noise; coefficients and committee."""
        header: Header = {
            "specification": self.basis.specification.model_dump(mode="json"),
            "reference_energies": self.e0.energies,
            "zbl": self.zbl is not None,
        }
        if self.noise is not None:
            header["noise"] = self.noise.as_dict()
        committee = {} if self.committee is None else {"committee": self.committee}
        return header, {"coefficients": self.coefficients, **committee}

    @classmethod
    def from_parts(cls, header: Mapping[str, Any], tensors: Tensors) -> LinearACE:
        """Make the model from a header and tensors."""
        specification = BasisSpecification.model_validate(header["specification"])
        parts = (tensors["coefficients"], header["zbl"], tensors.get("committee"))
        model = cls(specification, header["reference_energies"], *parts)
        model.noise = Noise.from_dict(header["noise"]) if "noise" in header else None
        return model

    def summary(self) -> dict[str, str]:
        """Return the number of functions, and how many of them a fit kept."""
        n_kept, n_functions = int(self.kept.sum()), self.basis.n_functions
        return {"basis functions": _kept_of(n_kept, n_functions) if n_kept else str(n_functions)}

    def describe(self) -> list[Description]:
        """Describe basis, E0, functions by center and order, and committee."""
        specification = self.basis.specification
        rows = [
            ("elements", ", ".join(self.elements)),
            ("E0 (eV)", ", ".join(f"{element} {value:.6f}" for element, value in self.e0.energies.items())),
            ("cutoff (Å)", f"{self.cutoff:g}"),
        ]
        for element in self.elements:
            degrees = ", ".join(f"{degree:g}" for degree in specification.degrees(element))
            rows.append((f"total degree of orders 1… ({element})", degrees))
        rows += [
            ("weight of the angular degree w_L", f"{specification.wl:g}"),
            ("formulation", specification.formulation),
            ("ZBL repulsion", "yes" if self.zbl is not None else "no"),
            *self.summary().items(),
            *self._functions_by_kind(),
        ]
        if self.committee is not None:
            noise = "" if self.noise is None else ", and the noise of the labels"
            rows.append(("committee", f"{counted(len(self.committee), 'member')}{noise} (acnn evaluate --uncertainty)"))
        return [Description("linear ACE", rows)]

    def describe_program(self) -> list[tuple[str, str]]:
        """Describe the products of densities and terms of the quadratic form for each element."""
        rows, arrays = [], self.program().arrays
        for z, element in enumerate(self.elements):
            terms = sum(np.count_nonzero(arrays[f"{z}.{form}.coefficients"]) for form in ("complex", "real"))
            rows.append((f"  program of {element}", f"{len(arrays[f'{z}.products'])} products, {terms} terms"))
        return rows

    def _functions_by_kind(self) -> Iterator[tuple[str, str]]:
        labels = [(function.kind, function.order) for function in self.basis.specification.functions()]
        counts, kept = Counter(labels), Counter(itertools.compress(labels, self.kept))
        for (kind, order), count in sorted(counts.items()):
            text = _kept_of(kept[kind, order], count) if any(self.kept) else str(count)
            yield "  pairs" if kind == "pair" else f"  centered on {kind}", f"{text} of order {order}"

    def __getstate__(self) -> dict[str, Any]:
        # Where it is loaded, the kernel may be another one.
        own: dict[str, Any] = {"_compiled": WeightCache(), "_compiled_deviations": WeightCache()}
        return self.__dict__ | own | {"_compiled_basis": None}

    def fixed_energies(self, graph: AtomicGraph) -> Tensor:
        """Return the part that a fit does not change: E0, and ZBL if the model has it [n_centers]."""
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


def require_linear(model: Potential, name: str, otherwise: str) -> LinearACE:
    """Return a model that is linear.

    Raises:
        ValueError: it is not; ``name`` and ``otherwise`` are used in the message.
    """
    if not isinstance(model, LinearACE):
        raise ValueError(f"{name} is a model of type {model.model_type}, not a linear one: {otherwise}")
    return model


def _kept_of(kept: int, count: int) -> str:
    return str(count) if kept == count else f"{kept} kept of {count}"


class FixedTerms(Potential):
    """Only the terms of a model that a fit does not change."""

    def __init__(self, model: LinearACE) -> None:
        super().__init__()
        self.model = model
        self.elements, self.cutoff = model.elements, model.cutoff

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return the fixed terms in eV [n_centers], float64."""
        return self.model.fixed_energies(graph)
