"""Structures that a run has relaxed so far, kept so that a killed run continues where it stopped."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acnn.data.atoms_record import atoms_of, atoms_record
from acnn.data.run_notes import note, read_notes, require_same_run
from acnn.files import append, write_atomically
from acnn.workflows.relaxation_tasks import Relaxed

NUMBERS = ("pressure", "fmax", "smax")


class RelaxationJournal:
    """One line of JSON for each relaxed structure, after a line that identifies the run.

    A last line that is not complete was being written when the run was killed, and is removed.

    Args:
        path: the file.
        run: everything that the results depend on, by the name the user knows it under.

    Attributes:
        done: the results by the place of their structures.

    Raises:
        ValueError: the file belongs to another run, or is no journal.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.done: dict[int, Relaxed] = {}
        if path.exists():
            self._continue(run)
        else:
            write_atomically(path, note(run))

    def add(self, found: Relaxed) -> None:
        """Record a result."""
        self.done[found.place] = found
        append(self.path, note(record_of(found)))

    def _continue(self, run: Mapping[str, Any]) -> None:
        before, found, size = read_notes(self.path, relaxed_of, "acnn relax")
        require_same_run(self.path, before, run, "results")
        with self.path.open("r+b") as file:
            file.truncate(size)
        self.done = {one.place: one for one in found}


def record_of(found: Relaxed) -> dict[str, Any]:
    """Return a result as JSON has it; without the frames."""
    return {
        "place": found.place,
        "state": found.state,
        "reason": found.reason,
        "steps": found.steps,
        **{name: _number(getattr(found, name)) for name in NUMBERS},
        **atoms_record(found.atoms),
    }


def relaxed_of(record: Mapping[str, Any]) -> Relaxed:
    """Return the result of a record."""
    numbers: dict[str, Any] = {name: math.nan if record[name] is None else float(record[name]) for name in NUMBERS}
    words = {name: record[name] for name in ("state", "reason")}
    return Relaxed(int(record["place"]), atoms_of(record), steps=int(record["steps"]), **words, **numbers)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
