"""Potentials that the compiled kernel evaluates on the CPU, and kernels made of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import PairArrays
from acnn.kernels.energy import EnergyKernel, KernelGradients, written_gradients
from acnn.kernels.loading import runs_compiled
from acnn.kernels.network import NetworkKernel
from acnn.potential import PairGradients, Potential


class ModelKernel(Protocol):
    """The interface of kernels that evaluate a model on the CPU, such as `acnn.kernels.energy.EnergyKernel`."""

    def __call__(self, graph: AtomicGraph) -> KernelGradients:
        """Return site energies and pair gradients."""
        ...

    def write(self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], threads: int) -> None:
        """Write site energies and pair gradients to existing arrays."""
        ...


class CompiledPotential(Potential):
    """A potential with a compiled form; subclasses implement `energy_kernel`."""

    def energy_kernel(self) -> ModelKernel | None:
        """Return the model compiled with its current coefficients and weights; None if it has no compiled form."""
        return None

    def compiled_gradients(self, graph: AtomicGraph, kernel: str | None) -> PairGradients | None:
        """Evaluate with the compiled kernel, unless another one is requested or the graph is on another device."""
        compiled = self.energy_kernel() if runs_compiled(graph, kernel) else None
        return super().compiled_gradients(graph, kernel) if compiled is None else compiled(graph)


class SumKernel:
    """The kernel of a network model: the energy program of its linear part writes, the network adds."""

    def __init__(self, linear: EnergyKernel, network: NetworkKernel) -> None:
        self.linear, self.network = linear, network

    def __call__(self, graph: AtomicGraph) -> KernelGradients:
        """Return e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph."""
        return written_gradients(graph, self.write, self.linear.threads)

    def write(self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], threads: int) -> None:
        """Write like `acnn.kernels.energy.EnergyKernel.write`."""
        self.linear.write(pairs, energies, gradients, threads)
        self.network.add(pairs, energies, gradients, threads)


class MeanKernel:
    """The mean of several kernels."""

    def __init__(self, kernels: Sequence[ModelKernel]) -> None:
        self.kernels = list(kernels)

    def __call__(self, graph: AtomicGraph) -> KernelGradients:
        """Return e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph."""
        return written_gradients(graph, self.write)

    def write(self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], threads: int) -> None:
        """Write like `acnn.kernels.energy.EnergyKernel.write`."""
        first, *others = self.kernels
        first.write(pairs, energies, gradients, threads)
        of_one = np.empty_like(energies), np.empty_like(gradients)
        for kernel in others:
            kernel.write(pairs, *of_one, threads)
            energies += of_one[0]
            gradients += of_one[1]
        energies /= len(self.kernels)
        gradients /= len(self.kernels)
