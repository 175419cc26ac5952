"""The files of a molecular dynamics run: PREFIX.csv, PREFIX.xyz, PREFIX.keep.xyz, and PREFIX.state.xyz to go on from.

The first three only grow. The state, which is replaced as a whole, says how long they were when it was written: a run
that goes on cuts off what a killed one wrote after that.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import ase.io
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.data.frames import extended_xyz, read_frames
from acnn.data.label_names import PREDICTED
from acnn.files import append, write_atomically

HEADINGS = (
    "step,time_ps,temperature_K,potential_eV_per_atom,total_eV_per_atom,pressure_GPa,volume_A3_per_atom,monitored"
)


class RunFiles:
    """Writes them.

    Args:
        prefix: path and beginning of their names.
    """

    def __init__(self, prefix: Path) -> None:
        self.log, self.frames, self.kept, self.state = (
            prefix.with_name(prefix.name + suffix) for suffix in (".csv", ".xyz", ".keep.xyz", ".state.xyz")
        )

    @property
    def all(self) -> list[Path]:
        """All files."""
        return [self.log, self.frames, self.kept, self.state]

    def begin(self) -> None:
        """Remove what an earlier run has left."""
        for path in self.all:
            path.unlink(missing_ok=True)
        append(self.log, f"{HEADINGS}\n".encode())

    def resume(self) -> tuple[Atoms, int]:
        """Return the last state and its step, and cut off what was written after it.

        Raises:
            FileNotFoundError: there is no state.
        """
        if not self.state.is_file():
            raise FileNotFoundError(f"{self.state} does not exist: there is no run to continue")
        atoms = read_frames(self.state, -1)[0].atoms
        for path in (self.log, self.frames, self.kept):
            length = int(atoms.info[_key(path)])
            if length or path.is_file():
                with path.open("r+b") as file:
                    file.truncate(length)
        return atoms, int(atoms.info["step"])

    def write(self, atoms: Atoms, record: Any, monitor: str | None, values: FloatArray | None, keeps: bool) -> None:
        """Write a record and its frame, and the state after them."""
        append(self.log, (",".join(f"{value:.10g}" for value in record) + "\n").encode())
        frame = _frame(atoms, record, monitor, values)
        append(self.frames, extended_xyz(frame))
        if keeps:
            append(self.kept, extended_xyz(frame))
        state = atoms.copy()
        state.info = {"step": record.step} | {_key(path): _length(path) for path in (self.log, self.frames, self.kept)}
        text = io.StringIO()
        ase.io.write(text, state, format="extxyz", columns=["symbols", "positions", "momenta"])
        write_atomically(self.state, text.getvalue().encode())


def _frame(atoms: Atoms, record: Any, monitor: str | None, values: FloatArray | None) -> Atoms:
    frame = atoms.copy()
    frame.info = {"step": record.step, "time_ps": record.time, "config_type": "md"}
    frame.info[f"{PREDICTED}energy"] = record.potential * len(atoms)
    if monitor and values is not None:
        frame.arrays[PREDICTED + monitor] = values
    return frame


def _key(path: Path) -> str:
    return "bytes_of_" + path.name.split(".", 1)[-1].replace(".", "_")


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
