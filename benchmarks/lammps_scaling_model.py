"""The time of one step on P ranks, from times measured on one.

    T = t_step + n t_atom + g t_ghost + messages · latency + bytes / bandwidth

Every rank owns a cube of n = N / P atoms with edge L = (n / ρ)^(1/3), and the atoms within r of it as ghosts:

    g = ρ ((L + 2 r)³ - L³),    r = cutoff + skin

t_step, t_atom and t_ghost are the least squares fit to runs on one rank, whose relative errors count, with boxes that
have many ghosts or few. There LAMMPS copies the ghosts, but sends nothing. On many ranks, per step,

    messages   12 ⌈r / L⌉: forward and reverse, three axes, two directions; and 2 ⌈log2 P⌉ for the ranks to agree
               whether neighbors are listed anew
    bytes      48 per ghost: its position there, its force back; and 48 more when neighbors are listed anew

Loads are equal, as in a crystal; that cores of one node share its memory and its clock is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

DENSITY = 8 / 5.43**3
"""Silicon, atoms per Å³."""
REACH = 5.5 + 1.0
"""Å: cutoff of the model, and skin."""
BYTES_PER_GHOST = 48


@dataclass(frozen=True)
class Costs:
    """Seconds of one step on one rank: per step, per atom, per ghost; largest relative deviation of the fit."""

    step: float
    atom: float
    ghost: float
    deviation: float

    def seconds(self, atoms: float, ghosts: float) -> float:
        return self.step + atoms * self.atom + ghosts * self.ghost


def fitted(rows: Sequence[dict[str, Any]]) -> Costs:
    """From the medians of runs on one rank."""
    seconds = np.array([1e-6 * row["step_us"] for row in rows])
    factors = np.array([[1.0, row["owned"][0], row["ghosts"][0]] for row in rows])
    costs, _ = nnls(factors / seconds[:, None], np.ones(len(rows)))
    deviation = float(np.abs(factors @ costs / seconds - 1).max())
    return Costs(*map(float, costs), deviation)


@dataclass(frozen=True)
class Network:
    """Seconds per message, bytes per second and rank."""

    latency: float
    bandwidth: float

    def seconds(self, messages: float, n_bytes: float) -> float:
        return messages * self.latency + n_bytes / self.bandwidth


@dataclass(frozen=True)
class Step:
    """What one rank has to do in one step; times in seconds."""

    ranks: int
    atoms: float
    ghosts: float
    n_bytes: float
    computing: float
    communicating: float

    @property
    def seconds(self) -> float:
        return self.computing + self.communicating


def step(costs: Costs, network: Network, n_atoms: float, ranks: int, rebuild: int) -> Step:
    """A step of this many atoms and ranks, with new neighbor lists every ``rebuild`` steps."""
    atoms = n_atoms / ranks
    edge = (atoms / DENSITY) ** (1 / 3)
    return shared_step(costs, network, ranks, atoms, ghosts(edge), math.ceil(REACH / edge), rebuild)


def shared_step(
    costs: Costs, network: Network, ranks: int, atoms: float, n_ghosts: float, shells: int, rebuild: int
) -> Step:
    """As `step`, of a rank whose atoms, ghosts and shells of neighboring ranks are known."""
    n_bytes = BYTES_PER_GHOST * n_ghosts * (1 + 1 / rebuild)
    messages = 12 * shells + 2 * math.ceil(math.log2(ranks))
    sent = network.seconds(messages, n_bytes) if ranks > 1 else 0.0
    return Step(ranks, atoms, n_ghosts, n_bytes, costs.seconds(atoms, n_ghosts), sent)


def ghosts(edge: float) -> float:
    """Ghosts of a cube with this edge (Å)."""
    return DENSITY * ((edge + 2 * REACH) ** 3 - edge**3)
