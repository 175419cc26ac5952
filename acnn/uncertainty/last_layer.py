"""Committees of single networks: samples of the coefficients of the last layer (last-layer prediction rigidity).

With everything before the last layer fixed, a network is linear in the features f of its last hidden layer, and
Bayesian regression applies to them as to the functions of a linear ACE: labels minus predictions are the equations, the
evidence decides about noise and prior, and the posterior N(0, Σ) of the change of coefficients is sampled; or pointwise
optimal parameters are, see `acnn.solvers.pops` (Bigi et al., Mach. Learn.: Sci. Technol. 5, 045018 (2024)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from acnn.arrays import FloatArray
from acnn.conventions import voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.data.equations import equations_of
from acnn.graph import AtomicGraph
from acnn.models import Model
from acnn.neighbors import atomic_graph
from acnn.solvers import BLR, StreamingQR
from acnn.solvers.base import require_precision
from acnn.solvers.pops import PointwiseSets

Equations = tuple[FloatArray, FloatArray]


def add_last_layer_committee(
    model: Model,
    structures: Sequence[LabeledStructure],
    size: int,
    seed: int = 0,
    uncertainty: str = "pops",
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> None:
    """Give a network a committee, from the structures it was trained on.

    Args:
        size: number of members.
        uncertainty: "posterior" or "pops".
    """
    columns = _Columns(model, kernel)
    equations = []
    rows = StreamingQR(columns.n)
    for structure in structures:
        equations.append(columns.equations(structure))
        rows.add(*equations[-1])
        advance()
    solution = BLR().solve(rows.result(), np.ones(columns.n))
    if uncertainty == "pops":
        sets = PointwiseSets(solution.covariance_factor, require_precision(solution.noise_precision))
        for matrix, targets in equations:
            sets.add(matrix, targets)  # the coefficients remain those of the model
        deviations = sets.draw(size, seed)
    else:
        deviations = solution.draw(size, seed) - solution.coefficients
    model.set_last_layer(torch.as_tensor(deviations))


class _Columns:
    """The equations of a structure, with one column for each feature."""

    def __init__(self, model: Model, kernel: str | None) -> None:
        self.model, self.kernel = model, kernel
        self.n = model.last_layer_size
        self.parts = [model.of_features(unit) for unit in torch.eye(self.n, dtype=torch.float64)]

    def equations(self, structure: LabeledStructure) -> Equations:
        """Return weighted rows [m, n] and labels minus predictions [m]."""
        graph = atomic_graph(structure.atoms, self.model.cutoff)
        predicted = self.model.pair_gradients(graph, self.kernel)
        values = self._values(graph)
        given = float(predicted.energies[0]), predicted.forces.numpy(), predicted.virials[0].numpy()
        found = [(w * values[of], w * targets) for of, w, targets in equations_of(structure, *given)]
        if not found:
            return np.zeros((0, self.n)), np.zeros(0)
        return np.concatenate([rows for rows, _ in found]), np.concatenate([targets for _, targets in found])

    def _values(self, graph: AtomicGraph) -> dict[str, FloatArray]:
        """Return energies [1, n], forces [3 n_atoms, n] and virials [6, n] of the features."""
        found = [part.pair_gradients(graph, self.kernel) for part in self.parts]
        return {
            "energy": np.array([[float(one.energies[0]) for one in found]]),
            "forces": np.stack([one.forces.numpy().reshape(-1) for one in found], axis=1),
            "virial": np.stack([voigt_from_full(one.virials[0].numpy()) for one in found], axis=1),
        }
