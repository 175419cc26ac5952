"""The direct path from LAMMPS' arrays through the compiled kernel and back."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.kernels.compiled_kernel import PairArrays
from acnn.kernels.loading import n_threads
from acnn.kernels.potentials import ModelKernel


class DirectEvaluation:
    """Runs the kernel directly on LAMMPS' NumPy arrays: at a few µs per atom, conversions would be noticeable.

    Args:
        numbers: atomic number of each of LAMMPS' element indices.
    """

    def __init__(self, kernel: ModelKernel, numbers: IntArray, dtype: str) -> None:
        self.kernel, self.numbers, self.dtype = kernel, numbers.astype(np.int32), np.dtype(dtype)
        self._gradients = np.empty((0, 3))  # kept: allocating memory costs more than writing to it
        self._in_order = np.arange(0, dtype=np.int32)

    def __call__(self, data: Any, unit: float = 1.0, counted: BoolArray | None = None) -> bool:
        """Evaluate and deliver; return False, without doing anything, if the rank needs `local_graph`.

        Args:
            unit: LAMMPS' energy unit, per eV.
            counted: which centers have an energy; None: all.
        """
        if not self._is_simple(data):
            return False
        energies, gradients = np.empty(data.nlistatoms), self._room(data.npairs)
        vectors = data.rij
        written = gradients
        if self.dtype != vectors.dtype:
            vectors, written = vectors.astype(self.dtype), np.empty(gradients.shape, self.dtype)
        species = self.numbers[data.elems]
        pairs = PairArrays(species, data.pair_i, data.pair_j, vectors)
        self.kernel.write(pairs, energies, written, threads_per_rank())
        if written is not gradients:
            gradients[:] = written
        if counted is not None:
            energies *= counted
        if unit != 1.0:
            energies *= unit
            gradients *= unit
        data.energy = float(energies.sum())
        data.eatoms = energies
        data.update_pair_forces(gradients)
        return True

    def _is_simple(self, data: Any) -> bool:
        """Return whether this is the plain coupling, without NULL types, and centers are the first atoms in order."""
        n, elements = data.nlistatoms, data.elems
        if n == 0 or data.npairs == 0 or data.natomneigh != n or hasattr(data, "update_pair_forces_gpu"):
            return False
        if len(self._in_order) != n:
            self._in_order = np.arange(n, dtype=np.int32)
        return int(elements.min()) >= 0 and np.array_equal(data.iatoms[:n], self._in_order)

    def _room(self, n_pairs: int) -> FloatArray:
        if len(self._gradients) < n_pairs:
            self._gradients = np.empty((n_pairs + n_pairs // 8, 3))
        return self._gradients[:n_pairs]


def threads_per_rank() -> int:
    """Return ``ACNN_NUM_THREADS``, or one: the other processors belong to other ranks."""
    return n_threads() if os.environ.get("ACNN_NUM_THREADS") else 1
