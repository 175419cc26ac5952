"""Small runs of LAMMPS with a random model, whose results are compared with the ASE calculator.

LAMMPS is a child process. It works through stages, one structure each, and leaves a file after each one, which shows
how far it got.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lammps_plugin.children import TIME_LIMIT, Ended, run_child
from lammps_plugin.doctor.trial_input import FROM_PYTHON, NEWTON, Stage, model, structures
from lammps_plugin.loading import PERMISSION

AGREEMENT = 1e-9
"""eV, eV/Å and eV/Å³; the same terms summed in another order differ by less."""
BAR_PER_EV_A3 = 1.6021765e6
"""LAMMPS' own constant (nktv2p of units metal)."""
LAMMPS_TO_VOIGT = [0, 1, 2, 5, 4, 3]
"""Positions of ASE's Voigt components in LAMMPS' order, xx yy zz xy xz yz."""


@dataclass(frozen=True)
class Deviations:
    """Largest deviations from the ASE calculator."""

    energy: float
    """eV"""
    forces: float
    """eV/Å"""
    stress: float
    """eV/Å³"""

    @property
    def largest(self) -> float:
        """The largest of the deviations; NaN if one is."""
        return float(np.max([self.energy, self.forces, self.stress]))

    def __str__(self) -> str:
        return f"{self.energy:.0e} eV, {self.forces:.0e} eV/Å, {self.stress:.0e} eV/Å³"


@dataclass
class Trial:
    """Runs in one folder, and what they left behind.

    Attributes:
        folder: contains what `write_files` writes.
        problems: the reason why a stage failed; empty if it did not.
        output: that of all runs.
    """

    folder: Path
    limit: float = TIME_LIMIT
    problems: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def run(self, command: Sequence[str], changes: Mapping[str, str], stages: Sequence[Stage]) -> None:
        """Run the stages in one process; after a failure, run the others in a new one.

        If the first stage fails, or one does not finish, the others are not tried.
        """
        remaining = list(stages)
        while remaining:
            (self.folder / "in.lammps").write_text(NEWTON + "".join(stage.deck() for stage in remaining), "ascii")
            ended = self._child([*command, "-log", "none", "-in", "in.lammps"], changes)
            n_done = self._note(remaining, ended)
            if n_done == 0 or ended.status is None:
                return
            remaining = remaining[n_done + 1 :]

    def run_from_python(self, changes: Mapping[str, str]) -> None:
        """Run the stage "module": `lammps_plugin.attach` in the module ``lammps`` of this Python."""
        stage = Stage("module", "many", "")
        (self.folder / "module.setup").write_text(stage.setup(), "ascii")
        (self.folder / "module.measure").write_text(stage.measure(), "ascii")
        self._note([stage], self._child([sys.executable, "-c", FROM_PYTHON], changes))

    def _child(self, command: Sequence[str], changes: Mapping[str, str]) -> Ended:
        # The permission is needed for the models of `trial_input` that report what they find.
        ended = run_child(command, {**changes, PERMISSION: "1"}, folder=self.folder, limit=self.limit)
        self.output += ended.output
        return ended

    def _note(self, stages: Sequence[Stage], ended: Ended) -> int:
        """Count the stages that succeeded, and record the problem of the next one."""
        done = [stage for stage in stages if (self.folder / f"{stage.name}.done").exists()]
        self.problems.update({stage.name: "" for stage in done})
        if not ended.succeeded:
            failed = stages[min(len(done), len(stages) - 1)]
            self.problems[failed.name] = ended.reason()
        elif len(done) < len(stages):
            self.problems[stages[len(done)].name] = "LAMMPS ended before its input did"
        return len(done)

    def deviations(self, stage: Stage) -> Deviations:
        """Return the deviations from the ASE calculator of a stage that succeeded."""
        from ase_calculator import ACNNCalculator

        atoms = structures()[stage.structure]
        atoms.calc = ACNNCalculator(model())
        energy, *pressures = map(float, (self.folder / f"{stage.name}.done").read_text().split())
        forces = np.loadtxt(self.folder / f"{stage.name}.forces", skiprows=9, ndmin=2)[:, 1:]
        stress = -np.array(pressures)[LAMMPS_TO_VOIGT] / BAR_PER_EV_A3
        return Deviations(
            abs(energy - atoms.get_potential_energy()),
            float(np.abs(forces - atoms.get_forces()).max()),
            float(np.abs(stress - atoms.get_stress()).max()),
        )

    def facts(self, name: str) -> list[dict[str, Any]]:
        """Return what the processes reported: "facts", "mpi" or "memory"."""
        return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(self.folder.glob(f"{name}*.json"))]

    def newton(self) -> str:
        """Return the default newton setting for pairs: "1" is on; empty if unknown."""
        file = self.folder / "newton"
        return file.read_text(encoding="ascii").strip() if file.exists() else ""


def ranks_in(output: str) -> list[int]:
    """Return the sizes of LAMMPS' processor grids: [2] for two ranks, [1, 1] for two separate runs."""
    grids = re.findall(r"(\d+) by (\d+) by (\d+) MPI processor grid", output)
    return [int(np.prod([int(n) for n in grid])) for grid in grids]
