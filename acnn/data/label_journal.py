"""Structures that a run has labeled so far, kept so that an interrupted run continues where it stopped."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from acnn.data.frames import extended_xyz
from acnn.data.run_notes import note, read_notes, require_same_run
from acnn.files import append, put_in_place, write_atomically


class Done(NamedTuple):
    """A structure that was tried.

    Attributes:
        size: bytes of labeled structures afterwards.
        reason: why it was left out; empty if it was not.
    """

    size: int
    reason: str


class LabelJournal:
    """Labeled structures in OUTPUT.part.xyz, and in OUTPUT.part.xyz.jsonl one line for each that was tried.

    The first line identifies the run. Whatever follows the last complete note in either file was being written when the
    run was killed, and is removed.

    Args:
        path: the file of structures.
        run: everything the labels depend on, by the name the user knows it under.

    Raises:
        ValueError: the files belong to another run, or are not a journal.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.notes = notes_of(path)
        self._run = run
        self.done = self._begun()

    @property
    def reasons(self) -> list[str]:
        """The reasons why structures were left out."""
        return [done.reason for done in self.done if done.reason]

    def add(self, found: Atoms | str) -> None:
        """Record a labeled structure, or the reason why it is left out."""
        if not self.done:
            self._begin()
        if not isinstance(found, str):
            append(self.path, extended_xyz(found))
        self.done.append(Done(_size(self.path), found if isinstance(found, str) else ""))
        append(self.notes, note(self.done[-1]))

    def finish(self, target: Path) -> None:
        """Move the structures to their final name."""
        put_in_place(self.path, target)
        self.notes.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove both files, which contain nothing of use."""
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def _begin(self) -> None:
        self.path.unlink(missing_ok=True)
        write_atomically(self.notes, note(self._run))

    def _begun(self) -> list[Done]:
        """Return what the run has already done, and truncate both files after it."""
        size = _size(self.path)
        if not self.notes.exists():
            if size:
                raise ValueError(f"{self.path} exists and is not from this command: remove it, or rename it")
            return []
        run, found, _ = read_notes(self.notes, _done, "acnn label")
        found = [done for done in found if done.size <= size]
        while found and found[-1].reason:  # the calculator may have failed because the run was about to end
            found.pop()
        if not found:
            return []
        require_same_run(self.path, run, self._run, "labels")
        with self.path.open("ab") as file:
            file.truncate(found[-1].size)
        write_atomically(self.notes, note(run), *map(note, found))
        return found


def notes_of(path: Path) -> Path:
    """Return the path of the second file of a journal."""
    return path.with_name(f"{path.name}.jsonl")


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0


def _done(content: Any) -> Done:
    size, reason = content
    return Done(int(size), str(reason))
