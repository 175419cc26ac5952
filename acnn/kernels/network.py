"""Network models in the compiled kernel: energies and pair gradients of an embedding with a readout on top.

Atoms are processed in batches, from pair vectors to the network's energies and back to pair gradients
(src/network_engine.cpp). `acnn.kernels.embedding` is for training, where the tables theta change with every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import CompiledKernel, PairArrays, element_errors
from acnn.kernels.energy import KernelGradients, written_gradients
from acnn.kernels.program import Arrays, Program

Layers = tuple[Sequence[tuple[Tensor, Tensor]], Tensor, Tensor]
"""Weights [n_in, n_out] and biases [n_out] of the hidden layers, weights of the output [n_out] and of the skip
connection [n_descriptors], see `acnn.models.readout.Readout.layers`."""


def with_network(program: Program, theta: Tensor, readout: Sequence[Layers], bounds: Tensor) -> Program:
    """Return the program of an embedding with its tables and a readout for every element.

    Args:
        program: made by `acnn.kernels.embedding.compile_embedding`.
        theta: its tables.
        readout: the layers of every element's readout, of the same widths.
        bounds: low and high of every element [n_elements, 2]; energies level off below low.
    """
    if program.kind != "embedding":
        raise ValueError(f"a program of kind embedding is needed, as made by compile_embedding(), not {program.kind}")
    if len(readout) != len(program.elements):
        raise ValueError(f"one readout for each of {', '.join(program.elements)} is needed, not {len(readout)}")
    widths = [[len(bias) for _, bias in hidden] for hidden, _, _ in readout]
    if any(other != widths[0] for other in widths):
        raise ValueError("the readouts of all elements must have the same widths")
    arrays: Arrays = {
        "theta": _joined([theta]),
        "widths": np.array(widths[0], dtype=np.int32),
        "weights": _joined([weight for hidden, _, _ in readout for weight, _ in hidden]),
        "biases": _joined([bias for hidden, _, _ in readout for _, bias in hidden]),
        "out": _joined([out for _, out, _ in readout]),
        "skip": _joined([skip for _, _, skip in readout]),
        "bounds": _joined([bounds]),
    }
    return Program("network", program.elements, program.cutoff, program.arrays | arrays)


def _joined(tensors: list[Tensor]) -> FloatArray:
    return np.concatenate([tensor.detach().cpu().double().numpy().ravel() for tensor in tensors])


class NetworkKernel(CompiledKernel):
    """Energies and pair gradients from the program of a network (`with_network`)."""

    kind, made_by, engine = "network", "with_network", "Network"

    def __call__(self, graph: AtomicGraph) -> KernelGradients:
        """Return e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph."""
        return written_gradients(graph, self.write, self.threads)

    def write(self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], threads: int) -> None:
        """Write like `acnn.kernels.energy.EnergyKernel.write`; pairs beyond the network's cutoff have no gradient."""
        self._run(pairs, energies, gradients, False, threads)

    def add(self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], threads: int) -> None:
        """Add to existing energies and gradients."""
        self._run(pairs, energies, gradients, True, threads)

    def _run(
        self, pairs: PairArrays, energies: FloatArray, gradients: NDArray[Any], adding: bool, threads: int
    ) -> None:
        with element_errors(self.program.elements):
            self._engine.energies(*pairs, energies, gradients, adding, threads)
