"""The base of all compiled kernels: a program, loaded for this processor, that takes pairs of atoms as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

from numpy.typing import NDArray
from torch import Tensor

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import AtomicGraph
from acnn.kernels.loading import load_engine
from acnn.kernels.program import Program


class PairArrays(NamedTuple):
    """Pairs of atoms as the kernel takes them, C-contiguous.

    Attributes:
        species: atomic numbers [n_atoms]; the first atoms are the centers.
        pair_i, pair_j: indices of atoms [n_pairs], ascending in i; with the species all int64 or all int32.
        vectors: r_ij = r_j - r_i in Å [n_pairs, 3], float64 or float32.
    """

    species: NDArray[Any]
    pair_i: NDArray[Any]
    pair_j: NDArray[Any]
    vectors: NDArray[Any]

    @classmethod
    def of(cls, graph: AtomicGraph) -> PairArrays:
        """Return the arrays of a graph on the CPU."""
        tensors = (graph.species, graph.pair_i, graph.pair_j, graph.pair_vectors.detach())
        return cls(*(tensor.contiguous().numpy() for tensor in tensors))


class CompiledKernel:
    """A program loaded for this processor.

    Subclasses define the kind of program they execute, its compiled class, and the function that makes one.

    Args:
        program: the program to execute.
        instruction_set: one of `acnn.kernels.loading.instruction_sets`; None takes the best.
        threads: see `acnn.kernels.loading.n_threads`.

    Raises:
        ValueError: the program is of another kind, or the processor lacks the instruction set.
    """

    kind: ClassVar[str]
    made_by: ClassVar[str]
    engine: ClassVar[str] = "Engine"

    def __init__(self, program: Program, instruction_set: str | None = None, threads: int | None = None) -> None:
        if program.kind != self.kind:
            raise ValueError(
                f"a program of kind {self.kind} is needed, as made by {self.made_by}(), not of kind {program.kind}"
            )
        self.program, self.threads, self._requested = program, threads, instruction_set
        self.instruction_set, self._engine = load_engine(program, instruction_set, self.engine)

    def __reduce__(self) -> tuple[Any, ...]:
        # It may be loaded on another processor.
        return type(self), (self.program, self._requested, self.threads)

    @property
    def workspace_bytes(self) -> int:
        """Memory kept between evaluations."""
        return int(self._engine.workspace_bytes)

    @staticmethod
    def _require(values: Tensor, shape: tuple[int, int], name: str) -> None:
        if tuple(values.shape) != shape:
            raise ValueError(f"{name} must be {shape[0]} rows of {shape[1]}, not {tuple(values.shape)}")


@contextmanager
def element_errors(elements: tuple[str, ...]) -> Iterator[None]:
    """Turn the kernel's unknown atomic number into the error that every path raises."""
    try:
        yield
    except LookupError as error:
        raise UnsupportedElementError(error.args[0], elements) from None
