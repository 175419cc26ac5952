"""Molecular dynamics that is watched: thermodynamics, a property of the atoms that may end it, frames to be labeled.

Integrators are ASE's: velocity Verlet (nve), Langevin (nvt), Martyna-Tobias-Klein with a cell that keeps its shape
(npt). A temperature that rises or falls is followed in `SEGMENTS` steps. Everything that a run needs to go on stands in
one small file, so it can be killed at any moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.nose_hoover_chain import IsotropicMTKNPT
from ase.md.velocitydistribution import Stationary
from ase.md.verlet import VelocityVerlet

from acnn.arrays import FloatArray
from acnn.data.structures import set_thermal_momenta
from acnn.progress import Advance
from acnn.workflows.run_files import RunFiles

Ensemble = Literal["nve", "nvt", "npt"]
SEGMENTS = 50
"""Steps of a temperature that changes."""
FRICTION = 0.01
"""Of Langevin dynamics, 1/fs."""
DAMPING = (100.0, 1000.0)
"""Time constants of temperature and pressure in npt, fs."""
EXPLODED = 20.0
"""Multiple of the highest temperature asked for, plus 1000 K, at which a run counts as exploded."""


@dataclass(frozen=True)
class Protocol:
    """What is run.

    Attributes:
        ensemble: see the module.
        temperatures: at the beginning and at the end, K.
        pressure: GPa, of npt.
        steps: number of steps, in all.
        timestep: fs.
        every: steps between two records.
        monitor: a property of the atoms, "gamma", whose largest value is recorded; None: nothing is.
        halt: the run ends where that value exceeds this.
        keep: frames where it exceeds this are kept.
        seed: of velocities and thermostat.
    """

    ensemble: Ensemble = "nvt"
    temperatures: tuple[float, float] = (300.0, 300.0)
    pressure: float = 0.0
    steps: int = 1000
    timestep: float = 1.0
    every: int = 10
    monitor: str | None = None
    halt: float = math.inf
    keep: float = math.inf
    seed: int = 0

    def __post_init__(self) -> None:
        if self.monitor is None and min(self.halt, self.keep) < math.inf:
            raise ValueError("halt and keep are limits of a monitored property: choose one to monitor, such as gamma")
        if min(self.temperatures) < 0 or (min(self.temperatures) == 0 and self.ensemble != "nve"):
            raise ValueError(
                f"temperatures must be positive, not {' and '.join(f'{t:g}' for t in self.temperatures)} K"
            )

    def temperature(self, step: int) -> float:
        """Return the temperature of a step, K."""
        first, last = self.temperatures
        return first + (last - first) * min(step / max(self.steps, 1), 1.0)


class Record(NamedTuple):
    """A line of the log of a run: ps, K, eV/atom, GPa, Å³/atom; pressure and volume are NaN without a cell."""

    step: int
    time: float
    temperature: float
    potential: float
    total: float
    pressure: float
    volume: float
    monitored: float


class Outcome(NamedTuple):
    """How a run ended: records, the number of frames kept, and why it stopped early, if it did."""

    records: list[Record]
    kept: int
    reason: str


def run_dynamics(
    atoms: Atoms, protocol: Protocol, files: RunFiles | None = None, advance: Advance = lambda: None, start: int = 0
) -> Outcome:
    """Run molecular dynamics with the calculator of the atoms.

    Args:
        atoms: without momenta they get those of the temperature; they are moved.
        files: where records and frames are written.
        advance: called after each step.
        start: steps that are done already, with the momenta of the atoms.
    """
    rng = np.random.default_rng([protocol.seed, start])
    if start == 0 and not atoms.get_momenta().any() and max(protocol.temperatures) > 0:
        set_thermal_momenta(atoms, protocol.temperatures[0], rng)
        Stationary(atoms)
    records, kept, reason = [], 0, ""
    for step in _steps(atoms, protocol, start, rng):
        if step > start:
            advance()
        if step % protocol.every and step != protocol.steps:
            continue
        record, values = _record(atoms, protocol, step)
        keeps = record.monitored > protocol.keep
        records.append(record)
        reason = _reason(record, protocol)
        kept += keeps
        if files is not None:
            files.write(atoms, record, protocol.monitor, values, keeps)
        if reason:
            break
    return Outcome(records, kept, reason)


def _steps(atoms: Atoms, protocol: Protocol, start: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield the numbers of the steps after they were made, the first one before any."""
    yield start
    varies = protocol.temperatures[0] != protocol.temperatures[1]
    length = max(1, math.ceil(protocol.steps / SEGMENTS)) if varies else protocol.steps
    step = start
    while step < protocol.steps:
        n = min(length - step % length, protocol.steps - step)
        dynamics = _integrator(atoms, protocol, protocol.temperature(step + n // 2), rng)
        made = dynamics.irun(n)
        next(made)  # the state before the first step
        for _ in range(n):
            next(made)
            step += 1
            yield step


def _integrator(atoms: Atoms, protocol: Protocol, temperature: float, rng: np.random.Generator) -> Any:
    timestep = protocol.timestep * units.fs
    if protocol.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    if protocol.ensemble == "nvt":
        return Langevin(atoms, timestep, temperature_K=temperature, friction=FRICTION / units.fs, fixcm=False, rng=rng)
    if atoms.cell.rank < 3 or not atoms.pbc.all():
        raise ValueError("constant pressure needs a structure that is periodic in three directions: choose nvt")
    tdamp, pdamp = (damping * units.fs for damping in DAMPING)
    pressure = protocol.pressure * units.GPa
    return IsotropicMTKNPT(atoms, timestep, temperature_K=temperature, pressure_au=pressure, tdamp=tdamp, pdamp=pdamp)


def _record(atoms: Atoms, protocol: Protocol, step: int) -> tuple[Record, FloatArray | None]:
    n, monitored, values = len(atoms), math.nan, None
    potential, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
    if protocol.monitor:
        values = np.asarray(atoms.calc.get_property(protocol.monitor, atoms), dtype=float)
        monitored = float(np.max(values))
    pressure = volume = math.nan
    if atoms.cell.rank == 3:
        volume = atoms.get_volume() / n
        if atoms.pbc.all():
            pressure = -float(np.mean(atoms.get_stress(include_ideal_gas=True)[:3])) / units.GPa
    temperature = 2 * kinetic / (3 * n * units.kB)
    time = step * protocol.timestep / 1000
    row = (step, time, temperature, potential / n, (potential + kinetic) / n, pressure, volume, monitored)
    return Record(*row), values


def _reason(record: Record, protocol: Protocol) -> str:
    if record.monitored > protocol.halt:
        return f"{protocol.monitor} of an atom is {record.monitored:.3g}, above the limit of {protocol.halt:g}"
    limit = EXPLODED * max(protocol.temperatures) + 1000
    if not record.temperature < limit:
        return f"the temperature is {record.temperature:.3g} K: the structure has exploded"
    return ""


def columns(records: Sequence[Record]) -> dict[str, FloatArray]:
    """Return the records by column."""
    return {name: np.array([getattr(record, name) for record in records], float) for name in Record._fields}
