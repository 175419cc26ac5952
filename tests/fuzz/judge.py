"""Cases and the verdict on how they ended: the same result, or one sentence that names the file, and nothing else."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

SECONDS = 600
"""For a case that takes a second or two: what is longer counts as a hang, on a busy machine too."""
LONGEST_SENTENCE = 1200
"""Characters of an error message."""
QUIET = {"COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1", "ACNN_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    signal: int
    seconds: float
    timed_out: bool
    text: str


class Server:
    """server.py, for one command after the other."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_environment(),
        )

    def run(self, arguments: list[str], folder: Path, kill: float | None = None, **environment: str) -> Ended:
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "output": str(self.log),
            "limit": SECONDS,
            "kill": kill,
            "environment": QUIET | environment,
        }
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Ended(**answer, text=self.log.read_text(errors="replace"))

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, **QUIET}


@dataclass(frozen=True)
class Case:
    """A command on a file that was damaged.

    Args:
        damaged: name of the file; an error names it, or one of ``names``.
        outputs: files the command may write, if it succeeds; ``*`` stands for any letters.
        result: what the outputs say; raises ValueError if they are not whole.
        expected: the result of the undamaged file, where the damaged one may give no other.
    """

    arguments: list[str]
    damaged: str
    outputs: tuple[str, ...]
    result: Callable[[Path], Any]
    expected: Any = None
    names: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def verdict(case: Case, server: Server, folder: Path) -> str | None:
    """What is wrong with how the case ends, or None."""
    before = contents(folder)
    ended = server.run(case.arguments, folder, **case.environment)
    return next(_faults(case, ended, before, folder), None)


def _faults(case: Case, ended: Ended, before: Mapping[str, bytes], folder: Path) -> Iterator[str]:
    if ended.timed_out:
        yield f"no end after {SECONDS} s"
    if ended.signal:
        yield f"ended by signal {ended.signal}"
    if "Traceback (most recent" in ended.text or "bug in acnn" in ended.text:
        yield f"traceback: {ended.text[-1500:]}"
    after = contents(folder)
    written = [name for name in sorted({*after, *before}) if after.get(name) != before.get(name)]
    outputs = case.outputs if ended.status == 0 else ()
    unasked = [name for name in written if not any(fnmatch(name, output) for output in outputs)]
    if unasked:
        yield f"status {ended.status}, but wrote or removed {', '.join(unasked)}: {ended.text[-300:]!r}"
    yield from _wrong_result(case, ended, folder) if ended.status == 0 else _wrong_sentence(case, ended)


def _wrong_result(case: Case, ended: Ended, folder: Path) -> Iterator[str]:
    try:
        found = case.result(folder)
    except (ValueError, OSError, KeyError) as error:
        yield f"status 0, but {error}"
        return
    if case.expected is not None and found != case.expected:
        yield f"silently another result: {str(found)[:200]} instead of {str(case.expected)[:200]}"


def _wrong_sentence(case: Case, ended: Ended) -> Iterator[str]:
    lines = [line for line in ended.text.splitlines() if line.startswith("Error:")]
    usage = "Usage:" in ended.text
    if len(lines) != 1 and not usage:
        yield f"status {ended.status} with {len(lines)} errors: {ended.text[-400:]!r}"
        return
    sentence = ended.text if usage else lines[0]
    if len(sentence) > LONGEST_SENTENCE:
        yield f"an error of {len(sentence)} letters: {sentence[:300]}"
    if not any(name in sentence for name in (case.damaged, *case.names)):
        yield f"an error that does not name {case.damaged}: {sentence[:400]}"


def contents(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def finite_json(path: Path) -> Any:
    """The content of a JSON file, without NaN or infinity."""

    def refuse(text: str) -> float:
        raise ValueError(f"{path.name} holds {text}")

    def check(text: str) -> float:
        number = float(text)
        if not math.isfinite(number):
            raise ValueError(f"{path.name} holds {text}")
        return number

    return json.loads(path.read_text(), parse_constant=refuse, parse_float=check)
