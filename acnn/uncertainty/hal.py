"""Hyperactive learning: dynamics that are driven to where a committee disagrees.

    E_HAL = E - τ σ                                       Witt et al. 2023, eq. (18)
    f_i   = 1/K Σ_k |F_i^k - F_i| / (|F_i| + ε)           eq. (19)
    τ     = τ_r <|F|> / <|∇σ|>                            van der Oord et al., npj Comput. Mater. 9, 168 (2023)

σ is the spread of the energies of K members (`acnn.uncertainty.spread_gradients`), and the averages run over atoms and
the last steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from acnn.uncertainty.committee import Deviations


def relative_force_uncertainties(deviations: Deviations, forces: Tensor, epsilon: float) -> Tensor:
    """Return f_i of eq. (19) [n_atoms].

    Args:
        deviations: of the members, with forces.
        forces: F_i of the model, eV/Å [n_atoms, 3].
        epsilon: ε, eV/Å; 0.2 to 0.4 are usual.
    """
    if deviations.forces is None:
        raise ValueError("relative uncertainties need the forces of the members: forces=True")
    scatter = torch.linalg.vector_norm(deviations.forces, dim=2).mean(dim=0)
    return scatter / (torch.linalg.vector_norm(forces, dim=1) + epsilon)


@dataclass
class BiasStrength:
    """τ, adapted during a run so that the bias pulls about τ_r times as strongly as the forces of the model.

    Attributes:
        relative: τ_r; 0: no bias.
        memory: steps over which the norms of forces are averaged, with exponentially falling weights, and over which
            the bias rises at first.
    """

    relative: float
    memory: int = 100
    _force: float = field(default=0.0, init=False)
    _bias: float = field(default=0.0, init=False)
    _steps: int = field(default=0, init=False)

    def update(self, forces: Tensor, of_spread: Tensor) -> float:
        """Take in F and ∇σ of a step, eV/Å [n_atoms, 3], and return τ."""
        self._steps += 1
        share = 1.0 / min(self._steps, self.memory)
        self._force += share * (_mean_norm(forces) - self._force)
        self._bias += share * (_mean_norm(of_spread) - self._bias)
        return self.value

    @property
    def value(self) -> float:
        """τ now; 0 before the first step, and where all members agree."""
        rise = min(self._steps / self.memory, 1.0)
        return rise * self.relative * self._force / self._bias if self._bias > 0 else 0.0


def _mean_norm(vectors: Tensor) -> float:
    return float(torch.linalg.vector_norm(vectors, dim=1).mean()) if len(vectors) else 0.0
