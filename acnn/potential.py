"""The Potential interface: site energies and pair gradients, and the quantities that are reductions of them.

e_i   site energies (eV)                              [n_centers]
g_ij  = dE/dr_ij (eV/Å)                               [n_pairs, 3]
E     = Σ_i e_i                                       per structure
F_i   = Σ_j (g_ij - g_ji)
W     = -Σ_ij r_ij ⊗ g_ij                             per structure; see `acnn.conventions`
W_i   = -½ Σ_j (r_ij ⊗ g_ij + r_ji ⊗ g_ji)            shared evenly by the two atoms of a pair, as LAMMPS does
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from acnn.combinations import Combinations
from acnn.graph import AtomicGraph, subgraph
from acnn.threads import survive_forks

KERNELS = ("auto", "cpu", "torch")


def chosen_kernel(requested: str | None = None) -> str:
    """Return one of `KERNELS`: the argument, else the environment variable ``ACNN_KERNEL``, else "auto"."""
    name = requested or os.environ.get("ACNN_KERNEL") or "auto"
    if name not in KERNELS:
        raise ValueError(f"{'kernel' if requested else 'ACNN_KERNEL'} must be auto, cpu or torch, not {name!r}")
    return name


@dataclass(frozen=True)
class PairGradients:
    """The result of an evaluation; energies, forces and virials are reductions of it."""

    graph: AtomicGraph
    site_energies: Tensor
    pair_gradients: Tensor

    @property
    def energies(self) -> Tensor:
        """E per structure, eV [n_structures]."""
        centers = self.graph.structure[: self.graph.n_centers]
        return self.site_energies.new_zeros(self.graph.n_structures).index_add(0, centers, self.site_energies)

    @property
    def forces(self) -> Tensor:
        """F_i in eV/Å [n_atoms, 3] (ghosts included)."""
        zeros = self.pair_gradients.new_zeros(self.graph.n_atoms, 3)
        onto_centers = zeros.index_add(0, self.graph.pair_i, self.pair_gradients)
        return onto_centers.index_add(0, self.graph.pair_j, self.pair_gradients, alpha=-1)

    @property
    def pair_virials(self) -> Tensor:
        """-r_ij ⊗ g_ij in eV [n_pairs, 3, 3]."""
        return -self.graph.pair_vectors.unsqueeze(2) * self.pair_gradients.unsqueeze(1)

    @property
    def virials(self) -> Tensor:
        """W per structure, eV [n_structures, 3, 3]."""
        pair_structure = self.graph.structure[self.graph.pair_i]
        zeros = self.pair_gradients.new_zeros(self.graph.n_structures, 3, 3)
        return zeros.index_add(0, pair_structure, self.pair_virials)

    @property
    def atomic_virials(self) -> Tensor:
        """W_i in eV [n_atoms, 3, 3]; they add up to the virial."""
        halves = 0.5 * self.pair_virials
        zeros = halves.new_zeros(self.graph.n_atoms, 3, 3)
        return zeros.index_add(0, self.graph.pair_i, halves).index_add(0, self.graph.pair_j, halves)


class Description(NamedTuple):
    """Facts about a potential in words: a title, and names with values."""

    title: str
    rows: list[tuple[str, str]]


class Potential(nn.Module):
    """A strictly local potential: site energies are functions of the vectors to neighbors within the cutoff.

    Subclasses set ``elements`` (chemical symbols) and ``cutoff`` (Å) and implement `site_energies`.
    """

    elements: tuple[str, ...]
    cutoff: float
    takes_longer_pairs: bool = False
    """Whether graphs may contain pairs beyond the cutoff: they do not contribute, and keeping them is faster."""
    noise: Any = None
    """The noise that a fit assumed in its labels, an `acnn.models.noise.Noise`; None if unknown."""
    combinations: Combinations | None = None
    """The combinations of elements that its training data have shown; None if unknown."""
    calibration: Any = None
    """Scales for the spread of its committee, an `acnn.models.calibration.ErrorBars`; None if it is not calibrated."""
    how_to_get_a_committee: str = "train it with several seeds, and use acnn ensemble"
    max_pairs_per_chunk: int = 5_000
    max_centers_per_chunk: int = 500

    def __init__(self) -> None:
        survive_forks()
        super().__init__()

    def __repr__(self) -> str:
        facts = [", ".join(self.elements), f"cutoff {self.cutoff:g} Å", *map(": ".join, self.summary().items())]
        return f"<{type(self).__name__}: {'; '.join(facts)}>"

    def _repr_html_(self) -> str:
        """Return what `describe` says, for notebooks."""
        from acnn.html.blocks import titled_tables
        from acnn.html.rendering import fragment

        return fragment(titled_tables(self.describe()))

    def __setstate__(self, state: dict[str, Any]) -> None:
        survive_forks()
        super().__setstate__(state)

    @property
    def model_type(self) -> str:
        """The name of its type, as in model files."""
        return type(self).__name__

    @property
    def has_committee(self) -> bool:
        """Whether it can estimate its uncertainty: see `acnn.uncertainty.committee`."""
        return False

    @property
    def active_set(self) -> Any:
        """What extrapolation grades need, an `acnn.models.active_set.ActiveSet`; None if it was not determined."""
        return self._modules.get("active_set")

    @active_set.setter
    def active_set(self, active: Any) -> None:
        self._modules["active_set"] = active

    def members(self) -> list[Any]:
        """Return the potentials of an ensemble; of other types, the potential itself."""
        return [self]

    def committee_of(self, graph: AtomicGraph, kernel: str | None, forces: bool) -> tuple[Tensor, ...]:
        """Compute the deviations of the committee's members: see `acnn.uncertainty.committee.Deviations`.

        Args:
            forces: compute forces and virials too.

        Returns:
            Site energies in eV [n_members, n_centers]; with forces, these in eV/Å [n_members, n_atoms, 3] and virials
            in eV [n_members, n_structures, 3, 3].
        """
        raise NotImplementedError(f"{type(self).__name__} has no committee")

    def network_part(self) -> Potential | None:
        """Return what a network adds to a linear part, which must vanish at its own cutoff; None if there is none."""
        return None

    @property
    def reference_energies(self) -> dict[str, float]:
        """E0 in eV by element; empty if the potential has none."""
        return {}

    def summary(self) -> dict[str, str]:
        """Return the facts that describe its size, by name."""
        return {}

    def describe(self) -> list[Description]:
        """Return all facts, including those of its parts."""
        rows = [("elements", ", ".join(self.elements)), ("cutoff (Å)", f"{self.cutoff:g}")]
        return [Description(type(self).__name__, rows)]

    def site_energies(self, graph: AtomicGraph) -> Tensor:
        """Return e_i in eV [n_centers], differentiable with respect to ``graph.pair_vectors``.

        The result is float64 whatever the dtype of the graph, so that a large E0 costs no precision.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement site_energies")

    def pair_gradients(self, graph: AtomicGraph, kernel: str | None = None) -> PairGradients:
        """Compute site energies and dE/dr_ij.

        Args:
            kernel: "cpu", the compiled kernel; "torch"; "auto", the kernel where it can run. None takes the environment
                variable ``ACNN_KERNEL``, and without it means "auto".
        """
        found = self.compiled_gradients(graph, kernel)
        return self._torch_gradients(graph) if found is None else found

    def energy_kernel(self) -> Any:
        """Return the compiled form, see `acnn.kernels.potentials.ModelKernel`; None if there is none."""
        return None

    def compiled_gradients(self, graph: AtomicGraph, kernel: str | None) -> PairGradients | None:
        """Evaluate with the compiled kernel; None if it is not wanted or this type of potential has no program."""
        if chosen_kernel(kernel) == "cpu" and kernel:  # ACNN_KERNEL is only a preference
            raise ValueError(f"a {type(self).__name__} cannot run in the compiled kernel: choose auto or torch")
        return None

    def _torch_gradients(self, graph: AtomicGraph) -> PairGradients:
        """Evaluate in chunks of centers, so that memory does not grow with their number."""
        energies = graph.pair_vectors.new_zeros(graph.n_centers, dtype=torch.float64)
        gradients = torch.zeros_like(graph.pair_vectors)
        for centers, pairs in graph.center_chunks(self.max_pairs_per_chunk, self.max_centers_per_chunk):
            energies[centers], gradients[pairs] = values_and_gradients(
                self.site_energies, subgraph(graph, centers, pairs)
            )
        return PairGradients(graph, energies, gradients)


def values_and_gradients(
    function: Callable[[AtomicGraph], Tensor], graph: AtomicGraph, weights: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return a function of a graph, and the gradient [n_pairs, 3] of its sum, weighted if there are weights."""
    with torch.enable_grad():
        vectors = graph.pair_vectors.detach().requires_grad_(True)
        values = function(graph.with_pair_vectors(vectors))
        if not values.requires_grad:
            return values.detach(), torch.zeros_like(vectors)
        weights = torch.ones_like(values) if weights is None else weights
        (gradients,) = torch.autograd.grad(values, vectors, weights, materialize_grads=True)
    return values.detach(), gradients
