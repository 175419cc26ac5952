"""Neighbor lists of many small structures in one graph, kept between steps like `acnn.verlet.VerletList`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.graph import AtomicGraph
from acnn.images import FlatStructures, Images, images_within


class _Search(NamedTuple):
    """A structure when its pairs were searched (cell [3, 3], positions [n_atoms, 3]), and what was found."""

    cell: FloatArray
    positions: FloatArray
    images: Images


class _Joined(NamedTuple):
    """The searches of several structures, with indices into all atoms and images."""

    keys: tuple[Hashable, ...]
    cells: FloatArray
    positions: FloatArray
    shifts: list[FloatArray]
    owner: IntArray
    pair_image: IntArray
    pairs_of_atom: IntArray
    graph: AtomicGraph


class ImageLists:
    """Pairs within cutoff + skin of several structures, searched again for each of them when one may be missing.

    That is the case under the condition of `acnn.verlet.VerletList`: s (cutoff + skin) - 2u < cutoff, with s the
    smallest singular value of the deformation of the cell since the search and u the farthest that an atom has moved
    beyond it. What was found is known by keys, so that structures may leave and others enter.

    Args:
        with_skin: leave the pairs of the skin in the graphs.

    Attributes:
        searches: number of searches so far.
    """

    def __init__(self, cutoff: float, skin: float, with_skin: bool = False) -> None:
        if not 0 <= skin < np.inf:
            raise ValueError(f"the skin must be a finite distance of at least 0 Å, not {skin}")
        self.cutoff, self.skin, self.with_skin = cutoff, float(skin), with_skin
        self.searches = 0
        self._known: dict[Hashable, _Search] = {}
        self._joined: _Joined | None = None

    def graph(self, flat: FlatStructures, keys: Sequence[Hashable]) -> AtomicGraph:
        """Return the graph of all pairs within the cutoff, or within the skin too if `with_skin`, in float64.

        Args:
            keys: identify the structures; one with the key of an earlier call has the same atoms.
        """
        missing = [k for k, key in enumerate(keys) if key not in self._known]
        joined = self._join(flat, keys, missing)
        stale = np.flatnonzero(~_complete(joined, flat, self.cutoff, self.skin)).tolist()
        if stale:
            joined = self._join(flat, keys, stale)
        graph = joined.graph.with_pair_vectors(torch.from_numpy(_pair_vectors(joined, flat)))
        return graph if self.with_skin else graph.within(self.cutoff)

    def _join(self, flat: FlatStructures, keys: Sequence[Hashable], to_search: Sequence[int]) -> _Joined:
        """Search some structures, forget those that left, and join what is known."""
        if self._joined is not None and not to_search and self._joined.keys == tuple(keys):
            return self._joined
        for k in to_search:
            self._known[keys[k]] = self._search(flat, k)
        self._known = {key: self._known[key] for key in keys}
        self._joined = _joined(flat, tuple(keys), list(self._known.values()))
        return self._joined

    def _search(self, flat: FlatStructures, structure: int) -> _Search:
        self.searches += 1
        atoms = flat.atoms_of(structure)
        place = flat.cells[structure].copy(), flat.positions[atoms].copy()
        reach = self.cutoff + self.skin
        return _Search(*place, images_within(flat.numbers[atoms], place[1], place[0], flat.pbc[structure], reach))


def _joined(flat: FlatStructures, keys: tuple[Hashable, ...], searches: Sequence[_Search]) -> _Joined:
    found = [search.images for search in searches]
    first_image = np.cumsum([0, *(len(images.owner) for images in found)])
    owner = np.concatenate([images.owner + first for images, first in zip(found, flat.first, strict=False)])
    pair_i = np.concatenate([images.pair_i + first for images, first in zip(found, flat.first, strict=False)])
    pair_image = np.concatenate([images.pair_image + first for images, first in zip(found, first_image, strict=False)])
    n_atoms = len(flat.numbers)
    graph = AtomicGraph(
        species=torch.from_numpy(flat.numbers),
        pair_i=torch.from_numpy(pair_i),
        pair_j=torch.from_numpy(owner[pair_image]),
        pair_vectors=torch.empty(0, 3),
        structure=torch.from_numpy(flat.structure),
        n_structures=flat.n_structures,
        n_centers=n_atoms,
    )
    places = np.array([search.cell for search in searches]), np.concatenate([search.positions for search in searches])
    shifts = [images.shifts for images in found]
    return _Joined(keys, *places, shifts, owner, pair_image, np.bincount(pair_i, minlength=n_atoms), graph)


def _complete(last: _Joined, flat: FlatStructures, cutoff: float, skin: float) -> BoolArray:
    """Return for which structures no pair can be missing [n_structures]; False for NaN."""
    crystals = flat.pbc.all(axis=1)
    lattices, before = flat.cells, last.cells
    if not crystals.all():
        lattices, before = _filled(lattices), _filled(before)
    same = (flat.cells == last.cells).all(axis=(1, 2))
    deformation = np.linalg.solve(before, lattices)
    deformation[same] = np.eye(3)
    sizes = np.linalg.eigvalsh(deformation.transpose(0, 2, 1) @ deformation)
    stretch = np.sqrt(np.maximum(sizes[:, 0], 0.0))
    moved = flat.positions - np.einsum("ic,icd->id", last.positions, deformation[flat.structure])
    farthest = np.sqrt(np.maximum.reduceat(np.einsum("ic,ic->i", moved, moved), flat.first[:-1]))
    fine: BoolArray = stretch * (cutoff + skin) - 2 * farthest >= cutoff
    return fine & (same | crystals)


def _filled(cells: FloatArray) -> FloatArray:
    """Return cells in which missing vectors are replaced, so that a deformation exists where the cell is the same."""
    singular = np.abs(np.linalg.det(cells)) == 0
    return np.where(singular[:, None, None], np.eye(3), cells)


def _pair_vectors(joined: _Joined, flat: FlatStructures) -> FloatArray:
    """Return r_j + S·cell - r_i in Å [n_pairs, 3]."""
    images = flat.positions[joined.owner]
    start = 0
    for shifts, cell in zip(joined.shifts, flat.cells, strict=True):
        images[start : start + len(shifts)] += shifts @ cell
        start += len(shifts)
    vectors = images.take(joined.pair_image, axis=0, mode="clip")  # three times as fast as images[…]
    vectors -= np.repeat(flat.positions, joined.pairs_of_atom, axis=0)
    return vectors
