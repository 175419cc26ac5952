"""Pairs of small cells: periodic images of the atoms, made once, and which atoms they are neighbors of.

An image is an atom j at r_j + S·cell. A cell of ten atoms has some hundred images within a cutoff and ten times more
pairs, so images move when atoms and cell do, and pairs only name their image. All distances of atoms and images are
compared at once, which is several times faster than a grid of cells for tens of atoms.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import ase
import numpy as np
from numpy.typing import NDArray

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.conventions import FARTHEST
from acnn.neighbors import neighbor_pairs, require_usable
from acnn.tree_search import inverse_of

MOST_CANDIDATES = 1_000_000
"""Atoms times images beyond which a search by a grid is faster."""
ROUNDING = 1e-6
"""Å; how far beyond the reach distances are accepted, since rounding must not lose a pair."""


class Images(NamedTuple):
    """Images of the atoms of one structure, and its pairs.

    Attributes:
        owner: atom that an image is of [n_images].
        shifts: S of an image [n_images, 3], float64.
        pair_i: centers [n_pairs], ascending.
        pair_image: images that are their neighbors [n_pairs].
    """

    owner: IntArray
    shifts: FloatArray
    pair_i: IntArray
    pair_image: IntArray


@dataclass(frozen=True)
class FlatStructures:
    """Atoms of several structures, one after the other.

    Attributes:
        numbers: atomic numbers [n_atoms].
        positions: Å [n_atoms, 3].
        cells: Å, their rows are cell vectors [n_structures, 3, 3].
        pbc: [n_structures, 3].
        first: the first atom of each structure, and the number of all atoms [n_structures + 1].
    """

    numbers: IntArray
    positions: FloatArray
    cells: FloatArray
    pbc: BoolArray
    first: IntArray

    @classmethod
    def of(cls, structures: Sequence[ase.Atoms], number: int = 0) -> FlatStructures:
        """Join structures.

        Args:
            number: of the first one, by which messages call it.

        Raises:
            ValueError: positions or cell of one are invalid.
        """
        first = np.cumsum([0, *map(len, structures)])
        joined = cls(
            np.concatenate([atoms.numbers for atoms in structures]).astype(np.int64),
            np.concatenate([atoms.positions for atoms in structures]),
            np.array([atoms.cell.array for atoms in structures]),
            np.array([atoms.pbc for atoms in structures]),
            first,
        )
        joined._require_usable(structures, number)
        return joined

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return len(self.cells)

    @functools.cached_property
    def structure(self) -> IntArray:
        """The structure of every atom [n_atoms]."""
        return np.repeat(np.arange(self.n_structures), np.diff(self.first))

    @functools.cached_property
    def volumes(self) -> FloatArray:
        """Å³ of the cells, 0 where they have none [n_structures]."""
        return np.abs(np.linalg.det(self.cells))

    def atoms_of(self, structure: int) -> slice:
        """Return the atoms of a structure."""
        return slice(int(self.first[structure]), int(self.first[structure + 1]))

    def moved(self, positions: FloatArray, cells: FloatArray) -> FlatStructures:
        """Return the same atoms at other positions in other cells."""
        return replace(self, positions=positions, cells=cells)

    def _require_usable(self, structures: Sequence[ase.Atoms], number: int) -> None:
        """Check all at once, and one by one only those that are unusual."""
        near = np.asarray((np.abs(self.positions) <= FARTHEST).all(axis=1))
        lengths = np.linalg.norm(self.cells, axis=2).prod(axis=1)
        usual = np.asarray(self.pbc.all(axis=1)) & (self.volumes > 1e-6 * lengths) & (lengths < FARTHEST)
        for k, atoms in enumerate(structures):
            if usual[k] and near[self.atoms_of(k)].all():
                continue
            try:
                require_usable(atoms)
            except ValueError as error:
                raise ValueError(f"structure {number + k}: {error}") from error


def images_within(
    numbers: NDArray[np.integer], positions: FloatArray, cell: FloatArray, pbc: BoolArray, reach: float
) -> Images:
    """Find the pairs of one structure closer than ``reach`` (Å), and perhaps some `ROUNDING` farther apart."""
    if len(numbers) == 0:
        return Images(np.zeros(0, np.int64), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    translations = _translations(positions, cell, pbc, reach)
    if translations is None:
        return _by_grid(ase.Atoms(numbers, positions, cell=cell, pbc=pbc), reach)
    middle = positions.mean(axis=0)
    centers = positions - middle
    size = np.sqrt(np.einsum("ic,ic->i", centers, centers).max())
    lattice = translations @ cell
    near = np.einsum("tc,tc->t", lattice, lattice) < (reach + 2 * size + ROUNDING) ** 2
    translations, lattice = translations[near], lattice[near]
    images = (centers[:, None] + lattice).reshape(-1, 3)
    distance = np.einsum("ic,ic->i", images, images)
    within = np.flatnonzero(distance < (reach + size + ROUNDING) ** 2)
    owner, which = np.divmod(within, len(lattice))
    squares = centers @ images[within].T
    squares *= -2
    squares += np.einsum("ic,ic->i", centers, centers)[:, None]
    squares += distance[within]
    itself = np.flatnonzero(~translations[which].any(axis=1))
    squares[owner[itself], itself] = np.inf
    pair_i, pair_image = np.nonzero(squares < (reach + ROUNDING) ** 2)
    return Images(owner, translations[which], pair_i, pair_image)


def _translations(positions: FloatArray, cell: FloatArray, pbc: BoolArray, reach: float) -> FloatArray | None:
    """Return shifts S that may bring an atom within reach of another [n, 3]; None if they are too many."""
    periodic = bool(pbc.all())
    inverse = np.linalg.inv(cell) if periodic else inverse_of(cell, pbc)
    fractional = positions @ inverse
    reaches = reach * np.sqrt(np.einsum("ck,ck->k", inverse, inverse))
    most = np.floor(reaches + fractional.max(axis=0) - fractional.min(axis=0) + 1e-9)
    a, b, c = most.tolist() if periodic else np.where(pbc, most, 0.0).tolist()
    if not (2 * a + 1) * (2 * b + 1) * (2 * c + 1) * len(positions) ** 2 <= MOST_CANDIDATES:
        return None
    return _box(int(a), int(b), int(c))


@functools.lru_cache(maxsize=256)
def _box(a: int, b: int, c: int) -> FloatArray:
    """Return all shifts S of up to this many cells along each vector [(2a+1)(2b+1)(2c+1), 3]."""
    axes = [np.arange(-n, n + 1.0) for n in (a, b, c)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _by_grid(atoms: ase.Atoms, reach: float) -> Images:
    """Find the pairs by `neighbor_pairs`, with an image for each."""
    pair_i, pair_j, shifts = neighbor_pairs(atoms, reach)
    return Images(pair_j, shifts.astype(float), pair_i, np.arange(len(pair_i)))
