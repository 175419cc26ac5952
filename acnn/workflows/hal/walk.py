"""One run of biased dynamics, until the model is unsure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin

from acnn.data.structures import set_thermal_momenta, unlabeled
from acnn.io.model_file import model_from_bytes
from acnn.settings.hal import BiasSettings, HALDynamicsSettings
from acnn.uncertainty.hal import BiasStrength
from acnn.workflows.hal.biased import BiasedCalculator
from acnn.workflows.hal.moves import CELL_MOVES, swapped, tried

HOT, HOT_FLUCTUATION = 3.0, 1500.0
"""A run that is hotter than this multiple of its temperature plus so many K has fallen into a hole of the model."""
TAMER = 0.5
"""Where a flagged structure is of no use, the first one beyond this part of the tolerance is offered; and one that is
called sound is no hotter than this part of the limit."""


@dataclass(frozen=True)
class Walk:
    """How a run ended.

    Attributes:
        candidates: structures to label, the one that was flagged first; none if nothing was.
        last: the last structure.
        facts: steps, the largest uncertainty, τ, σ (eV/atom), temperature (K), and why it stopped.
    """

    candidates: list[Atoms]
    last: Atoms
    facts: dict[str, Any]


def walk(model: bytes, start: Atoms, dynamics: HALDynamicsSettings, bias: BiasSettings, seed: tuple[int, ...]) -> Walk:
    """Run biased dynamics from a structure until an atom is flagged, or to the end.

    Args:
        model: the content of a model file with a committee.
        seed: of velocities, thermostat and moves.
    """
    return _Run(model, start, dynamics, bias, seed).to_the_end()


class _Run:
    def __init__(
        self, model: bytes, start: Atoms, dynamics: HALDynamicsSettings, bias: BiasSettings, seed: tuple[int, ...]
    ) -> None:
        self.settings, self.bias = dynamics, bias
        self.rng = np.random.default_rng(seed)
        self.temperatures, self.strengths = _ends(dynamics.temperature), _ends(bias.strength)
        self.atoms = unlabeled(start)
        potential = model_from_bytes(model, "the model of this iteration")
        # Where it ends at a larger τ_r, the spread is needed from the first step.
        self.calculator = BiasedCalculator(potential, BiasStrength(max(self.strengths)))
        self.atoms.calc = self.calculator
        self.offered: list[Atoms] = []
        self.sound: Atoms | None = None
        self.largest: float | None = None
        self.step = 0

    def to_the_end(self) -> Walk:
        """Make all steps, or stop at a flag."""
        set_thermal_momenta(self.atoms, self.temperatures[0], self.rng)
        langevin = Langevin(
            self.atoms,
            self.settings.timestep * units.fs,
            temperature_K=self.temperatures[0],
            friction=self.settings.friction / units.fs,
            fixcm=False,
            rng=self.rng,
        )
        for step in range(1, self.settings.steps + 1):
            self.step = step
            langevin.set_temperature(temperature_K=self._along(self.temperatures))
            langevin.run(1)
            self.calculator.adapt(self._along(self.strengths))
            self._move()
            reason = self._reason()
            if reason:
                return self._ended([*reversed(self.offered)], reason)
        return self._ended([], "")

    def _along(self, ends: tuple[float, float]) -> float:
        return ends[0] + (ends[1] - ends[0]) * self.step / self.settings.steps

    def _move(self) -> None:
        settings, temperature = self.settings, self._along(self.temperatures)
        if settings.swap and self.step % settings.swap == 0:
            tried(self.atoms, swapped(self.atoms, self.rng), settings.pressure, temperature, self.rng)
        if settings.cell and self.step % settings.cell == 0 and self.atoms.pbc.all():
            move = CELL_MOVES[self.step // settings.cell % len(CELL_MOVES)]
            tried(self.atoms, move(self.atoms, self.rng), settings.pressure, temperature, self.rng)

    def _reason(self) -> str:
        """Return why the run stops here, and offer its structure; empty if it goes on."""
        limit, found = HOT * self._along(self.temperatures) + HOT_FLUCTUATION, self.atoms.get_temperature()
        if not found < limit:
            return self._lost(f"the temperature is {found:.3g} K")
        if self.step % self.settings.check:
            return ""
        self.atoms.get_potential_energy()  # after a move that was rejected, the calculator has seen the trial last
        if self.calculator.closest < self.settings.closest:
            return self._lost(f"two atoms are {self.calculator.closest:.2f} bond lengths apart")
        at = self.calculator.uncertainty(self.bias.flag, self.bias.epsilon)
        if not math.isfinite(at):
            return self._lost("forces are not finite")
        if found < TAMER * limit:
            self.sound = unlabeled(self.atoms)
        self.largest = at if self.largest is None else max(self.largest, at)
        if at <= self.bias.tolerance:
            if not self.offered and at > TAMER * self.bias.tolerance:
                self.offered.append(unlabeled(self.atoms))
            return ""
        self.offered.append(unlabeled(self.atoms))
        return f"{'f' if self.bias.flag == 'forces' else 'γ'} is {at:.3g}"

    def _lost(self, reason: str) -> str:
        """Offer the last sound structure of a run that is not worth a calculation where it ended."""
        self.offered = [self.sound if self.sound is not None else unlabeled(self.atoms)]
        return reason

    def _ended(self, candidates: list[Atoms], reason: str) -> Walk:
        facts = {
            "steps": self.step,
            "uncertainty": self.largest,
            "tau": self.calculator.tau,
            "temperature": float(self.atoms.get_temperature()),
            "reason": reason,
        }
        return Walk(candidates, unlabeled(self.atoms), facts)


def _ends(value: float | tuple[float, float]) -> tuple[float, float]:
    return value if isinstance(value, tuple) else (value, value)
