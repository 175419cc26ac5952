"""Rows of the least-squares problem: energies, forces and virials as linear functions of the coefficients.

E  = E_fixed + Σ_i B_i · c
F_i = F_fixed + Σ_j (dB_i/dr_ij - dB_j/dr_ji) · c
W  = W_fixed - Σ_ij r_ij ⊗ dB_i/dr_ij · c
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import ase
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from acnn.basis.ace import ACEBasis
from acnn.basis.derivatives import BasisDerivatives
from acnn.conventions import VOIGT_COLUMNS, VOIGT_ROWS, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.graph import AtomicGraph
from acnn.models.linear import FixedTerms, LinearACE
from acnn.models.reference import zbl_energy
from acnn.neighbors import atomic_graph

FloatArray = NDArray[np.float64]

REPULSIVE_RANGE = (0.05, 0.6)
"""In bond lengths: where dimers are asked to repel."""
N_REPULSIVE_DISTANCES = 12


@dataclass(frozen=True)
class StructureRows:
    """Basis values of one structure: energy [p] (eV), forces [3 n_atoms, p] (eV/Å), virial [6, p] (eV, Voigt)."""

    energy: FloatArray
    forces: FloatArray | None
    virial: FloatArray | None


def structure_rows(basis: ACEBasis, derivatives: BasisDerivatives | None, graph: AtomicGraph) -> StructureRows:
    """All rows of one structure; energies alone, without ``derivatives``, are much cheaper."""
    with torch.no_grad():
        energy = basis(graph).sum(dim=1).numpy() if graph.n_pairs else np.zeros(basis.n_functions)
        if derivatives is None:
            return StructureRows(energy, None, None)
        forces = torch.zeros(graph.n_atoms, 3, basis.n_functions, dtype=graph.pair_vectors.dtype)
        virial = torch.zeros(3, 3, basis.n_functions, dtype=graph.pair_vectors.dtype)
        if graph.n_pairs:
            for block in derivatives(graph):
                _accumulate(forces, virial, graph, block.columns, block.pairs, block.values)
        voigt = 0.5 * (virial + virial.transpose(0, 1))[list(VOIGT_ROWS), list(VOIGT_COLUMNS)]
        return StructureRows(energy, forces.reshape(-1, basis.n_functions).numpy(), voigt.numpy())


def _accumulate(
    forces: Tensor, virial: Tensor, graph: AtomicGraph, columns: slice, pairs: Tensor, gradients: Tensor
) -> None:
    n_columns = gradients.shape[2]
    block = gradients.new_zeros(graph.n_atoms, 3, n_columns)
    block.index_add_(0, graph.pair_i[pairs], gradients)
    block.index_add_(0, graph.pair_j[pairs], gradients, alpha=-1)
    forces[:, :, columns] += block
    vectors = graph.pair_vectors[pairs]
    virial[:, :, columns] -= (vectors.T @ gradients.flatten(1)).reshape(3, 3, n_columns)


class Assembler:
    """Weighted rows and targets of labeled structures, for a model whose fixed terms are subtracted."""

    def __init__(self, model: LinearACE) -> None:
        self.model = model
        self._derivatives = BasisDerivatives(model.basis)

    def __call__(self, structure: LabeledStructure) -> tuple[FloatArray, FloatArray]:
        """Rows [n, p] and targets [n]: weight · (label - fixed part); energy and virial weights over sqrt(n_atoms)."""
        graph = atomic_graph(structure.atoms, self.model.cutoff)
        gradients = structure.forces is not None or structure.virial is not None
        rows = structure_rows(self.model.basis, self._derivatives if gradients else None, graph)
        fixed = self._fixed_part(graph)
        weights, per_atom = structure.weights, 1 / np.sqrt(len(structure.atoms))
        parts: list[tuple[FloatArray, FloatArray]] = []
        if structure.energy is not None and weights.energy > 0:
            weight = weights.energy * per_atom
            parts.append((weight * rows.energy[None], weight * np.array([structure.energy - fixed[0]])))
        if structure.forces is not None and rows.forces is not None and weights.forces > 0:
            target = (structure.forces - fixed[1]).reshape(-1)
            parts.append((weights.forces * rows.forces, weights.forces * target))
        if structure.virial is not None and rows.virial is not None and weights.virial > 0:
            weight = weights.virial * per_atom
            parts.append((weight * rows.virial, weight * voigt_from_full(structure.virial - fixed[2])))
        if not parts:
            return np.zeros((0, len(rows.energy))), np.zeros(0)
        return np.concatenate([a for a, _ in parts]), np.concatenate([y for _, y in parts])

    def _fixed_part(self, graph: AtomicGraph) -> tuple[float, FloatArray, FloatArray]:
        fixed = FixedTerms(self.model).pair_gradients(graph)
        return float(fixed.energies[0]), fixed.forces.numpy(), fixed.virials[0].numpy()


def repulsion_rows(model: LinearACE, weight: float) -> tuple[FloatArray, FloatArray]:
    """Rows that ask dimers, weakly, to repel like bare nuclei where cores overlap.

    weight · (E_dimer(r) / V_ZBL(r) - 1) for every pair of elements at distances up to 0.6 bond lengths: relative
    deviations, so that the restraint shapes what no data determine and yields where there are any. It takes the place
    of P(y(0)) = 1 (paper, Sec. II B 2), which fixes one point and lets the polynomial swing below it.
    """
    rows, targets = [], []
    for a, b in itertools.combinations_with_replacement(range(len(model.elements)), 2):
        bond = float(model.basis.radial.r0[a, b])
        for distance in bond * np.linspace(*REPULSIVE_RANGE, N_REPULSIVE_DISTANCES):
            dimer = ase.Atoms([model.elements[a], model.elements[b]], positions=[[0, 0, 0], [distance, 0, 0]])
            graph = atomic_graph(dimer, model.cutoff)
            numbers = torch.as_tensor(dimer.numbers, dtype=torch.float64)
            repulsion = float(zbl_energy(torch.tensor(distance), numbers[0], numbers[1]))
            row = structure_rows(model.basis, None, graph).energy
            fixed = float((model.fixed_energies(graph) - model.e0(graph)).sum())
            rows.append(weight * row / repulsion)
            targets.append(weight * (1 - fixed / repulsion))
    return np.array(rows), np.array(targets)
