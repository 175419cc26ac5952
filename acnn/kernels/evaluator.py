"""Runs compiled programs on the CPU: threads, instruction set, and when the kernel is used at all.

``ACNN_KERNEL`` or an argument chooses: ``cpu``, the compiled kernel; ``torch``, the definition of the model; ``auto``,
the kernel wherever it can run (the default). ``ACNN_NUM_THREADS`` sets its threads (default: torch's). Results do not
depend on the number of threads, bit by bit.
"""

from __future__ import annotations

import functools
import importlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.basis.ace import UnsupportedElementError
from acnn.graph import AtomicGraph
from acnn.kernels.invariants import value_program
from acnn.kernels.program import Program
from acnn.potential import PairGradients, chosen_kernel
from acnn.threads import MOST_THREADS, require_sensible, threads_of_torch

STAGES = ("densities", "products", "quadratic form", "adjoints of products", "pair gradients")

_warned = False


def _import_kernel() -> ModuleType | None:
    try:
        return importlib.import_module("acnn.kernels._kernel")
    except ImportError:  # installed without a compiler
        return None


_kernel = _import_kernel()


def instruction_sets() -> list[str]:
    """What the compiled kernel can run here, best first; empty where it was not compiled."""
    return [] if _kernel is None else list(_kernel.instruction_sets())


def uses_compiled_kernel(requested: str | None = None) -> bool:
    """Whether an evaluation on the CPU runs in the compiled kernel.

    Args:
        requested: see `acnn.potential.chosen_kernel`.
    """
    name = chosen_kernel(requested)
    if name == "torch":
        return False
    if _kernel is None:
        if name == "cpu":
            raise ValueError(
                f"{'kernel' if requested else 'ACNN_KERNEL'} asks for the compiled kernel, and this acnn was installed "
                "without one: install a C++ compiler and reinstall acnn, or choose torch"
            )
        _warn_once()
        return False
    return True


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "acnn was installed without its compiled kernel and evaluates models with torch, some fifty times slower: "
            "install a C++ compiler and reinstall acnn (ACNN_KERNEL=torch silences this)",
            RuntimeWarning,
            stacklevel=3,
        )


def n_threads(requested: int | None = None) -> int:
    """Threads of an evaluation: the argument, else ``ACNN_NUM_THREADS``, else torch's setting."""
    if requested is not None:
        return require_sensible(requested, "threads")
    text = os.environ.get("ACNN_NUM_THREADS")
    if not text:
        return threads_of_torch()
    if not text.isdecimal():
        raise ValueError(f"ACNN_NUM_THREADS is a number of threads from 1 to {MOST_THREADS}, not {text!r}")
    return require_sensible(int(text), "ACNN_NUM_THREADS")


@dataclass(frozen=True)
class KernelGradients(PairGradients):
    """Pair gradients whose reductions run in the kernel too."""

    @property
    def forces(self) -> Tensor:
        """F_i in eV/Å [n_atoms, 3] (ghosts included)."""
        forces = self.pair_gradients.new_zeros(self.graph.n_atoms, 3)
        add_forces(self.graph.pair_i, self.graph.pair_j, self.pair_gradients, forces)
        return forces


def add_forces(pair_i: Tensor, pair_j: Tensor, gradients: Tensor, forces: Tensor) -> None:
    """Adds Σ_j (g_ij - g_ji) to contiguous forces [n_atoms, 3]."""
    arrays = (pair_i.contiguous(), pair_j.contiguous(), gradients.contiguous(), forces)
    compiled_module().add_forces(*(array.numpy() for array in arrays))


def written_gradients(
    graph: AtomicGraph, write: Callable[..., None], requested_threads: int | None = None
) -> KernelGradients:
    """What a kernel writes about a graph.

    Args:
        write: as `EnergyKernel.write`.
        requested_threads: see `n_threads`.
    """
    energies, gradients = np.empty(graph.n_centers), graph.pair_vectors.new_empty(graph.n_pairs, 3)
    write(*graph_arrays(graph), energies, gradients.numpy(), n_threads(requested_threads))
    return KernelGradients(graph, torch.from_numpy(energies), gradients)


class EnergyKernel:
    """Site energies and pair gradients by an energy program (`acnn.kernels.program.compile_energy`).

    Args:
        program: what to execute.
        instruction_set: one of `instruction_sets()`; None takes the best.
        threads: see `n_threads`.
    """

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        self.program, self.threads, self._requested = program, threads, instruction_set
        self.instruction_set, self._engine = load_engine(program, instruction_set)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.program, self._requested, self.threads)

    def __call__(self, graph: AtomicGraph, seconds: FloatArray | None = None) -> KernelGradients:
        """e_i in eV [n_centers] float64, and dE/dr_ij in eV/Å [n_pairs, 3] in the dtype of the graph.

        Args:
            seconds: the times of the `STAGES` are added to it [5].
        """
        return written_gradients(graph, functools.partial(self.write, seconds=seconds), self.threads)

    def write(
        self,
        species: NDArray[Any],
        pair_i: NDArray[Any],
        pair_j: NDArray[Any],
        vectors: NDArray[Any],
        energies: FloatArray,
        gradients: NDArray[Any],
        threads: int,
        seconds: FloatArray | None = None,
    ) -> None:
        """As a call, from and to arrays that are there already.

        Args:
            species, pair_i, pair_j: see `AtomicGraph`, all int64 or all int32.
            vectors: r_ij in Å [n_pairs, 3], float64 or float32.
            energies: written, eV [n_centers]; the first atoms are the centers.
            gradients: written, eV/Å [n_pairs, 3], of the dtype of vectors.
        """
        with element_errors(self.program.elements):
            self._engine.energies(species, pair_i, pair_j, vectors, energies, gradients, threads, seconds)

    @property
    def workspace_bytes(self) -> int:
        """Memory kept between evaluations."""
        return int(self._engine.workspace_bytes)


@dataclass(frozen=True)
class Rows:
    """One structure's energy [p] (eV), forces [3 n_atoms, p] (eV/Å) and virial [6, p] (eV, Voigt) per coefficient.

    Forces and virial are None where nobody asked for them.
    """

    energy: FloatArray
    forces: FloatArray | None
    virial: FloatArray | None


class BasisKernel:
    """The basis functions of a basis program (`acnn.kernels.invariants.compile_basis`), and their derivatives.

    Args:
        program, instruction_set, threads: as for `EnergyKernel`.

    Attributes:
        n_functions: number of columns.
    """

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        if program.kind != "basis":
            raise ValueError(f"an {program.kind} program has no basis functions: compile_basis() makes one that has")
        self.program, self.n_functions = program, int(program.arrays["n_functions"][0])
        self.threads, self._requested = threads, instruction_set
        self.instruction_set, self._engine = load_engine(program, instruction_set)
        of_values = value_program(program)
        self._value_engine = self._engine if of_values is program else load_engine(of_values, instruction_set)[1]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.program, self._requested, self.threads)

    def values(self, graph: AtomicGraph) -> Tensor:
        """B [n_centers, n_functions]; functions of other center elements are zero."""
        return self._values(graph, n_threads(self.threads))

    def _values(self, graph: AtomicGraph, threads: int) -> Tensor:
        values = graph.pair_vectors.new_zeros(graph.n_centers, self.n_functions)
        with element_errors(self.program.elements):
            self._value_engine.values(*graph_arrays(graph), values.numpy(), threads)
        return values

    def vjp(self, graph: AtomicGraph, adjoints: Tensor) -> Tensor:
        """Σ_ik v_ik ∂B_ik/∂r_ij [n_pairs, 3] for v [n_centers, n_functions]."""
        gradients = graph.pair_vectors.new_empty(graph.n_pairs, 3)
        adjoints = adjoints.detach().to(gradients.dtype).contiguous()
        self._require(adjoints, (graph.n_centers, self.n_functions), "adjoints")
        with element_errors(self.program.elements):
            self._engine.vjp(*graph_arrays(graph), adjoints.numpy(), gradients.numpy(), n_threads(self.threads))
        return gradients

    def jvp(self, graph: AtomicGraph, directions: Tensor) -> Tensor:
        """Σ_j ∂B_ik/∂r_ij · u_ij [n_centers, n_functions] for u [n_pairs, 3]."""
        derivatives = graph.pair_vectors.new_zeros(graph.n_centers, self.n_functions)
        directions = directions.detach().to(derivatives.dtype).contiguous()
        self._require(directions, (graph.n_pairs, 3), "directions")
        with element_errors(self.program.elements):
            self._engine.jvp(*graph_arrays(graph), directions.numpy(), derivatives.numpy(), n_threads(self.threads))
        return derivatives

    def rows(self, graph: AtomicGraph) -> Rows:
        """What a linear model's energy, forces and virial of one structure are linear in, in one thread."""
        if graph.n_structures != 1 or graph.n_centers != graph.n_atoms:
            raise ValueError("rows belong to one structure without ghost atoms")
        n = self.n_functions
        energy, forces, virial = np.zeros(n), np.zeros((3 * graph.n_atoms, n)), np.zeros((6, n))
        graph = graph.to(dtype=torch.float64)
        with element_errors(self.program.elements):
            self._engine.rows(*graph_arrays(graph), energy, forces, virial)
        if self._value_engine is not self._engine:
            energy = self._values(graph, 1).sum(dim=0).numpy()
        return Rows(energy, forces, virial)

    @staticmethod
    def _require(values: Tensor, shape: tuple[int, int], name: str) -> None:
        if tuple(values.shape) != shape:
            raise ValueError(f"{name} are {shape[0]} rows of {shape[1]}, not {tuple(values.shape)}")


def graph_arrays(graph: AtomicGraph) -> list[NDArray[Any]]:
    """Species, pair_i, pair_j and pair vectors, as the kernel takes them."""
    tensors = (graph.species, graph.pair_i, graph.pair_j, graph.pair_vectors.detach())
    return [tensor.contiguous().numpy() for tensor in tensors]


@contextmanager
def element_errors(elements: tuple[str, ...]) -> Iterator[None]:
    """Turns the kernel's unknown atomic number into the error that every path raises."""
    try:
        yield
    except LookupError as error:
        raise UnsupportedElementError(error.args[0], elements) from None


def runs_on(graph: AtomicGraph) -> bool:
    """Whether the kernel can take this graph: on the CPU, in single or double precision."""
    vectors = graph.pair_vectors
    return vectors.device.type == "cpu" and vectors.dtype in (torch.float32, torch.float64)


def load_engine(program: Program, instruction_set: str | None, engine: str = "Engine") -> tuple[str, Any]:
    """The instruction set, by default the best of this processor, and the program loaded for it.

    Args:
        engine: class of the compiled module that executes this kind of program.
    """
    name = instruction_set or [*instruction_sets(), ""][0]
    return name, getattr(compiled_module(), engine)(program.arrays, name)


def compiled_module() -> ModuleType:
    """The compiled kernel (`_kernel.pyi`); ValueError where it was not compiled."""
    if _kernel is None:
        raise ValueError("this acnn was installed without its compiled kernel")
    return _kernel
