"""Limits of a property of atoms during a run: it ends above one of them, and frames above the other are written.

The property is filled in by the model itself (`lammps_plugin.site_properties`), at the steps at which it is looked at.
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

from acnn.arrays import FloatArray
from acnn.data.frames import extended_xyz
from acnn.data.label_names import PREDICTED
from acnn.files import append
from acnn.potential import Potential
from lammps_plugin.site_properties import EVERY, properties_of_sites
from lammps_plugin.structures import gather

ROOM = "acnn_watched"
"""The fix that makes room for the property."""


@dataclass(frozen=True)
class Limits:
    """What is watched, see `lammps_plugin.run_md`."""

    monitor: str | None = None
    every: int = 10
    halt: float = math.inf
    keep: float = math.inf
    kept: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"monitor_every must be at least 1 step, not {self.every}")
        if self.monitor is None and (min(self.halt, self.keep) < math.inf or self.kept is not None):
            raise ValueError("halt, keep and kept belong to a monitored property: choose monitor='gamma', for example")
        if (self.keep < math.inf) != (self.kept is not None):
            raise ValueError("keep is the limit above which frames are written to kept: give both, or neither")


class Watch:
    """Looks at a property of the atoms of a running LAMMPS, on all ranks together.

    Attributes:
        steps, largest: those at which it looked, and the largest value of all atoms at each.
        n_kept: number of frames written.
    """

    def __init__(self, lmp: Any, comm: Any, limits: Limits, potential: Potential) -> None:
        self.lmp, self.comm, self.limits = lmp, comm, limits
        self.steps: list[int] = []
        self.largest: list[float] = []
        self.n_kept = 0
        if limits.monitor is None:
            return
        choices = properties_of_sites(potential)
        if limits.monitor not in choices:
            raise ValueError(
                f"in LAMMPS this model has no {limits.monitor} of single atoms: monitor one of {', '.join(choices)}"
            )
        self.room = f"d_{PREDICTED}{limits.monitor}"
        lmp.command(f"fix {ROOM} all property/atom {self.room}")
        lmp.command(f"variable {EVERY} index {limits.every}")
        if limits.kept is not None and comm.Get_rank() == 0:
            Path(limits.kept).unlink(missing_ok=True)

    def steps_to_next(self) -> float:
        """Return the number of steps until it looks again."""
        every = self.limits.every
        return math.inf if self.limits.monitor is None else every - int(self.lmp.extract_global("ntimestep")) % every

    def look(self, symbols: Sequence[str], pbc: Sequence[bool]) -> str:
        """Look, if this step is one of those, and write the frame; return why the run must end, if it must."""
        step = int(self.lmp.extract_global("ntimestep"))
        if self.limits.monitor is None or step % self.limits.every:
            return ""
        own = np.array(self.lmp.numpy.extract_atom(self.room)[: self.lmp.extract_global("nlocal")])
        largest = max(self.comm.allgather(float(own.max(initial=-math.inf))))
        self.steps.append(step)
        self.largest.append(largest)
        if largest > self.limits.keep:
            self._keep(step, symbols, pbc)
        if largest > self.limits.halt:
            return f"{self.limits.monitor} of an atom is {largest:.3g}, above the limit of {self.limits.halt:g}"
        return ""

    def _keep(self, step: int, symbols: Sequence[str], pbc: Sequence[bool]) -> None:
        self.n_kept += 1
        atoms = gather(self.lmp, symbols, pbc, self.comm.Get_rank())
        values = np.array(self.lmp.gather(self.room, 1, 1))
        if atoms is not None:
            append(Path(os.fspath(self.limits.kept or "")), extended_xyz(self._frame(atoms, step, values)))

    def _frame(self, atoms: ase.Atoms, step: int, values: FloatArray) -> ase.Atoms:
        atoms.set_constraint()
        atoms.info = {"step": step, "config_type": "md"}
        atoms.arrays[f"{PREDICTED}{self.limits.monitor}"] = values
        return atoms

    def end(self) -> None:
        """Take the room away, which restart files need not know."""
        if self.limits.monitor is not None:
            self.lmp.command(f"unfix {ROOM}")

    def found(self) -> dict[str, FloatArray]:
        """Return the columns "step" and "largest"."""
        return {"step": np.array(self.steps, dtype=float), "largest": np.array(self.largest)}
