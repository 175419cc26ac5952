"""Structures that a run has labeled so far, kept so that a killed run goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ase import Atoms

from acnn.data.frames import extended_xyz
from acnn.files import append, put_in_place, write_atomically


class Done(NamedTuple):
    """A structure that was tried: how many bytes of labeled structures there were afterwards, and why it was left out,
    which is empty where it was not."""

    size: int
    reason: str


class LabelJournal:
    """Labeled structures in OUTPUT.part.xyz, and in OUTPUT.part.xyz.jsonl one line for each that was tried.

    The first line says which run it is. What stands in either file behind what was noted last is of a moment in which
    the run was killed, and is taken away.

    Args:
        path: of the structures.
        run: what the labels depend on, by the name under which a user knows it.

    Raises:
        ValueError: the files are those of another run, or no journal at all.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self.path = path
        self.notes = notes_of(path)
        self._run = json.loads(json.dumps(run))
        self.done = self._begun()

    @property
    def reasons(self) -> list[str]:
        """Why structures were left out."""
        return [done.reason for done in self.done if done.reason]

    def add(self, found: Atoms | str) -> None:
        """Note a labeled structure, or why it is left out."""
        if not self.done:
            self._begin()
        if not isinstance(found, str):
            append(self.path, extended_xyz(found))
        self.done.append(Done(_size(self.path), found if isinstance(found, str) else ""))
        append(self.notes, _line(self.done[-1]))

    def finish(self, target: Path) -> None:
        """Give the structures their name."""
        put_in_place(self.path, target)
        self.notes.unlink(missing_ok=True)

    def drop(self) -> None:
        """Remove both files: there is nothing in them that would be of use."""
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def _begin(self) -> None:
        self.path.unlink(missing_ok=True)
        write_atomically(self.notes, _line(self._run))

    def _begun(self) -> list[Done]:
        """What the run has done before; both files end there afterwards."""
        size = _size(self.path)
        if not self.notes.exists():
            if size:
                raise ValueError(f"{self.path} is there, and not known to be of this command: remove it, or rename it")
            return []
        run, found = self._read_notes()
        found = [done for done in found if done.size <= size]
        while found and found[-1].reason:  # the calculator may have failed because the run was about to end
            found.pop()
        if not found:
            return []
        other = [name for name in self._run if self._run[name] != run.get(name)]
        if other:
            raise ValueError(
                f"{self.path} holds labels of an interrupted run with another {', '.join(other)}: give it as before to "
                f"go on, or remove the file to begin anew"
            )
        with self.path.open("ab") as file:
            file.truncate(found[-1].size)
        write_atomically(self.notes, _line(run), *map(_line, found))
        return found

    def _read_notes(self) -> tuple[dict[str, Any], list[Done]]:
        """Without a line that was not written to its end."""
        try:
            run, *lines = map(json.loads, self.notes.read_text().rpartition("\n")[0].split("\n"))
            return dict(run), [Done(int(size), str(reason)) for size, reason in lines]
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self.notes} is damaged, or not what acnn label writes: remove it, or rename it"
            ) from error


def notes_of(path: Path) -> Path:
    """The second file of a journal."""
    return path.with_name(f"{path.name}.jsonl")


def _size(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return os.stat(path).st_size
    return 0


def _line(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
