"""Parallel molecular dynamics from Python: LAMMPS moves the atoms, each MPI rank owns the atoms of its domain.

    mpiexec -n 4 python md.py           # one thread per rank

    from ase.build import bulk
    from lammps_plugin.simulation import run_md

    result = run_md(bulk("Si", cubic=True) * (20, 20, 20), "si.acnn", ensemble="npt", temperature=300.0, steps=10_000)

Units are ASE's where a number enters or leaves: Å, eV, fs, K; pressures in GPa. LAMMPS runs in units metal.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import ase.units
import numpy as np
from ase.calculators.lammps import Prism
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray
from rich.progress import Progress

from acnn.io.model_file import load_model
from acnn.potential import Potential
from lammps_plugin.coupling import attach

FloatArray = NDArray[np.float64]

ENSEMBLES = ("nve", "nvt", "npt")
BAR_PER_GPA = 1e4
PS_PER_FS = 1e-3
MARGIN = 1.0
"""Å around the atoms along directions without periodicity; LAMMPS then shrinks or grows the box with them."""
RESTART_MAGIC = b"LammpS RestartT"
THERMO = {"time": "time", "temperature": "temp", "potential_energy": "pe", "total_energy": "etotal"} | {
    "pressure": "press",
    "volume": "vol",
}


@dataclass(frozen=True)
class MDResult:
    """What a run leaves behind; the same on every rank but for ``atoms``.

    Attributes:
        thermo: columns "step", "time" (fs), "temperature" (K), "potential_energy" and "total_energy" (eV), "pressure"
            (GPa), "volume" (Å³), one row per ``thermo_every`` steps.
        atoms: the last structure with its velocities, in LAMMPS' orientation of the cell; on rank 0, else None.
        atoms_per_rank: how the atoms are shared.
    """

    thermo: dict[str, FloatArray]
    atoms: ase.Atoms | None
    atoms_per_rank: list[int]


@dataclass(frozen=True)
class Schedule:
    """How to move: see `run_md`."""

    ensemble: str
    temperature: float
    pressure: float
    timestep: float
    thermostat_time: float
    barostat_time: float
    seed: int

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise ValueError(f"ensemble is nve, nvt or npt, not {self.ensemble!r}")
        for name in ("temperature", "timestep", "thermostat_time", "barostat_time"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")

    def commands(self, pbc: Sequence[bool]) -> list[str]:
        """The integrator in LAMMPS' words."""
        thermostat = f"temp {self.temperature} {self.temperature} {self.thermostat_time * PS_PER_FS}"
        bar, damping = self.pressure * BAR_PER_GPA, self.barostat_time * PS_PER_FS
        if self.ensemble == "npt":
            if not any(pbc):
                raise ValueError("npt needs a periodic direction, and this structure has none: use nvt")
            axes = " ".join(f"{axis} {bar} {bar} {damping}" for axis, p in zip("xyz", pbc, strict=True) if p)
            coupling = f"iso {bar} {bar} {damping}" if all(pbc) else axes
            return [f"timestep {self.timestep * PS_PER_FS}", f"fix integrate all npt {thermostat} {coupling}"]
        integrator = "nve" if self.ensemble == "nve" else f"nvt {thermostat}"
        return [f"timestep {self.timestep * PS_PER_FS}", f"fix integrate all {integrator}"]


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
    progress: bool = True,
    comm: Any = None,
) -> MDResult:
    """Run molecular dynamics on all ranks of ``comm`` together; every rank makes the same call.

    Args:
        structure: atoms, the same on every rank; or with ``elements`` a LAMMPS data file (atom_style atomic), or a
            LAMMPS restart file, whose run goes on with its velocities, step and (same ensemble) thermostat.
        model: a potential, or the path of a model file.
        steps: number of time steps.
        ensemble: "nve", "nvt" (Nosé–Hoover) or "npt" (isotropic; periodic directions one by one where not all are).
        temperature: K; velocities are drawn from it unless the atoms have some.
        pressure: GPa.
        timestep, thermostat_time, barostat_time: fs.
        seed: of the velocities.
        elements: of the atom types of a data or restart file, in their order.
        thermo_every, trajectory_every: steps between rows, and frames.
        trajectory: LAMMPS dump to write (columns id element x y z vx vy vz; `ase.io.read` knows the format).
        restart: LAMMPS restart file to write at the end; as ``structure`` of another call it continues the run.
        progress: show a progress bar on rank 0.
        comm: an mpi4py communicator; all ranks if left out.
    """
    if steps < 0 or thermo_every < 1 or trajectory_every < 1:
        raise ValueError("steps must not be negative, thermo_every and trajectory_every must be at least 1")
    schedule = Schedule(ensemble, temperature, pressure, timestep, thermostat_time, barostat_time, seed)
    potential = model if isinstance(model, Potential) else load_model(model)
    comm, lmp = start(comm)
    try:
        if isinstance(structure, ase.Atoms):
            symbols = load_atoms(lmp, structure)
        else:
            symbols = load_file(lmp, Path(structure), elements)
        attach(lmp, potential, symbols)
        if not _moving(structure):
            lmp.command(f"velocity all create {temperature} {seed} mom yes rot no dist gaussian")
        pbc = _periodic(lmp)
        for command in schedule.commands(pbc):
            lmp.command(command)
        if trajectory is not None:
            lmp.command(f'dump frames all custom {trajectory_every} "{trajectory}" id element x y z vx vy vz')
            lmp.command(f"dump_modify frames sort id element {' '.join(symbols)}")
        thermo = _advance(lmp, steps, thermo_every, progress and comm.Get_rank() == 0)
        if restart is not None:
            lmp.command(f'write_restart "{restart}"')
        shares = comm.allgather(int(lmp.extract_global("nlocal")))
        return MDResult(thermo, _gather(lmp, symbols, pbc, comm.Get_rank()), shares)
    finally:
        lmp.close()


def start(comm: Any = None) -> tuple[Any, Any]:
    """The communicator and a silent LAMMPS on it."""
    from mpi4py import MPI  # isort: skip
    import lammps

    comm = MPI.COMM_WORLD if comm is None else comm
    lmp = lammps.lammps(comm=comm, cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    for command in ("units metal", "atom_style atomic", "atom_modify map array", "newton on"):
        lmp.command(command)
    return comm, lmp


def load_atoms(lmp: Any, atoms: ase.Atoms) -> list[str]:
    """Box and atoms; returns the element of every atom type."""
    if len(atoms) == 0:
        raise ValueError("there is no atom to move")
    symbols = sorted(set(atoms.symbols), key=lambda s: atomic_numbers[s])
    cell, origin = _box(atoms)
    prism = Prism(cell, pbc=atoms.pbc)
    positions = prism.vector_to_lammps(atoms.positions - origin, wrap=bool(atoms.pbc.any()))
    xhi, yhi, zhi, xy, xz, yz = map(float, prism.get_lammps_prism())
    lmp.command(f"boundary {' '.join('p' if p else 's' for p in atoms.pbc)}")
    lmp.command("box tilt large")
    lmp.command(f"region cell prism 0 {xhi!r} 0 {yhi!r} 0 {zhi!r} {xy!r} {xz!r} {yz!r} units box")
    lmp.command(f"create_box {len(symbols)} cell")
    types = [symbols.index(s) + 1 for s in atoms.symbols]
    velocities = None
    if atoms.has("momenta"):
        speeds = prism.vector_to_lammps(atoms.get_velocities()) * ase.units.fs / PS_PER_FS
        velocities = speeds.reshape(-1).tolist()
    created = lmp.create_atoms(
        len(atoms), list(range(1, len(atoms) + 1)), types, positions.reshape(-1).tolist(), velocities
    )
    if created != len(atoms):
        raise ValueError(f"LAMMPS took {created} of {len(atoms)} atoms: some lie outside the box")
    masses = atoms.get_masses()
    for kind, symbol in enumerate(symbols, start=1):
        lmp.command(f"mass {kind} {float(np.mean(masses[np.array(atoms.symbols) == symbol]))}")
    return symbols


def _box(atoms: ase.Atoms) -> tuple[FloatArray, FloatArray]:
    """A cell with three vectors around the atoms, and its origin; directions without periodicity get what they need."""
    cell = atoms.cell.complete().array.copy()
    if atoms.pbc.all():
        return cell, np.zeros(3)
    fractional = atoms.positions @ np.linalg.inv(cell)
    origin = np.zeros(3)
    for axis in np.flatnonzero(~atoms.pbc):
        length = np.linalg.norm(cell[axis])
        low, high = fractional[:, axis].min() - MARGIN / length, fractional[:, axis].max() + MARGIN / length
        origin += low * cell[axis]
        cell[axis] *= high - low
    return cell, origin


def load_file(lmp: Any, path: Path, elements: Sequence[str] | None) -> list[str]:
    """Read a LAMMPS data or restart file; every rank keeps its own atoms. Returns the element of every atom type."""
    if not elements:
        raise ValueError(f"elements must name the element of every atom type of {path.name}, in their order")
    if not path.is_file():
        raise ValueError(f"there is no data or restart file {path}")
    going_on = is_restart(path)
    lmp.command(f'{"read_restart" if going_on else "read_data"} "{path}"')
    if len(elements) != lmp.extract_global("ntypes"):
        raise ValueError(f"{path.name} has {lmp.extract_global('ntypes')} atom types, elements names {len(elements)}")
    for kind, symbol in enumerate([] if going_on else elements, start=1):  # a restart file has its own
        lmp.command(f"mass {kind} {atomic_masses[atomic_numbers[symbol]]}")
    return list(elements)


def is_restart(path: Path) -> bool:
    """Whether a file is a restart file of LAMMPS, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(RESTART_MAGIC)) == RESTART_MAGIC


def _moving(structure: ase.Atoms | str | os.PathLike[str]) -> bool:
    """Whether the structure brings velocities."""
    return structure.has("momenta") if isinstance(structure, ase.Atoms) else is_restart(Path(structure))


def _periodic(lmp: Any) -> list[bool]:
    return [bool(p) for p in lmp.extract_box()[5]]


def _advance(lmp: Any, steps: int, every: int, progress: bool) -> dict[str, FloatArray]:
    """Run, and read the thermodynamic state every so many steps."""
    lmp.command("thermo_style custom step time temp pe etotal press vol")
    lmp.command(f"thermo {every}")
    lmp.command("run 0 post no")
    rows = [_thermo(lmp)]
    with Progress(disable=not progress) as bar:
        task = bar.add_task("molecular dynamics", total=steps)
        done = 0
        while done < steps:
            count = min(every, steps - done)
            lmp.command(f"run {count} pre no post no")
            done += count
            rows.append(_thermo(lmp))
            bar.update(task, advance=count, description=f"{rows[-1]['temperature']:.0f} K")
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _thermo(lmp: Any) -> dict[str, float]:
    found = {name: float(lmp.get_thermo(keyword)) for name, keyword in THERMO.items()}
    found["time"] /= PS_PER_FS
    found["pressure"] /= BAR_PER_GPA
    return {"step": float(lmp.extract_global("ntimestep")), **found}


def _gather(lmp: Any, symbols: Sequence[str], pbc: Sequence[bool], rank: int) -> ase.Atoms | None:
    """The whole structure, on rank 0."""
    n = lmp.get_natoms()
    found = {name: np.array(lmp.gather_atoms(name, int(name != "type"), 1 if name == "type" else 3)) for name in "xv"}
    types = np.array(lmp.gather_atoms("type", 0, 1))
    low, high, xy, yz, xz = lmp.extract_box()[:5]
    if rank != 0:
        return None
    cell = np.diag(np.subtract(high, low))
    cell[1, 0], cell[2, 0], cell[2, 1] = xy, xz, yz
    atoms = ase.Atoms(
        [symbols[kind - 1] for kind in types], found["x"].reshape(n, 3) - np.array(low), cell=cell, pbc=list(pbc)
    )
    atoms.set_velocities(found["v"].reshape(n, 3) * PS_PER_FS / ase.units.fs)
    return atoms
