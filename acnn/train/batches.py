"""Structures prepared for training: neighbor lists and residual labels in a few long tensors, and batches of them.

The linear part of a model is fixed, so the target of the network, label - (E0 + linear part), is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.graph import AtomicGraph
from acnn.models.network import NetworkACE
from acnn.neighbors import atomic_graph
from acnn.train.loss import Labels

USUAL = Weights()


class Batch(NamedTuple):
    """Some structures as one graph, and their labels."""

    graph: AtomicGraph
    labels: Labels


@dataclass(frozen=True)
class StructureStore:
    """S structures with A atoms and P pairs, one after the other.

    Attributes:
        atoms, pairs: numbers in each structure [S].
        pair_i, pair_j: atom indices within the structure [P].
        energies, forces, virials: targets of the network: eV [S], eV/Å [A, 3], eV [S, 3, 3].
        energy_weights, force_weights, virial_weights: ω of each structure [S], 0 without a label.
    """

    species: Tensor
    pair_i: Tensor
    pair_j: Tensor
    pair_vectors: Tensor
    atoms: Tensor
    pairs: Tensor
    energies: Tensor
    forces: Tensor
    virials: Tensor
    energy_weights: Tensor
    force_weights: Tensor
    virial_weights: Tensor

    def __len__(self) -> int:
        return len(self.atoms)

    @cached_property
    def first_atom(self) -> Tensor:
        """Position of the first atom of each structure [S]."""
        return torch.cumsum(self.atoms, 0) - self.atoms

    @cached_property
    def first_pair(self) -> Tensor:
        """Position of the first pair of each structure [S]."""
        return torch.cumsum(self.pairs, 0) - self.pairs

    def to(self, device: torch.device | str) -> StructureStore:
        """Copy everything to another device."""
        return StructureStore(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    @property
    def label_counts(self) -> tuple[int, int, int]:
        """Numbers of energies, force components and virial components with positive weights."""
        forces = int(self.atoms[self.force_weights > 0].sum())
        return int((self.energy_weights > 0).sum()), 3 * forces, 9 * int((self.virial_weights > 0).sum())

    def batch(self, chosen: Tensor) -> Batch:
        """Collect the structures of these indices in one graph."""
        atoms, pairs = self.atoms[chosen], self.pairs[chosen]
        atom, pair = _places(self.first_atom[chosen], atoms), _places(self.first_pair[chosen], pairs)
        offsets = torch.repeat_interleave(torch.cumsum(atoms, 0) - atoms, pairs)
        structure = torch.repeat_interleave(torch.arange(len(chosen), device=atoms.device), atoms)
        graph = AtomicGraph(
            species=self.species[atom],
            pair_i=self.pair_i[pair] + offsets,
            pair_j=self.pair_j[pair] + offsets,
            pair_vectors=self.pair_vectors[pair],
            structure=structure,
            n_structures=len(chosen),
            n_centers=len(atom),
        )
        weights = self.force_weights[chosen][structure]
        found = Labels(
            energies=self.energies[chosen],
            forces=self.forces[atom],
            virials=self.virials[chosen],
            n_atoms=atoms.double(),
            energy_weights=self.energy_weights[chosen],
            force_weights=weights,
            virial_weights=self.virial_weights[chosen],
        )
        return Batch(graph, found)


def _places(first: Tensor, counts: Tensor) -> Tensor:
    """Return first[0], first[0] + 1, … (counts[0] of them), first[1] …."""
    shifts = first - torch.cumsum(counts, 0) + counts
    repeated = torch.repeat_interleave(shifts, counts)
    return repeated + torch.arange(len(repeated), device=counts.device)


def factors(weights: Weights) -> Weights:
    """Return ω of a structure: its squared weights, as these multiply residuals, relative to {E: 30, F: 1, V: 1}."""
    relative = (weights.energy / USUAL.energy, weights.forces / USUAL.forces, weights.virial / USUAL.virial)
    return Weights(*(value**2 for value in relative))


def structure_store(
    model: NetworkACE,
    structures: Sequence[LabeledStructure],
    dtype: torch.dtype,
    advance: Callable[[], None] = lambda: None,
) -> StructureStore:
    """Prepare structures: neighbors within the cutoff of the network, and labels minus the linear part of the model.

    Structures in which no atom has a neighbor are left out: the network has no energy there.
    """
    rows = []
    for structure in structures:
        row = _row(model, structure, dtype)
        rows += [row] if len(row["pair_i"]) else []
        advance()
    if not rows:
        raise ValueError(
            f"no atom of {len(structures)} structures has a neighbor within {model.specification.cutoff} Å: there is "
            "nothing to learn"
        )
    single = {"energies", "virials", "atoms", "pairs", "energy_weights", "force_weights", "virial_weights"}
    return StructureStore(
        **{key: (torch.stack if key in single else torch.cat)([row[key] for row in rows]) for key in rows[0]}
    )


def _row(model: NetworkACE, structure: LabeledStructure, dtype: torch.dtype) -> dict[str, Tensor]:
    whole = atomic_graph(structure.atoms, model.cutoff)
    linear = model.linear.pair_gradients(whole)
    near = whole.within(model.specification.cutoff)
    weights = factors(structure.weights)
    energy = _residual(structure.energy, linear.energies[0])
    forces = _residual(structure.forces, linear.forces)
    virial = _residual(structure.virial, linear.virials[0])
    return {
        "species": near.species,
        "pair_i": near.pair_i,
        "pair_j": near.pair_j,
        "pair_vectors": near.pair_vectors.to(dtype),
        "atoms": torch.tensor(near.n_atoms),
        "pairs": torch.tensor(near.n_pairs),
        "energies": energy,
        "forces": forces.to(dtype),
        "virials": virial.to(dtype),
        "energy_weights": torch.tensor(weights.energy * (structure.energy is not None), dtype=torch.float64),
        "force_weights": torch.tensor(weights.forces * (structure.forces is not None), dtype=dtype),
        "virial_weights": torch.tensor(weights.virial * (structure.virial is not None), dtype=dtype),
    }


def _residual(label: float | np.ndarray | None, linear: Tensor) -> Tensor:
    """Return label minus linear part, 0 without a label."""
    return torch.zeros_like(linear) if label is None else torch.as_tensor(label, dtype=torch.float64) - linear


def shuffled_batches(atoms: Tensor, batch_atoms: int, seed: int, epoch: int) -> list[Tensor]:
    """Shuffle the structures of an epoch and divide them into `n_batches` batches of nearly equal size.

    Args:
        atoms: number in each structure [S].
        batch_atoms: desired number of atoms in a batch.

    Returns:
        The indices of the structures of each batch.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(atoms), generator=generator)
    return [part for part in cut(order, atoms, n_batches(atoms, batch_atoms)) if len(part)]


def in_order(store: StructureStore, batch_atoms: int) -> list[Tensor]:
    """Divide all structures, in order, into parts of nearly equal cost; some may be empty."""
    every = torch.arange(len(store), device=store.atoms.device)
    return cut(every, store.pairs, n_batches(store.atoms, batch_atoms))


def n_batches(atoms: Tensor, batch_atoms: int) -> int:
    """Return the number of batches of an epoch, including empty ones, which very unequal sizes can cause."""
    return max(1, min(len(atoms), round(int(atoms.sum()) / batch_atoms)))


def cut(order: Tensor, costs: Tensor, n: int) -> list[Tensor]:
    """Divide an ordered list of structures into n consecutive parts of nearly equal cost; some may be empty."""
    ordered = costs[order].double()
    middle = torch.cumsum(ordered, 0) - 0.5 * ordered
    part = torch.clamp((middle * n / ordered.sum()).long(), max=n - 1)
    return list(torch.split(order, torch.bincount(part, minlength=n).tolist()))
