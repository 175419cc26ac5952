"""Site energies and pair gradients from the compiled kernel, and forces summed in it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import CompiledKernel, PairArrays, element_errors
from acnn.kernels.loading import compiled_module, n_threads
from acnn.potential import PairGradients

STAGES = ("densities", "products", "quadratic form", "adjoints of products", "pair gradients")


@dataclass(frozen=True)
class KernelGradients(PairGradients):
    """Pair gradients whose reductions run in the kernel too."""

    @property
    def forces(self) -> Tensor:
        """F_i in eV/Å [n_atoms, 3] (ghosts included)."""
        forces = self.pair_gradients.new_zeros(self.graph.n_atoms, 3)
        add_forces(self.graph.pair_i, self.graph.pair_j, self.pair_gradients, forces)
        return forces

    @property
    def virials(self) -> Tensor:
        """W per structure, eV [n_structures, 3, 3], by a matrix product for each: W = -Σ_p r_p ⊗ g_p."""
        vectors, gradients = self.graph.pair_vectors.detach().numpy(), self.pair_gradients.numpy()
        bounds = self.graph.pair_bounds().tolist()
        products = [-vectors[a:b].T @ gradients[a:b] for a, b in itertools.pairwise(bounds)]
        return torch.from_numpy(np.array(products).reshape(-1, 3, 3))


def add_forces(pair_i: Tensor, pair_j: Tensor, gradients: Tensor, forces: Tensor) -> None:
    """Add Σ_j (g_ij - g_ji) to contiguous forces [n_atoms, 3]."""
    arrays = (pair_i.contiguous(), pair_j.contiguous(), gradients.contiguous(), forces)
    compiled_module().add_forces(*(array.numpy() for array in arrays))


def written_gradients(
    graph: AtomicGraph, write: Callable[..., None], requested_threads: int | None = None
) -> KernelGradients:
    """Evaluate a graph with a kernel's function.

    Args:
        write: a function like `EnergyKernel.write`.
        requested_threads: see `acnn.kernels.loading.n_threads`.
    """
    energies, gradients = np.empty(graph.n_centers), graph.pair_vectors.new_empty(graph.n_pairs, 3)
    write(PairArrays.of(graph), energies, gradients.numpy(), n_threads(requested_threads))
    return KernelGradients(graph, torch.from_numpy(energies), gradients)


class EnergyKernel(CompiledKernel):
    """Site energies and pair gradients from an energy program (`acnn.kernels.program.compile_energy`)."""

    kind, made_by = "energy", "compile_energy"

    def __call__(self, graph: AtomicGraph, seconds: FloatArray | None = None) -> KernelGradients:
        """Return e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph.

        Args:
            seconds: the times of the `STAGES` are added to it [5].
        """
        return written_gradients(graph, functools.partial(self.write, seconds=seconds), self.threads)

    def write(
        self,
        pairs: PairArrays,
        energies: FloatArray,
        gradients: NDArray[Any],
        threads: int,
        seconds: FloatArray | None = None,
    ) -> None:
        """Evaluate like a call, writing to existing arrays.

        Args:
            energies: written, eV [n_centers].
            gradients: written, eV/Å [n_pairs, 3], of the dtype of the vectors.
        """
        with element_errors(self.program.elements):
            self._engine.energies(*pairs, energies, gradients, threads, seconds)
