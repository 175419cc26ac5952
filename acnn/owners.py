"""The process that a file on disk belongs to, and whether that process still runs."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TOKEN = re.compile(r"(?P<machine>[0-9a-f]{12})-(?P<pid>\d+)-(?P<started>\d*)")


@dataclass(frozen=True)
class Owner:
    """A process, distinguishable from all others, including past ones.

    Attributes:
        host: name of its computer.
        machine: identifies the boot of the computer and the container, if any: the scope of process numbers.
        started: clock ticks from the start of the computer to that of the process; "" if unknown.
    """

    host: str
    machine: str
    pid: int
    started: str

    @classmethod
    def here(cls) -> Owner:
        """Return this process."""
        pid = os.getpid()
        return cls(platform.node(), _machine(), pid, _started(pid))

    @classmethod
    def of_token(cls, token: str) -> Owner | None:
        """Parse the owner in the name of a file, which does not include its host."""
        found = TOKEN.fullmatch(token)
        return None if found is None else cls("", found["machine"], int(found["pid"]), found["started"])

    @cached_property
    def token(self) -> str:
        """The owner in the form used in file names."""
        return f"{self.machine}-{self.pid}-{self.started}"

    def runs(self) -> bool | None:
        """Return whether it still runs; None if that cannot be determined, on another machine."""
        if self.machine != _machine():
            return None
        if self.pid == os.getpid():
            return self.started == _started(self.pid)
        if self.started:
            return self.started == _started(self.pid)
        return _is_process(self.pid)


def _machine() -> str:
    parts = [platform.node(), _content(Path("/proc/sys/kernel/random/boot_id"))]
    try:
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        parts.append("")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _started(pid: int) -> str:
    """Return field 22 of /proc/PID/stat; the program name before it, in parentheses, may contain anything."""
    fields = _content(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def _content(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _is_process(pid: int) -> bool | None:
    if os.name != "posix":  # elsewhere signal 0 is not a query
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
