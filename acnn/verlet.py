"""Verlet lists: pairs within cutoff plus skin, searched again only when a pair may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.arrays import BoolArray, FloatArray
from acnn.graph import AtomicGraph
from acnn.neighbors import graph_from_pairs, neighbor_pairs, pair_vectors


@dataclass(frozen=True)
class _Search:
    """The structure of the last search (cell in Å [3, 3]), and the pairs found."""

    numbers: NDArray[np.integer]
    pbc: BoolArray
    cell: FloatArray
    positions: FloatArray
    graph: AtomicGraph
    shifts: Tensor


class VerletList:
    """Pairs within the cutoff, selected from those that were within cutoff + skin at the last search.

    A pair that the search left out was at least cutoff + skin apart. If the cell has since changed from C_0 to
    C = C_0 F and atoms have moved by at most u beyond that strain, the pair is now at least s (cutoff + skin) - 2u
    apart, with s the smallest singular value of F. As long as this is not below the cutoff, no pair is missing; for a
    fixed cell this means u ≤ skin/2.

    Args:
        with_skin: leave the pairs of the skin in the graphs.

    Attributes:
        searches: number of searches so far.
    """

    def __init__(self, cutoff: float, skin: float, device: torch.device, with_skin: bool = False) -> None:
        if not 0 <= skin < np.inf:
            raise ValueError(f"the skin must be a finite distance of at least 0 Å, not {skin}")
        self.cutoff, self.skin, self.device, self.with_skin = cutoff, float(skin), device, with_skin
        self.searches = 0
        self._last: _Search | None = None

    def graph(self, atoms: ase.Atoms) -> AtomicGraph:
        """Return the graph of all pairs within the cutoff, or within the skin too if `with_skin`, in float64."""
        last = self._last
        if last is None or not self._still_complete(last, atoms):
            last = self._last = self._search(atoms)
        graph = last.graph.with_pair_vectors(self._pair_vectors(last, atoms))
        return graph if self.with_skin else graph.within(self.cutoff)

    def _search(self, atoms: ase.Atoms) -> _Search:
        self.searches += 1
        pair_i, pair_j, shifts = neighbor_pairs(atoms, self.cutoff + self.skin)
        vectors = pair_vectors(atoms, pair_i, pair_j, shifts)
        graph = graph_from_pairs(atoms.numbers, pair_i, pair_j, vectors).to(self.device)
        places = atoms.pbc.copy(), atoms.cell.array.copy(), atoms.positions.copy()
        return _Search(atoms.numbers.copy(), *places, graph, torch.as_tensor(shifts * 1.0).to(self.device))

    def _still_complete(self, last: _Search, atoms: ase.Atoms) -> bool:
        if not (np.array_equal(last.numbers, atoms.numbers) and np.array_equal(last.pbc, atoms.pbc)):
            return False
        stretch, reference = 1.0, last.positions
        if not np.array_equal(last.cell, atoms.cell.array):
            if not last.pbc.all():
                return False
            deformation = np.linalg.solve(last.cell, atoms.cell.array)
            stretch = float(np.linalg.svd(deformation, compute_uv=False)[-1])
            reference = last.positions @ deformation
        moved = atoms.positions - reference
        farthest = np.sqrt(np.max(np.einsum("ic,ic->i", moved, moved), initial=0.0))
        return bool(stretch * (self.cutoff + self.skin) - 2 * farthest >= self.cutoff)  # False for NaN

    def _pair_vectors(self, last: _Search, atoms: ase.Atoms) -> Tensor:
        """Return r_ij = r_j - r_i + S·cell [n_pairs, 3]."""
        positions = torch.as_tensor(atoms.positions).to(self.device)
        cell = torch.as_tensor(atoms.cell.array).to(self.device)
        pairs = last.graph
        ends, starts = positions.index_select(0, pairs.pair_j), positions.index_select(0, pairs.pair_i)
        return torch.addmm(ends.sub_(starts), last.shifts, cell)


def _equal(before: NDArray[Any], now: NDArray[Any], tolerance: float) -> bool:
    return bool((before == now).all() or (tolerance > 0 and (np.abs(1.0 * before - now) <= tolerance).all()))
