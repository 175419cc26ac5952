"""A network model on the CPU: the energy program of its linear part writes, the network adds."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.evaluator import EnergyKernel, KernelGradients, written_gradients
from acnn.kernels.network import NetworkKernel


class SumKernel:
    """Site energies and pair gradients of a linear part and a network: to be used as an `EnergyKernel`.

    Args:
        linear: of the linear part.
        network: of the rest.
    """

    def __init__(self, linear: EnergyKernel, network: NetworkKernel) -> None:
        self.linear, self.network = linear, network

    def __call__(self, graph: AtomicGraph) -> KernelGradients:
        """e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph."""
        return written_gradients(graph, self.write, self.linear.threads)

    def write(
        self,
        species: NDArray[Any],
        pair_i: NDArray[Any],
        pair_j: NDArray[Any],
        vectors: NDArray[Any],
        energies: FloatArray,
        gradients: NDArray[Any],
        threads: int,
    ) -> None:
        """As `EnergyKernel.write`."""
        self.linear.write(species, pair_i, pair_j, vectors, energies, gradients, threads)
        self.network.add(species, pair_i, pair_j, vectors, energies, gradients, threads)
