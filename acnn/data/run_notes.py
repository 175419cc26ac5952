"""Notes of a run that may be interrupted: a line of JSON that identifies it, then one for each step it has done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def note(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Return a line."""
    return json.dumps(content).encode() + b"\n"


def read_notes(path: Path, step_of: Callable[[Any], T], command: str) -> tuple[dict[str, Any], list[T], int]:
    """Return the run, its steps, and the bytes up to the last complete line: a later one was being written at a kill.

    Args:
        step_of: makes a step of the content of its line.
        command: that writes such files.

    Raises:
        ValueError: the file does not consist of such lines.
    """
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    try:
        run, *lines = map(json.loads, complete.splitlines())
        return dict(run), [step_of(line) for line in lines], len(complete)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is damaged, or was not written by {command}: remove it, or rename it") from error


def require_same_run(path: Path, before: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Require that everything that identifies a run is as it was.

    Args:
        path: the file of what was done.
        before: the run as notes have it.
        now: the run that continues.
        what: the file has.

    Raises:
        ValueError: it is not.
    """
    other = [name for name, value in json.loads(json.dumps(now)).items() if value != before.get(name)]
    if other:
        raise ValueError(
            f"{path} contains {what} of an interrupted run with another {', '.join(other)}: give the same as before to "
            "continue, or remove the file to start again"
        )
