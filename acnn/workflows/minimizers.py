"""Minimizers of many functions at once: FIRE and L-BFGS, with a state for each structure in arrays.

Coordinates and forces are rows [n_structures, n_coordinates]. A minimizer is given energies and forces at the
coordinates that it asked for, and returns the next ones. Structures leave (`keep`) and others enter (`admit`).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from acnn.arrays import BoolArray, FloatArray

LONGEST = 0.2
"""Å; the farthest an atom moves in a step, and the norm of a step of FIRE."""


class Minimizer(Protocol):
    """What both of them do."""

    coordinates: FloatArray

    def step(self, energies: FloatArray, forces: FloatArray) -> BoolArray:
        """Set the next coordinates; return for which structures the last ones are a step that counts."""
        ...

    def keep(self, which: BoolArray, n_coordinates: int) -> None:
        """Drop the structures that are finished, and coordinates that no structure has."""
        ...

    def admit(self, coordinates: FloatArray) -> None:
        """Add structures at their first coordinates."""
        ...


class FIRE:
    """Fast inertial relaxation engine, with the constants of Bitzek et al. 2006 as in ASE.

    v ← (1 - a) v + a |v| f/|f| while f·v > 0, else v ← 0; then v ← v + Δt f and x ← x + Δt v, at most `LONGEST`.
    """

    FIRST, LARGEST, GROWTH, SHRINKAGE, WAIT = 0.1, 1.0, 1.1, 0.5, 5
    MIXING, DECREASE = 0.1, 0.99

    def __init__(self) -> None:
        self.coordinates = np.zeros((0, 0))
        self._velocities = np.zeros((0, 0))
        self._state = np.zeros((0, 3))  # Δt, a, steps since f·v was negative

    def step(self, energies: FloatArray, forces: FloatArray) -> BoolArray:
        """Make a step, which always counts."""
        v, (time, mixing, waited) = self._velocities, self._state.T
        norms = np.linalg.norm(forces, axis=1), np.linalg.norm(v, axis=1)
        downhill = _dot(forces, v) > 0
        ratio = np.divide(norms[1], norms[0], out=np.zeros(len(v)), where=norms[0] > 0)
        mixed = (1 - mixing)[:, None] * v + (mixing * ratio)[:, None] * forces
        faster = downhill & (waited > self.WAIT)
        time[:] = np.where(faster, np.minimum(time * self.GROWTH, self.LARGEST), time)
        mixing[:] = np.where(faster, mixing * self.DECREASE, mixing)
        waited[:] = np.where(downhill, waited + 1, 0)
        begun = norms[1] > 0
        time[:] = np.where(~downhill & begun, time * self.SHRINKAGE, time)
        mixing[:] = np.where(downhill, mixing, self.MIXING)
        self._velocities = np.where(downhill[:, None], mixed, 0.0) + time[:, None] * forces
        move = time[:, None] * self._velocities
        length = np.linalg.norm(move, axis=1)
        self.coordinates = self.coordinates + move * np.minimum(1, LONGEST / np.maximum(length, 1e-300))[:, None]
        return np.ones(len(v), dtype=bool)

    def keep(self, which: BoolArray, n_coordinates: int) -> None:
        """Drop structures."""
        self.coordinates = self.coordinates[which, :n_coordinates]
        self._velocities, self._state = self._velocities[which, :n_coordinates], self._state[which]

    def admit(self, coordinates: FloatArray) -> None:
        """Add structures at rest."""
        self.coordinates = stacked(self.coordinates, coordinates)
        self._velocities = stacked(self._velocities, np.zeros_like(coordinates))
        self._state = np.concatenate([self._state, np.tile([self.FIRST, self.MIXING, 0.0], (len(coordinates), 1))])


class LBFGS:
    """L-BFGS with a line search that goes back until the energy has decreased (Armijo).

    The two loops run on the inner products of steps s, changes of the gradient y and the force f, which are found by
    one matrix product for all structures. A pair (s, y) without positive curvature is left out. Before there is one,
    the inverse Hessian is `SOFTNESS`.

    Args:
        memory: number of pairs (s, y).
    """

    SOFTNESS = 1 / 40
    """Å²/eV."""
    DECREASE, NOISE, MOST_BACK = 1e-4, 1e-8, 8

    def __init__(self, memory: int = 10) -> None:
        self.memory = memory
        self.coordinates = np.zeros((0, 0))
        self._base = np.zeros((0, 0))  # where the line searches begin
        self._rows = np.zeros((0, 2 * memory + 1, 0))  # s, oldest first; y; the force at the base
        self._state = np.zeros((0, 4))  # energy at the base, slope, length of the step, how often it was shortened

    def step(self, energies: FloatArray, forces: FloatArray) -> BoolArray:
        """Accept the coordinates, or go back on the line."""
        energy, slope, length, shortened = self._state.T
        limit = energy - self.DECREASE * length * slope + self.NOISE * np.maximum(1, np.abs(energy))
        accepted = (energies <= limit) | (shortened >= self.MOST_BACK)
        first = np.isinf(energy)
        self._remember(accepted & ~first, forces)
        self._forget(accepted & (shortened >= self.MOST_BACK))
        better = _minimum_of_parabola(energy, slope, length, energies)
        length[:] = np.where(accepted, 1.0, better)
        shortened[:] = np.where(accepted, 0, shortened + 1)
        energy[:] = np.where(accepted, energies, energy)
        self._base = np.where(accepted[:, None], self.coordinates, self._base)
        self._rows[accepted, -1] = forces[accepted]
        direction = self._directions()
        slope[:] = _dot(direction, self._rows[:, -1])
        self.coordinates = self._base + length[:, None] * direction
        return accepted

    def keep(self, which: BoolArray, n_coordinates: int) -> None:
        """Drop structures."""
        self.coordinates, self._base = self.coordinates[which, :n_coordinates], self._base[which, :n_coordinates]
        self._rows, self._state = self._rows[which, :, :n_coordinates], self._state[which]

    def admit(self, coordinates: FloatArray) -> None:
        """Add structures without history."""
        self.coordinates = stacked(self.coordinates, coordinates)
        self._base = stacked(self._base, coordinates)
        self._rows = stacked(self._rows, np.zeros((len(coordinates), 2 * self.memory + 1, coordinates.shape[1])))
        self._state = np.concatenate([self._state, np.tile([np.inf, 0.0, 1.0, 0.0], (len(coordinates), 1))])

    def _remember(self, which: BoolArray, forces: FloatArray) -> None:
        """Add s and y = f_before - f_now to the history where s·y > 0."""
        s, y = self.coordinates - self._base, self._rows[:, -1] - forces
        which = which & (_dot(s, y) > 1e-10 * np.sqrt(_dot(s, s) * _dot(y, y)))
        m, rows = self.memory, self._rows[which]
        rows[:, : m - 1], rows[:, m : 2 * m - 1] = rows[:, 1:m].copy(), rows[:, m + 1 : 2 * m].copy()
        rows[:, m - 1], rows[:, 2 * m - 1] = s[which], y[which]
        self._rows[which] = rows

    def _forget(self, which: BoolArray) -> None:
        self._rows[which, :-1] = 0.0

    def _directions(self) -> FloatArray:
        """Return H f by the two loops, at most `LONGEST` for any atom; f/40 where that is not downhill."""
        products = self._rows @ self._rows.transpose(0, 2, 1)
        weights = self._weights(products)
        wrong = np.einsum("si,si->s", weights, products[:, -1]) <= 0
        weights[wrong] = 0.0
        weights[wrong, -1] = self.SOFTNESS
        found = (weights[:, None] @ self._rows)[:, 0]
        farthest = np.sqrt((found.reshape(len(found), -1, 3) ** 2).sum(axis=2).max(axis=1, initial=0.0))
        short: FloatArray = found * np.minimum(1, LONGEST / np.maximum(farthest, 1e-300))[:, None]
        return short

    def _weights(self, products: FloatArray) -> FloatArray:
        """Return the weights of the rows in H f [n_structures, 2 memory + 1], from the rows' inner products."""
        m = self.memory
        curvature = np.stack([products[:, i, m + i] for i in range(m)], axis=1)
        inverse = np.divide(1.0, curvature, out=np.zeros_like(curvature), where=curvature > 0)
        weights, alphas = np.zeros(products.shape[:2]), np.zeros((len(products), m))
        weights[:, -1] = 1.0
        for i in reversed(range(m)):
            alphas[:, i] = inverse[:, i] * _dot(weights, products[:, i])
            weights[:, m + i] -= alphas[:, i]
        last = products[:, 2 * m - 1, 2 * m - 1]
        scale = np.divide(curvature[:, -1], last, out=np.full(len(last), self.SOFTNESS), where=last > 0)
        weights *= scale[:, None]
        for i in range(m):
            weights[:, i] += alphas[:, i] - inverse[:, i] * _dot(weights, products[:, m + i])
        return weights


def stacked(present: FloatArray, new: FloatArray) -> FloatArray:
    """Join rows of different lengths, which are filled up with zeros; there may be no rows yet."""
    length = max(present.shape[-1], new.shape[-1])
    parts = [np.pad(rows, [(0, 0)] * (rows.ndim - 1) + [(0, length - rows.shape[-1])]) for rows in (present, new)]
    return np.concatenate(parts)


def _minimum_of_parabola(energy: FloatArray, slope: FloatArray, length: FloatArray, found: FloatArray) -> FloatArray:
    """Return the length of a step at the minimum of a parabola, between a tenth and a half of the last one.

    Args:
        energy, slope: at the beginning of the line, where the energy falls by ``slope`` per length.
        found: energy at the end of the last step.
    """
    with np.errstate(all="ignore"):
        best = 0.5 * slope * length**2 / (found - energy + slope * length)
    return np.clip(np.where(np.isfinite(best), best, 0.1 * length), 0.1 * length, 0.5 * length)


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    product: FloatArray = np.einsum("si,si->s", a, b)
    return product
