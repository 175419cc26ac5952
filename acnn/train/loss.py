"""The loss of a training step.

    L = Σ_q w_q / n̄_q Σ_k ω_k ρ_q(Δ_k) ,   q = energy, forces, virial

over the labels k of a batch, with the errors Δ

    energy   (E - E_ref) / N         eV/atom    one for each structure of N atoms
    forces   F - F_ref               eV/Å       three for each atom
    virial   (W - W_ref) / N         eV/atom    nine for each structure

w_q are the weights of the loss, which change with the epoch; ω_k those of a structure, by config type; n̄_q is the mean
number of labels in a batch, so that the mean of L over the batches of an epoch is the mean over the data, however they
are divided. ρ is the square, or Huber's function with the same curvature at zero.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from acnn.potential import PairGradients
from acnn.settings.training import LossSettings


class Labels(NamedTuple):
    """Targets of a batch of S structures with A atoms; ω is 0 where there is no label.

    Attributes:
        energies: eV [S], float64.
        forces: eV/Å [A, 3].
        virials: eV [S, 3, 3].
        n_atoms: of each structure, float64 [S].
        energy_weights, virial_weights: ω [S].
        force_weights: ω [A].
    """

    energies: Tensor
    forces: Tensor
    virials: Tensor
    n_atoms: Tensor
    energy_weights: Tensor
    force_weights: Tensor
    virial_weights: Tensor


class Deltas(NamedTuple):
    """The errors at which Huber's function becomes linear: eV/atom, eV/Å, eV/atom; None: never."""

    energy: float | None = None
    forces: float | None = None
    virial: float | None = None


def deltas_of(settings: LossSettings) -> Deltas:
    """Return the Huber parameters of a loss."""
    usual = {"energy": 0.01, "forces": 0.1, "virial": 0.05}
    return Deltas() if settings.kind == "l2" else Deltas(**usual | {str(k): v for k, v in settings.deltas.items()})


def penalty(error: Tensor, delta: float | None) -> Tensor:
    """Return ρ(Δ) = Δ², or 2 δ |Δ| - δ² for |Δ| > δ."""
    if delta is None:
        return error.square()
    size = error.abs()
    return torch.where(size <= delta, error.square(), 2 * delta * size - delta**2)


def penalties(found: PairGradients, labels: Labels, deltas: Deltas, with_virials: bool = True) -> Tensor:
    """Return Σ_k ω_k ρ_q(Δ_k) of energies, forces and virials [3], float64."""
    energy = penalty((found.energies - labels.energies) / labels.n_atoms, deltas.energy) @ labels.energy_weights
    forces = penalty(found.forces - labels.forces, deltas.forces).sum(dim=1) @ labels.force_weights
    if not with_virials:
        return torch.stack([energy, forces.double(), torch.zeros_like(energy)])
    per_atom = (found.virials - labels.virials) / labels.n_atoms[:, None, None].to(labels.virials.dtype)
    virial = penalty(per_atom, deltas.virial).sum(dim=(1, 2)) @ labels.virial_weights
    return torch.stack([energy, forces.double(), virial.double()])
