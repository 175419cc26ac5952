"""Neighbor lists: ``r_ij = r_j - r_i + S·cell`` for every pair closer than the cutoff.

`atomic_graph` is the entry point. Pairs come from vesin, those of unusual structures from `acnn.tree_search`;
`brute_force_pairs` is the slow reference of the tests.
Periodic images count as separate neighbors, an atom's own images included.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import ase
import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray
from vesin import NeighborList

from acnn.arrays import FloatArray, IntArray
from acnn.conventions import FARTHEST
from acnn.graph import AtomicGraph
from acnn.tree_search import MOST_PAIRS, TooManyPairsError, heights, inverse_of, tree_pairs


def atomic_graph(
    atoms: ase.Atoms, cutoff: float, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> AtomicGraph:
    """Make the graph of one structure with all pairs strictly within ``cutoff`` (Å)."""
    pair_i, pair_j, shifts = neighbor_pairs(atoms, cutoff)
    vectors = pair_vectors(atoms, pair_i, pair_j, shifts)
    return graph_from_pairs(atoms.numbers, pair_i, pair_j, vectors).to(device, dtype)


def graph_from_pairs(
    numbers: NDArray[np.integer], pair_i: IntArray, pair_j: IntArray, vectors: FloatArray
) -> AtomicGraph:
    """Make the graph of one structure from its atomic numbers and pairs sorted by center."""
    n_atoms = len(numbers)
    return AtomicGraph(
        species=torch.as_tensor(np.asarray(numbers, dtype=np.int64)),
        pair_i=torch.as_tensor(pair_i),
        pair_j=torch.as_tensor(pair_j),
        pair_vectors=torch.as_tensor(vectors),
        structure=torch.zeros(n_atoms, dtype=torch.int64),
        n_structures=1,
        n_centers=n_atoms,
    )


def neighbor_pairs(atoms: ase.Atoms, cutoff: float) -> tuple[IntArray, IntArray, IntArray]:
    """Find centers [n_pairs], neighbors [n_pairs] and cell shifts S [n_pairs, 3], sorted by center.

    Raises:
        ValueError: positions or cell are invalid.
        TooManyPairsError: the pairs would not fit in memory.
    """
    _validate(atoms, cutoff)
    if len(atoms) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 3), np.int64)
    _require_memory(atoms, cutoff)
    i, j, shifts = _grid_pairs(atoms, cutoff) if _suits_a_grid(atoms, cutoff) else _tree_pairs(atoms, cutoff)
    order = np.argsort(i, kind="stable")
    return i[order].astype(np.int64), j[order].astype(np.int64), shifts[order].astype(np.int64)


def _grid_pairs(atoms: ase.Atoms, cutoff: float) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    search = NeighborList(cutoff=cutoff, full_list=True)
    cell = np.where(np.asarray(atoms.pbc)[:, None], atoms.cell.array, 0.0)
    i, j, shifts, distances = search.compute(
        points=atoms.positions, box=cell, periodic=atoms.pbc.tolist(), quantities="ijSd"
    )
    inside = distances < cutoff
    return i[inside], j[inside], shifts[inside]


def _tree_pairs(atoms: ase.Atoms, cutoff: float) -> tuple[IntArray, IntArray, IntArray]:
    i, j, shifts = tree_pairs(atoms.positions, atoms.cell.array, atoms.pbc, cutoff)
    inside = np.linalg.norm(pair_vectors(atoms, i, j, shifts), axis=1) < cutoff
    return i[inside], j[inside], shifts[inside]


def _suits_a_grid(atoms: ase.Atoms, cutoff: float) -> bool:
    """Return whether cells as wide as the cutoff are mostly occupied, and images of atoms are few."""
    inverse = inverse_of(atoms.cell.array, atoms.pbc)
    fractional, height = atoms.positions @ inverse, heights(inverse, atoms.pbc)
    extent = np.where(atoms.pbc, height, np.ptp(fractional, axis=0))
    n_cells, n_images = np.prod(1 + extent / cutoff), np.prod(1 + 2 * cutoff / height)
    near = np.abs(fractional[:, atoms.pbc]).max(initial=0.0) < 1000
    few = n_images < max(1000, 1_000_000 / len(atoms)) and n_cells < 1000 + 30 * len(atoms)
    return bool(near and few)


def _require_memory(atoms: ase.Atoms, cutoff: float) -> None:
    """Check a lower bound of the number of pairs and, for fully periodic structures, their mean number."""
    n_squared, n_pairs = float(len(atoms)) ** 2, 0.0
    if n_squared > MOST_PAIRS:
        n_pairs = _pairs_inside_cells(np.floor(atoms.positions * (np.sqrt(3) / cutoff)).astype(np.int64))
    if atoms.pbc.all():
        n_pairs = max(n_pairs, n_squared * 4 / 3 * np.pi * cutoff**3 / atoms.cell.volume)
    if n_pairs > MOST_PAIRS:
        raise TooManyPairsError(n_pairs, len(atoms), cutoff)


def _pairs_inside_cells(cells: IntArray) -> float:
    """Count pairs of atoms in the same cell (cells [n_atoms, 3]), which is so small that all its atoms are neighbors.

    Hashes of the three indices are faster to compare; collisions can only make the count too large, so it is verified.
    """
    n_pairs = _equal_pairs(cells @ np.array([1, 73856093, 19349663 * 83492791]), None)
    return n_pairs if n_pairs <= MOST_PAIRS else _equal_pairs(cells, 0)


def _equal_pairs(values: IntArray, axis: int | None) -> float:
    counts = np.unique(values, axis=axis, return_counts=True)[1]
    return float((counts * (counts - 1.0)).sum())


def keep_shortest(graph: AtomicGraph, elements: Sequence[str], shortest: FloatArray) -> None:
    """Update the shortest distances (Å) by pair of elements [n_elements, n_elements] with those of a graph.

    Args:
        elements: chemical symbols, by ascending atomic number, including those of the graph.
    """
    index = np.searchsorted([atomic_numbers[element] for element in elements], graph.species.numpy())
    lengths = np.linalg.norm(graph.pair_vectors.numpy(), axis=1)
    np.minimum.at(shortest, (index[graph.pair_i.numpy()], index[graph.pair_j.numpy()]), lengths)


def pair_vectors(atoms: ase.Atoms, pair_i: IntArray, pair_j: IntArray, shifts: IntArray) -> FloatArray:
    """Return r_ij = r_j - r_i + S·cell in Å [n_pairs, 3]."""
    return atoms.positions[pair_j] - atoms.positions[pair_i] + shifts @ atoms.cell.array


def brute_force_pairs(atoms: ase.Atoms, cutoff: float) -> tuple[IntArray, IntArray, IntArray]:
    """Find the same as `neighbor_pairs` by trying every image: O(N² · images), for tests."""
    _validate(atoms, cutoff)
    reach = _image_reach(atoms, cutoff)
    found = []
    for shift in itertools.product(*(range(-n, n + 1) for n in reach)):
        vectors = atoms.positions[None] - atoms.positions[:, None] + np.asarray(shift) @ atoms.cell.array
        inside = np.linalg.norm(vectors, axis=-1) < cutoff
        if not any(shift):
            np.fill_diagonal(inside, False)
        found += [(i, j, *shift) for i, j in np.argwhere(inside)]
    table = np.array(sorted(found), dtype=np.int64).reshape(-1, 5)
    return table[:, 0], table[:, 1], table[:, 2:]


def _image_reach(atoms: ase.Atoms, cutoff: float) -> list[int]:
    """Return the number of cells to search along each periodic vector (atoms may lie outside the cell)."""
    if not atoms.pbc.any():
        return [0, 0, 0]
    inverse = np.linalg.pinv(np.where(atoms.pbc[:, None], atoms.cell.array, 0.0))
    fractional = atoms.positions @ inverse
    spread = np.ptp(fractional, axis=0) if len(atoms) else np.zeros(3)
    reach = np.ceil(cutoff * np.linalg.norm(inverse, axis=0) + spread).astype(int)
    return [int(n) if periodic else 0 for n, periodic in zip(reach, atoms.pbc, strict=True)]


def _validate(atoms: ase.Atoms, cutoff: float) -> None:
    if not 0 < cutoff < np.inf:
        raise ValueError(f"the cutoff must be positive and finite, not {cutoff} Å")
    require_usable(atoms)


def require_usable(atoms: ase.Atoms) -> None:
    """Require that positions are finite and near enough, and that periodic cell vectors are independent."""
    far = ~(np.abs(atoms.positions) <= FARTHEST).all(axis=1)  # NaN counts as far
    if far.any():
        bad = int(np.argmax(far))
        raise ValueError(
            f"atom {bad} has the position {atoms.positions[bad].tolist()} Å: positions must be finite and below "
            f"{FARTHEST:.0e} Å, beyond which distances lose precision"
        )
    _require_usable_cell(atoms)


def _require_usable_cell(atoms: ase.Atoms) -> None:
    lengths = np.linalg.norm(atoms.cell.array, axis=1)
    for axis, (periodic, length) in enumerate(zip(atoms.pbc, lengths, strict=True)):
        if periodic and not 0 < length <= FARTHEST:
            raise ValueError(
                f"the structure is periodic along cell vector {axis}, whose length is {length} Å: "
                f"set the cell (up to {FARTHEST:.0e} Å), or pbc to False"
            )
    if atoms.pbc.any() and np.linalg.matrix_rank(atoms.cell.array[atoms.pbc]) < atoms.pbc.sum():
        raise ValueError(f"the periodic cell vectors {atoms.cell.array[atoms.pbc].tolist()} are not independent")
