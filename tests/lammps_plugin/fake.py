"""LAMMPS' data objects without LAMMPS: what `compute_forces` gets from the plain and from the KOKKOS coupling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from acnn.neighbors import neighbor_pairs


class PlainData:
    """The data object of one rank, as `mliap_unified_couple.pyx` makes it.

    Args:
        element_types: of the potential.
        local: indices of the atoms of this rank; the others are ghosts.
        listed: which of the local atoms are in the neighbor list (positions in ``local``), in this order.
        null: elements of types that are NULL.
        ghost_centers: the list goes on with the ghosts, as with ``ghostneigh 1``.
    """

    def __init__(
        self,
        atoms: Atoms,
        cutoff: float,
        element_types: Sequence[str],
        local: Sequence[int] | None = None,
        listed: Sequence[int] | None = None,
        null: Sequence[str] = (),
        ghost_centers: bool = False,
    ) -> None:
        local = list(range(len(atoms)) if local is None else local)
        index = {(atom, 0, 0, 0): k for k, atom in enumerate(local)}
        pairs: dict[int, list[tuple[int, NDArray[np.float64]]]] = {}
        i, j, shifts = neighbor_pairs(atoms, cutoff)
        for a, b, shift in zip(i.tolist(), j.tolist(), shifts, strict=True):
            if (a, 0, 0, 0) in index and index[a, 0, 0, 0] < len(local):
                neighbor = index.setdefault((b, *shift.tolist()), len(index))
                vector = atoms.positions[b] - atoms.positions[a] + shift @ atoms.cell.array
                pairs.setdefault(index[a, 0, 0, 0], []).append((neighbor, vector))
        self.origin = [key[0] for key in index]
        self.nlocal, self.ntotal = len(local), len(index)
        order = list(range(len(local)) if listed is None else listed)
        self.nlistatoms = len(order)
        if ghost_centers:
            order += range(self.nlocal, self.ntotal)
            for ghost in range(self.nlocal, self.ntotal):  # wrong on purpose: they must not be used
                pairs[ghost] = [(0, np.array([1.0, 1.0, 1.0]))]
        self.natomneigh = len(order)
        symbols = [atoms.symbols[origin] for origin in self.origin]
        self.elems = np.array([-1 if s in null else list(element_types).index(s) for s in symbols], dtype=np.int32)
        self.iatoms = np.array(order, dtype=np.int32)
        rows = [(center, *pair) for center in order for pair in pairs.get(center, [])]
        self.npairs = len(rows)
        self._pair_i = np.array([row[0] for row in rows], dtype=np.int32)
        self._jatoms = np.array([row[1] for row in rows], dtype=np.int32)
        self._rij = np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 3)
        self.f = np.zeros((self.ntotal, 3))
        self.virials = np.zeros((self.ntotal, 3, 3))
        self.written: dict[str, object] = {}

    def _array(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        if self.npairs == 0:
            raise ValueError("Invalid shape in axis 0: 0.")  # what Cython says
        return values

    @property
    def pair_i(self) -> NDArray[np.generic]:
        return self._array(self._pair_i)

    @property
    def pair_j(self) -> NDArray[np.generic]:
        return self._array(self._jatoms)

    @property
    def rij(self) -> NDArray[np.generic]:
        return self._array(self._rij)

    def _set_energy(self, value: float) -> None:
        self.written["energy"] = float(value)

    def _set_eatoms(self, values: NDArray[np.float64]) -> None:
        assert isinstance(values, np.ndarray)
        assert values.dtype == np.float64
        assert values.shape == (self.nlistatoms,)
        self.written["eatoms"] = values.copy()

    energy = property(None, _set_energy)
    eatoms = property(None, _set_eatoms)

    def update_pair_forces(self, fij: NDArray[np.float64]) -> None:
        assert isinstance(fij, np.ndarray)
        assert fij.dtype == np.float64
        assert fij.flags.c_contiguous
        assert fij.shape == (self.npairs, 3)
        assert self.npairs > 0
        halves = -0.5 * self._rij[:, :, None] * fij[:, None, :]
        for atoms, sign in ((self._pair_i, 1.0), (self._jatoms, -1.0)):
            np.add.at(self.f, atoms, sign * fij)
            np.add.at(self.virials, atoms, halves)


class KokkosData(PlainData):
    """The data object of a KOKKOS build on the CPU: a view of the energies, no setter."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._eatoms = np.full(self.nlistatoms, np.nan)

    @property
    def eatoms(self) -> NDArray[np.float64]:  # type: ignore[override]
        if self.nlistatoms == 0:
            raise ValueError("attempt to set NULL eatoms")
        return self._eatoms

    def update_pair_forces_gpu(self, fij: object) -> None:
        raise AssertionError("this machine has no GPU")
