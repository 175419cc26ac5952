"""The basis functions of a model in the compiled kernel, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.graph import AtomicGraph
from acnn.kernels.compiled_kernel import CompiledKernel, PairArrays, element_errors
from acnn.kernels.invariants import value_program
from acnn.kernels.loading import load_engine, n_threads
from acnn.kernels.program import Program


@dataclass(frozen=True)
class Rows:
    """One structure's energy [p] (eV), forces [3 n_atoms, p] (eV/Å) and virial [6, p] (eV, Voigt) per coefficient.

    Forces and virial are None unless requested.
    """

    energy: FloatArray
    forces: FloatArray | None
    virial: FloatArray | None


class BasisKernel(CompiledKernel):
    """The basis functions of a basis program (`acnn.kernels.invariants.compile_basis`), and their derivatives.

    Attributes:
        n_functions: number of columns.
    """

    kind, made_by = "basis", "compile_basis"

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        super().__init__(program, instruction_set, threads)
        self.n_functions = int(program.arrays["n_functions"][0])
        of_values = value_program(program)
        self._value_engine = self._engine if of_values is program else load_engine(of_values, instruction_set)[1]

    def values(self, graph: AtomicGraph) -> Tensor:
        """Return B [n_centers, n_functions]; functions of other center elements are zero."""
        return self._values(graph, n_threads(self.threads))

    def _values(self, graph: AtomicGraph, threads: int) -> Tensor:
        values = graph.pair_vectors.new_zeros(graph.n_centers, self.n_functions)
        with element_errors(self.program.elements):
            self._value_engine.values(*PairArrays.of(graph), values.numpy(), threads)
        return values

    def vjp(self, graph: AtomicGraph, adjoints: Tensor) -> Tensor:
        """Return Σ_ik v_ik ∂B_ik/∂r_ij [n_pairs, 3] for v [n_centers, n_functions]."""
        gradients = graph.pair_vectors.new_empty(graph.n_pairs, 3)
        adjoints = adjoints.detach().to(gradients.dtype).contiguous()
        self._require(adjoints, (graph.n_centers, self.n_functions), "adjoints")
        with element_errors(self.program.elements):
            self._engine.vjp(*PairArrays.of(graph), adjoints.numpy(), gradients.numpy(), n_threads(self.threads))
        return gradients

    def jvp(self, graph: AtomicGraph, directions: Tensor) -> Tensor:
        """Return Σ_j ∂B_ik/∂r_ij · u_ij [n_centers, n_functions] for u [n_pairs, 3]."""
        derivatives = graph.pair_vectors.new_zeros(graph.n_centers, self.n_functions)
        directions = directions.detach().to(derivatives.dtype).contiguous()
        self._require(directions, (graph.n_pairs, 3), "directions")
        with element_errors(self.program.elements):
            self._engine.jvp(*PairArrays.of(graph), directions.numpy(), derivatives.numpy(), n_threads(self.threads))
        return derivatives

    def rows(self, graph: AtomicGraph) -> Rows:
        """Return the rows of energy, forces and virial of one structure, using one thread."""
        if graph.n_structures != 1 or graph.n_centers != graph.n_atoms:
            raise ValueError("rows need a graph of one structure without ghost atoms")
        n = self.n_functions
        energy, forces, virial = np.zeros(n), np.zeros((3 * graph.n_atoms, n)), np.zeros((6, n))
        graph = graph.to(dtype=torch.float64)
        with element_errors(self.program.elements):
            self._engine.rows(*PairArrays.of(graph), energy, forces, virial)
        if self._value_engine is not self._engine:
            energy = self._values(graph, 1).sum(dim=0).numpy()
        return Rows(energy, forces, virial)
