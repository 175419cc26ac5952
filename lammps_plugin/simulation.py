"""Parallel molecular dynamics from Python: LAMMPS moves the atoms, and each MPI rank owns those of its domain.

    mpiexec -n 4 python md.py           # one thread per rank

    from ase.build import bulk
    from lammps_plugin.simulation import run_md

    result = run_md(bulk("Si", cubic=True) * (20, 20, 20), "si.acnn", ensemble="npt", temperature=300.0, steps=10_000)

Inputs and results are in ASE's units: Å, eV, fs, K; pressures in GPa. LAMMPS runs in units metal.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import numpy as np
from rich.progress import Progress

from acnn.arrays import FloatArray
from acnn.io.model_file import load_model
from acnn.potential import Potential
from lammps_plugin.constraints import hold, keeps_center, still
from lammps_plugin.coupling import attach
from lammps_plugin.input_lines import run_with_path
from lammps_plugin.limits import Limits, Watch
from lammps_plugin.structures import PS_PER_FS, gather, is_moving, load_atoms, load_file

ENSEMBLES = ("nve", "nvt", "npt")
BAR_PER_GPA = 1e4
SKIN = 2.0
"""Å that LAMMPS adds to the cutoff of its neighbor lists in units metal."""
THERMO = {"time": "time", "temperature": "temp", "potential_energy": "pe", "total_energy": "etotal"} | {
    "pressure": "press",
    "volume": "vol",
}


@dataclass(frozen=True)
class MDResult:
    """The result of a run; the same on every rank except for ``atoms``.

    Attributes:
        thermo: columns "step", "time" (fs), "temperature" (K; of the atoms that can move), "potential_energy" and
            "total_energy" (eV), "pressure" (GPa), "volume" (Å³), one row per ``thermo_every`` steps.
        atoms: the last structure with its velocities, masses and constraints, in LAMMPS' orientation of the cell; on
            rank 0, otherwise None.
        atoms_per_rank: number of atoms of each rank.
        monitored: columns "step" and "largest", the largest value of the monitored property of all atoms.
        n_kept: number of frames written to ``kept``.
        reason: why the run ended early; empty if it did not.
    """

    thermo: dict[str, FloatArray]
    atoms: ase.Atoms | None
    atoms_per_rank: list[int]
    monitored: dict[str, FloatArray]
    n_kept: int
    reason: str


@dataclass(frozen=True)
class Schedule:
    """Ensemble and its parameters: see `run_md`."""

    ensemble: str
    temperature: float
    pressure: float
    timestep: float
    thermostat_time: float
    barostat_time: float
    seed: int

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise ValueError(f"ensemble must be nve, nvt or npt, not {self.ensemble!r}")
        if self.seed < 1:
            raise ValueError(f"seed must be at least 1, not {self.seed}")
        if not math.isfinite(self.pressure):
            raise ValueError(f"pressure must be finite, not {self.pressure}")
        at_rest = self.ensemble == "nve" and self.temperature == 0
        for name in ("temperature", "timestep", "thermostat_time", "barostat_time"):
            if not 0 < getattr(self, name) < math.inf and not (name == "temperature" and at_rest):
                raise ValueError(f"{name} must be positive and finite, not {getattr(self, name)}")

    def commands(self, pbc: Sequence[bool]) -> list[str]:
        """Return LAMMPS' commands for the integrator."""
        thermostat = f"temp {self.temperature} {self.temperature} {self.thermostat_time * PS_PER_FS}"
        bar, damping = self.pressure * BAR_PER_GPA, self.barostat_time * PS_PER_FS
        if self.ensemble == "npt":
            if not any(pbc):
                raise ValueError("npt needs a periodic direction, but this structure has none: use nvt")
            axes = " ".join(f"{axis} {bar} {bar} {damping}" for axis, p in zip("xyz", pbc, strict=True) if p)
            coupling = f"iso {bar} {bar} {damping}" if all(pbc) else axes
            return [f"timestep {self.timestep * PS_PER_FS}", f"fix integrate all npt {thermostat} {coupling}"]
        if self.ensemble == "nve":
            return [f"timestep {self.timestep * PS_PER_FS}", "fix integrate all nve"]
        integrator = [f"fix integrate all nvt {thermostat}", "fix_modify integrate temp thermo_temp"]
        return [f"timestep {self.timestep * PS_PER_FS}", *integrator]

    def velocities(self, dof: int) -> list[str]:
        """Return LAMMPS' commands that draw velocities; without internal degrees of freedom, atoms are at rest."""
        if self.temperature == 0 or dof == 0:
            return ["velocity all set 0 0 0 units box"]
        return [f"velocity all create {self.temperature} {self.seed} mom yes rot no dist gaussian"]

    def rescaling(self, dof: int) -> list[str]:
        """Return LAMMPS' commands that rescale to the temperature, once held atoms are at rest."""
        return [f"velocity all scale {self.temperature} temp thermo_temp"] if self.temperature and dof else []


def run_md(
    structure: ase.Atoms | str | os.PathLike[str],
    model: Potential | str | os.PathLike[str],
    *,
    steps: int,
    ensemble: str = "nvt",
    temperature: float = 300.0,
    pressure: float = 0.0,
    timestep: float = 1.0,
    thermostat_time: float = 100.0,
    barostat_time: float = 1000.0,
    seed: int = 1,
    elements: Sequence[str] | None = None,
    thermo_every: int = 100,
    trajectory: str | os.PathLike[str] | None = None,
    trajectory_every: int = 100,
    restart: str | os.PathLike[str] | None = None,
    monitor: str | None = None,
    monitor_every: int = 10,
    halt: float = math.inf,
    keep: float = math.inf,
    kept: str | os.PathLike[str] | None = None,
    progress: bool = True,
    comm: Any = None,
) -> MDResult:
    """Run molecular dynamics on all ranks of ``comm`` together; every rank makes the same call.

    Args:
        structure: atoms, the same on every rank, with their velocities, masses (isotopes) and the constraints FixAtoms,
            FixCartesian and FixCom (others are refused); or, with ``elements``, a LAMMPS data file (atom_style atomic)
            or restart file, which continues with its velocities, step, constraints and (same ensemble) thermostat.
        model: a potential, or the path of a model file.
        steps: number of time steps.
        ensemble: "nve", "nvt" (Nosé–Hoover) or "npt" (isotropic; if not all directions are periodic, those that are
            vary independently).
        temperature: K; velocities are drawn from it unless the atoms have some (nonzero, with a thermostat); 0, with
            nve, starts from rest.
        pressure: GPa.
        timestep, thermostat_time, barostat_time: fs.
        seed: random seed of the velocities.
        elements: those of the atom types of a data file (whose masses, if any, are kept) or restart file, in order; in
            a restart file of this function, by atomic number, and by mass if there are isotopes.
        thermo_every, trajectory_every: steps between rows, and frames.
        trajectory: LAMMPS dump to write (columns id element x y z vx vy vz; readable by `ase.io.read`).
        restart: LAMMPS restart file to write at the end; given as ``structure`` to another call, it continues the run.
        monitor: a property of single atoms that the model has ("gamma", "energies_std"), looked at at every multiple of
            ``monitor_every`` steps; the other steps cost no more than without it.
        halt: the run ends where the property of an atom exceeds this.
        keep: frames where it does are written to ``kept``, an extended XYZ file that is replaced.
        progress: show a progress bar on rank 0.
        comm: an mpi4py communicator; by default all ranks.
    """
    if steps < 0 or thermo_every < 1 or trajectory_every < 1:
        raise ValueError("steps must not be negative, thermo_every and trajectory_every must be at least 1")
    schedule = Schedule(ensemble, temperature, pressure, timestep, thermostat_time, barostat_time, seed)
    limits = Limits(monitor, monitor_every, halt, keep, kept)
    potential = model if isinstance(model, Potential) else load_model(model)
    comm, lmp = start(comm)
    try:
        symbols = _load(lmp, structure, elements, potential)
        _set_in_motion(lmp, schedule, is_moving(structure, ensemble))
        _integrate(lmp, schedule)
        _dump_frames(lmp, trajectory, trajectory_every, symbols)
        watch = Watch(lmp, comm, limits, potential)
        thermo, reason = _advance(lmp, steps, thermo_every, symbols, watch, progress and comm.Get_rank() == 0)
        watch.end()
        if restart is not None:
            run_with_path(lmp, "write_restart {}", restart)
        shares = comm.allgather(int(lmp.extract_global("nlocal")))
        last = gather(lmp, symbols, _periodic(lmp), comm.Get_rank())
        return MDResult(thermo, last, shares, watch.found(), watch.n_kept, reason)
    finally:
        lmp.close()


def _load(
    lmp: Any, structure: ase.Atoms | str | os.PathLike[str], elements: Sequence[str] | None, potential: Potential
) -> list[str]:
    """Load atoms or a file, and the potential; return the elements of the atom types."""
    if isinstance(structure, ase.Atoms):
        symbols = load_atoms(lmp, structure, potential.cutoff + SKIN)
    else:
        symbols = load_file(lmp, Path(structure), elements)
    attach(lmp, potential, symbols)
    return symbols


def _integrate(lmp: Any, schedule: Schedule) -> None:
    for command in schedule.commands(_periodic(lmp)):
        lmp.command(command)
    if keeps_center(lmp) and schedule.ensemble == "npt":
        lmp.command("fix acnn_center all recenter INIT INIT INIT")  # otherwise it moves with the cell


def _dump_frames(lmp: Any, trajectory: str | os.PathLike[str] | None, every: int, symbols: Sequence[str]) -> None:
    if trajectory is None:
        return
    run_with_path(lmp, f"dump frames all custom {every} {{}} id element x y z vx vy vz", trajectory)
    lmp.command(f"dump_modify frames sort id element {' '.join(symbols)}")


def start(comm: Any = None) -> tuple[Any, Any]:
    """Return the communicator and a silent LAMMPS on it."""
    from mpi4py import MPI  # isort: skip
    import lammps

    comm = MPI.COMM_WORLD if comm is None else comm
    lmp = lammps.lammps(comm=comm, cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    for command in ("units metal", "atom_style atomic", "atom_modify map array", "newton on"):
        lmp.command(command)
    return comm, lmp


def _set_in_motion(lmp: Any, schedule: Schedule, moving: bool) -> None:
    """Set the initial velocities, those of the atoms or drawn ones, and hold the constrained atoms."""
    dof = hold(lmp, schedule.ensemble)
    for command in [] if moving else schedule.velocities(dof):
        lmp.command(command)
    still(lmp)
    for command in [] if moving else schedule.rescaling(dof):
        lmp.command(command)


def _periodic(lmp: Any) -> list[bool]:
    return [bool(p) for p in lmp.extract_box()[5]]


def _advance(
    lmp: Any, steps: int, every: int, symbols: Sequence[str], watch: Watch, progress: bool
) -> tuple[dict[str, FloatArray], str]:
    """Run, and read the thermodynamic state after every ``every`` steps; return it, and why the run ended early."""
    lmp.command("thermo_style custom step time temp pe etotal press vol")
    lmp.command(f"thermo {every}")
    lmp.command("run 0 post no")
    pbc, rows, done = _periodic(lmp), [_thermo(lmp)], 0
    reason = watch.look(symbols, pbc)
    with Progress(disable=not progress) as bar:
        task = bar.add_task("molecular dynamics", total=steps)
        while done < steps and not reason:
            count = int(min(every - done % every, steps - done, watch.steps_to_next()))
            lmp.command(f"run {count} pre no post no")
            done += count
            reason = watch.look(symbols, pbc)
            if done % every == 0 or done == steps or reason:
                rows.append(_thermo(lmp))
            bar.update(task, advance=count, description=f"{rows[-1]['temperature']:.0f} K")
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, reason


def _thermo(lmp: Any) -> dict[str, float]:
    found = {name: float(lmp.get_thermo(keyword)) for name, keyword in THERMO.items()}
    found["time"] /= PS_PER_FS
    found["pressure"] /= BAR_PER_GPA
    return {"step": float(lmp.extract_global("ntimestep")), **found}
