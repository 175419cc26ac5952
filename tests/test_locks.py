"""One process at a time works on a file; the lock of a dead one is taken over, that of a living one never."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import acnn.locks
from acnn.files import OutputError
from acnn.locks import SILENT, LockedError, locked
from acnn.owners import Owner

HOLDER = f"""
import sys, time, types
sys.modules["acnn"] = types.ModuleType("acnn")  # without torch, which takes seconds
sys.modules["acnn"].__path__ = [{str(Path(acnn.locks.__file__).parent)!r}]
from pathlib import Path
from acnn.locks import LockedError, locked
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "f.factor"


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    code = f"{HOLDER}\nwith locked(Path({str(path)!r})):\n    print(flush=True)\n    time.sleep(1000)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def foreign(path: Path, machine: str = "0" * 12, age: float = 0.0) -> Path:
    lock = path.with_name(f"{path.name}.lock")
    lock.write_text(json.dumps({"host": "node7", "machine": machine, "pid": 4711, "started": "1"}))
    os.utime(lock, (time.time() - age, time.time() - age))
    return lock


def test_it_is_there_inside_and_gone_after(path):
    with locked(path):
        assert [p.name for p in path.parent.iterdir()] == ["f.factor.lock"]
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ZeroDivisionError), locked(path):
        raise ZeroDivisionError
    assert list(path.parent.iterdir()) == []


def test_a_second_process_is_told_who_the_first_is_and_takes_over_when_that_is_killed(path):
    with held_by_another_process(path) as other:
        with (
            pytest.raises(LockedError, match=rf"f\.factor is being written by process {other.pid} on \S+: wait"),
            locked(path),
        ):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert [p.name for p in path.parent.iterdir()] == ["f.factor.lock"]
        with locked(path):
            assert json.loads((path.parent / "f.factor.lock").read_text())["pid"] == os.getpid()
    assert list(path.parent.iterdir()) == []


def test_another_machine_is_believed_as_long_as_it_gives_signs(path):
    lock = foreign(path, age=SILENT - 60)
    says = r"process 4711 on node7 \(its last sign of life is 24\d s old; if it is dead, remove"
    with pytest.raises(LockedError, match=says), locked(path):
        pass
    assert json.loads(lock.read_text())["pid"] == 4711
    foreign(path, age=SILENT + 60)
    with locked(path):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_signs_of_life(path, monkeypatch):
    monkeypatch.setattr(acnn.locks, "SIGN_EVERY", 0.01)
    lock = path.parent / "f.factor.lock"
    with locked(path):
        os.utime(lock, (0, 0))
        end = time.monotonic() + 600
        while lock.stat().st_mtime == 0:
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}'])
def test_a_lock_that_is_only_just_being_made_is_one(path, content):
    lock = path.parent / "f.factor.lock"
    lock.write_text(content)
    with pytest.raises(LockedError, match="another process"), locked(path):
        pass
    os.utime(lock, (0, 0))
    with locked(path):
        pass


def test_two_names_of_one_file_have_one_lock(path):
    link = path.parent / "link"
    link.symlink_to(path)
    with locked(path), pytest.raises(LockedError, match="link is being written"), locked(link):
        pass


def test_of_many_that_find_a_dead_lock_one_at_a_time_takes_it(path):
    foreign(path, Owner.here().machine)
    inside, seen, refused = [0], [], []

    def work() -> None:
        try:
            with locked(path):
                inside[0] += 1
                seen.append(inside[0])
                time.sleep(0.02)
                inside[0] -= 1
        except LockedError:
            refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) >= 1
    assert set(seen) == {1}
    assert len(seen) + len(refused) == 8
    assert list(path.parent.iterdir()) == []


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path):
    path = tmp_path / "nowhere" / "f.factor"
    with pytest.raises(OutputError, match=r"nowhere/f.factor.lock cannot be written"), locked(path):
        pass
