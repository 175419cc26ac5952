"""Locks that let one process at a time work on a file: FILE.lock names it, with a sign of life every half minute.

A lock is made by exclusive creation, which also works on network file systems, where locks of the system may be
missing. The lock of a process that no longer runs is taken over: on the same machine at once, on another one when it
has been silent for some minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from acnn.files import destination, named_errors
from acnn.owners import Owner

SIGN_EVERY = 30.0
SILENT = 300.0
"""Seconds after which a process on another machine counts as dead."""


class LockedError(ValueError):
    """Another process works on the file; the message is one sentence."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Lock ``path`` against other processes.

    Raises:
        LockedError: another process has locked it.
    """
    target = destination(path)
    lock = target.with_name(f"{target.name}.lock")
    content = json.dumps({**asdict(Owner.here()), "lock": uuid.uuid4().hex}).encode()
    with named_errors(lock):
        _take(lock, content, path)
    over = threading.Event()
    life = threading.Thread(target=_give_signs, args=(lock, over), daemon=True)
    life.start()
    try:
        yield
    finally:
        over.set()
        life.join()
        if _content(lock) == content:
            lock.unlink(missing_ok=True)


def _take(lock: Path, content: bytes, path: Path) -> None:
    while True:
        try:
            return _make(lock, content)
        except FileExistsError:
            found = _content(lock)
            if found is not None:
                _require_dead(lock, found, path)
                _remove(lock, found)


def _make(lock: Path, content: bytes) -> None:
    with lock.open("xb") as file:
        try:
            file.write(content)
            file.flush()
        except BaseException:
            lock.unlink()
            raise


def _require_dead(lock: Path, found: bytes, path: Path) -> None:
    owner, silent = _owner(found), _silence(lock)
    runs = None if owner is None else owner.runs()
    certain = owner is not None and bool(runs and owner.started)  # otherwise its number may have been reused
    if certain or (runs is not False and silent < SILENT):
        who = "another process" if owner is None else f"process {owner.pid} on {owner.host}"
        sign = (
            "" if certain else f" (its last sign of life is {max(silent, 0):.0f} s old; if it is dead, remove {lock})"
        )
        raise LockedError(f"{path} is being written by {who}{sign}: wait until it ends, or choose another name")


def _remove(lock: Path, found: bytes) -> None:
    """Remove the lock of a dead process; if another process was faster, put its lock back."""
    aside = lock.with_name(f"{lock.name}.{uuid.uuid4().hex}")
    try:
        lock.rename(aside)
    except FileNotFoundError:
        return
    if _content(aside) != found:
        with contextlib.suppress(OSError):
            os.link(aside, lock)
    aside.unlink()


def _give_signs(lock: Path, over: threading.Event) -> None:
    while not over.wait(SIGN_EVERY):
        with contextlib.suppress(OSError):
            os.utime(lock)


def _silence(lock: Path) -> float:
    """Return the seconds since the last sign of life, by the clock of the file system."""
    try:
        with tempfile.TemporaryFile(dir=lock.parent) as now:
            return os.fstat(now.fileno()).st_mtime - lock.stat().st_mtime
    except FileNotFoundError:
        return 0.0
    except OSError:
        return time.time() - lock.stat().st_mtime


def _content(lock: Path) -> bytes | None:
    try:
        return lock.read_bytes()
    except FileNotFoundError:
        return None


def _owner(content: bytes) -> Owner | None:
    """Parse the owner; None if the lock is just being written, or damaged."""
    try:
        fields = json.loads(content)
        return Owner(str(fields["host"]), str(fields["machine"]), int(fields["pid"]), str(fields["started"]))
    except (ValueError, TypeError, KeyError):
        return None
