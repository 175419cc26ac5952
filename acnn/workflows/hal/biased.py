"""The calculator of biased dynamics: E - τσ, its forces and stress, and how uncertain the forces of the model are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, all_changes
from ase.data import chemical_symbols

from acnn.basis.radial import pair_bond_lengths
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.graph import AtomicGraph
from acnn.neighbors import keep_shortest
from acnn.potential import PairGradients, Potential
from acnn.uncertainty import committee_deviations, grades, spread_gradients
from acnn.uncertainty.hal import BiasStrength, relative_force_uncertainties
from acnn.verlet import VerletList

SKIN = 0.5
"""Å"""


class BiasedCalculator(BaseCalculator):
    """A potential with a committee, less τ times the spread of its energy (`acnn.uncertainty.hal`).

    Args:
        potential: with a committee of coefficients.
        strength: gives τ, which changes with every call of `adapt`.
    """

    implemented_properties = ["energy", "forces", "stress", "free_energy"]

    def __init__(self, potential: Potential, strength: BiasStrength) -> None:
        super().__init__()
        self.potential, self.strength, self.tau = potential, strength, 0.0
        self._neighbors = VerletList(potential.cutoff, SKIN, torch.device("cpu"), potential.takes_longer_pairs)
        self._graph: AtomicGraph | None = None
        self._model: PairGradients | None = None
        self._spread: PairGradients | None = None

    def calculate(self, atoms: Atoms, properties: Sequence[str], system_changes: Sequence[str] = all_changes) -> None:
        """Evaluate the model and the spread of its energy."""
        self.atoms = atoms.copy()
        graph = self._graph = self._neighbors.graph(atoms)
        self._model = self.potential.pair_gradients(graph)
        self._spread = spread_gradients(self.potential, graph) if self.strength.relative > 0 else None
        self._combine()

    def adapt(self, strength: float) -> None:
        """Adapt τ, with τ_r of this strength, to the forces at the last structure; its results get the new τ."""
        if self._model is not None and self._spread is not None:
            self.strength.relative = strength
            self.tau = self.strength.update(self._model.forces, self._spread.forces)
            self._combine()

    def _combine(self) -> None:
        assert self._model is not None
        assert self.atoms is not None
        energy, forces, virial = self._model.energies[0], self._model.forces, self._model.virials[0]
        if self._spread is not None:
            energy = energy - self.tau * self._spread.energies[0]
            forces, virial = forces - self.tau * self._spread.forces, virial - self.tau * self._spread.virials[0]
        self.results: dict[str, Any] = {
            "energy": float(energy),
            "free_energy": float(energy),
            "forces": forces.numpy(),
        }
        if self.atoms.cell.rank == 3:
            self.results["stress"] = voigt_from_full(stress_from_virial(virial.numpy(), self.atoms.get_volume()))

    def uncertainty(self, flag: str, epsilon: float) -> float:
        """Return the largest f or γ of an atom of the last structure."""
        assert self._graph is not None
        assert self._model is not None
        if flag == "gamma":
            return float(grades(self.potential, self._graph).max())
        deviations = committee_deviations(self.potential, self._graph)
        return float(relative_force_uncertainties(deviations, self._model.forces, epsilon).max())

    @property
    def closest(self) -> float:
        """The shortest distance of the last structure, in bond lengths; infinite without neighbors."""
        assert self._graph is not None
        return shortest_in_bonds(self._graph)


def shortest_in_bonds(graph: AtomicGraph) -> float:
    """Return the shortest distance in units of the bond length of its elements; infinite without neighbors."""
    elements = [chemical_symbols[z] for z in torch.unique(graph.species).tolist()]
    shortest = np.full((len(elements), len(elements)), np.inf)
    keep_shortest(graph, elements, shortest)
    return float((shortest / pair_bond_lengths(elements)).min())
