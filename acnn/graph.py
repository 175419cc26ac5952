"""AtomicGraph: the only input of a potential.

Contract: ``pair_vectors[p] = r_j - r_i + S·cell`` in Å from center ``i = pair_i[p]`` to neighbor
``j = pair_j[p]``, both directions of every pair, sorted by center.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def dtype_of(name: str) -> torch.dtype:
    """Return the dtype of pair vectors, and thereby of an evaluation, by its name."""
    if name not in DTYPES:
        raise ValueError(f"dtype must be 'float32' or 'float64', not {name!r}")
    return DTYPES[name]


@dataclass(frozen=True)
class AtomicGraph:
    """Atoms and the vectors between neighbors, of one structure or several.

    Centers are the first ``n_centers`` atoms; atoms after them (ghosts of a domain decomposition)
    only appear as neighbors.

    Attributes:
        species: atomic numbers, int64 [n_atoms].
        pair_i: centers, int64 [n_pairs], ascending.
        pair_j: neighbors, int64 [n_pairs].
        pair_vectors: r_ij in Å [n_pairs, 3]; forces have its dtype, energies are float64.
        structure: index of the structure an atom belongs to, int64 [n_atoms], ascending.
        n_structures: number of structures (some may be without pairs).
        n_centers: number of atoms with a site energy.
    """

    species: Tensor
    pair_i: Tensor
    pair_j: Tensor
    pair_vectors: Tensor
    structure: Tensor
    n_structures: int
    n_centers: int

    @property
    def n_atoms(self) -> int:
        """Number of atoms, ghosts included."""
        return int(self.species.shape[0])

    @property
    def n_pairs(self) -> int:
        """Number of pairs, both directions counted."""
        return int(self.pair_i.shape[0])

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> AtomicGraph:
        """Copy the graph to another device, and its pair vectors to another dtype."""
        return replace(
            self,
            species=self.species.to(device),
            pair_i=self.pair_i.to(device),
            pair_j=self.pair_j.to(device),
            pair_vectors=self.pair_vectors.to(device=device, dtype=dtype),
            structure=self.structure.to(device),
        )

    def with_pair_vectors(self, pair_vectors: Tensor) -> AtomicGraph:
        """Return the graph with other pair vectors."""
        return replace(self, pair_vectors=pair_vectors)

    def pair_bounds(self) -> Tensor:
        """Return the first pair of each structure, and the number of pairs, int64 [n_structures + 1]."""
        structures = torch.arange(self.n_structures + 1, device=self.structure.device)
        first_atoms = torch.searchsorted(self.structure.contiguous(), structures)
        return torch.searchsorted(self.pair_i.contiguous(), first_atoms)

    def squared_lengths(self) -> Tensor:
        """Return r² of every pair, Å² [n_pairs]."""
        # A product with ones: sum() over an axis of three is eight times slower.
        return self.pair_vectors.square() @ self.pair_vectors.new_ones(3)

    def pairs_within(self, cutoff: float) -> Tensor:
        """Return the indices of the pairs closer than ``cutoff`` (Å), ascending."""
        return torch.nonzero(self.squared_lengths() < cutoff * cutoff)[:, 0]

    def within(self, cutoff: float) -> AtomicGraph:
        """Return the graph without the pairs at or beyond ``cutoff`` (Å)."""
        inside = self.pairs_within(cutoff)
        if len(inside) == self.n_pairs:
            return self
        return replace(
            self,
            pair_i=self.pair_i[inside],
            pair_j=self.pair_j[inside],
            pair_vectors=self.pair_vectors[inside],
        )

    def center_chunks(self, max_pairs: int, max_centers: int = 500) -> Iterator[tuple[slice, slice]]:
        """Yield consecutive (centers, pairs) slices within these limits; a single center may exceed ``max_pairs``."""
        if bool((self.pair_i[1:] < self.pair_i[:-1]).any()):
            raise ValueError("the pairs of a graph must be sorted by center (pair_i ascending)")
        ends = torch.searchsorted(
            self.pair_i.contiguous(), torch.arange(self.n_centers, device=self.pair_i.device), right=True
        ).tolist()
        first_center, first_pair = 0, 0
        for center in range(self.n_centers):
            too_long = ends[center] - first_pair > max_pairs or center - first_center >= max_centers
            if too_long and center > first_center:
                yield slice(first_center, center), slice(first_pair, ends[center - 1])
                first_center, first_pair = center, ends[center - 1]
        if first_center < self.n_centers:
            yield slice(first_center, self.n_centers), slice(first_pair, self.n_pairs)


def batch(graphs: Sequence[AtomicGraph]) -> AtomicGraph:
    """Join several graphs without ghosts; structures are numbered consecutively."""
    if not graphs:
        raise ValueError("batch() needs at least one graph")
    if any(graph.n_centers != graph.n_atoms for graph in graphs):
        raise ValueError("graphs with ghost atoms cannot be batched")
    atom_offsets = _offsets([graph.n_atoms for graph in graphs])
    structure_offsets = _offsets([graph.n_structures for graph in graphs])
    return AtomicGraph(
        species=torch.cat([graph.species for graph in graphs]),
        pair_i=torch.cat([g.pair_i + o for g, o in zip(graphs, atom_offsets, strict=True)]),
        pair_j=torch.cat([g.pair_j + o for g, o in zip(graphs, atom_offsets, strict=True)]),
        pair_vectors=torch.cat([graph.pair_vectors for graph in graphs]),
        structure=torch.cat([g.structure + o for g, o in zip(graphs, structure_offsets, strict=True)]),
        n_structures=sum(graph.n_structures for graph in graphs),
        n_centers=sum(graph.n_centers for graph in graphs),
    )


def subgraph(graph: AtomicGraph, centers: slice, pairs: slice) -> AtomicGraph:
    """Return the graph of a slice of centers, followed by their neighbors as ghosts."""
    if centers.start == 0 and centers.stop == graph.n_centers:
        return graph
    n_centers = centers.stop - centers.start
    neighbors, pair_j = torch.unique(graph.pair_j[pairs], return_inverse=True)
    return AtomicGraph(
        species=torch.cat([graph.species[centers], graph.species[neighbors]]),
        pair_i=graph.pair_i[pairs] - centers.start,
        pair_j=pair_j + n_centers,
        pair_vectors=graph.pair_vectors[pairs],
        structure=torch.cat([graph.structure[centers], graph.structure[neighbors]]),
        n_structures=graph.n_structures,
        n_centers=n_centers,
    )


def _offsets(sizes: list[int]) -> list[int]:
    offsets = [0]
    for size in sizes[:-1]:
        offsets.append(offsets[-1] + size)
    return offsets
