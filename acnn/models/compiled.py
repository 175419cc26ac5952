"""Potentials that the compiled kernel evaluates on the CPU, and what it has to offer for that."""

from __future__ import annotations

from typing import Any, Protocol

from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.evaluator import KernelGradients, runs_on, uses_compiled_kernel
from acnn.potential import PairGradients, Potential


class ModelKernel(Protocol):
    """What evaluates a model on the CPU: `EnergyKernel`, and what has its interface."""

    def __call__(self, graph: AtomicGraph) -> KernelGradients: ...

    def write(
        self,
        species: NDArray[Any],
        pair_i: NDArray[Any],
        pair_j: NDArray[Any],
        vectors: NDArray[Any],
        energies: FloatArray,
        gradients: NDArray[Any],
        threads: int,
    ) -> None: ...


class CompiledPotential(Potential):
    """A potential with a compiled form; subclasses implement `energy_kernel`."""

    def energy_kernel(self) -> ModelKernel:
        """The compiled model, as its coefficients and weights are now."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its compiled form is")

    def compiled_gradients(self, graph: AtomicGraph, kernel: str | None) -> PairGradients | None:
        """By the compiled kernel, unless another one is asked for or the graph is on another device."""
        if not runs_on(graph):
            return super().compiled_gradients(graph, kernel)
        return self.energy_kernel()(graph) if uses_compiled_kernel(kernel) else None
