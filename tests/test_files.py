"""Files appear whole or not at all; links stay, pipes and devices are written into, killed processes' leavings go."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import acnn.files
from acnn.files import OutputError, append, clear_leftovers, put_in_place, require_writable, write_atomically
from acnn.owners import Owner

# Processes import acnn.files alone: torch, which acnn brings, takes seconds.
ALONE = f"""
import sys, types
sys.modules["acnn"] = types.ModuleType("acnn")
sys.modules["acnn"].__path__ = [{str(Path(acnn.files.__file__).parent)!r}]
from pathlib import Path
from acnn.files import *
"""
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.json"
    path.write_bytes(b"old")
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(code: str, folder: Path, **keywords: object) -> subprocess.CompletedProcess[str]:
    """A process of its own; prints what it is told of an error."""
    program = f"{ALONE}\ntry:\n    {code}\nexcept OSError as e:\n    print(e)\n"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True, **keywords
    )  # type: ignore[call-overload,no-any-return]


# --- links, pipes, devices -------------------------------------------------------------------------------------------


def test_a_link_stays_and_its_target_is_replaced(tmp_path, old):
    (tmp_path / "folder").mkdir()
    link = tmp_path / "folder" / "link.json"
    link.symlink_to("../chain")
    (tmp_path / "chain").symlink_to(old)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "chain").is_symlink()
    assert old.read_bytes() == b"new"
    assert not old.is_symlink()


def test_a_link_to_nothing_makes_its_target(tmp_path):
    (tmp_path / "link").symlink_to("new")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").read_bytes() == b"new"


def test_links_in_a_circle_are_a_sentence(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OutputError, match="its links form a loop"):
        write_atomically(tmp_path / "a", b"new")


def test_the_null_device_stays_a_device():
    before = os.stat("/dev/null")
    write_atomically(Path("/dev/null"), b"gone")
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode)
    assert (after.st_ino, after.st_rdev) == (before.st_ino, before.st_rdev)


def test_a_pipe_gets_the_content_and_stays_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"con", b"tent")
    reader.join(timeout=600)
    assert got == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_is_written_into_in_order(tmp_path, name):
    code = f"print('before'); write_atomically(Path({name!r}), b'content\\n'); print('after')"
    assert run(code, tmp_path).stdout == "before\ncontent\nafter\n"
    with (tmp_path / "redirected").open("w") as file:  # a regular file, which is not replaced either
        subprocess.run([sys.executable, "-c", f"{ALONE}\n{code}"], cwd=tmp_path, stdout=file, check=True)
    assert (tmp_path / "redirected").read_text() == "before\ncontent\nafter\n"
    assert names(tmp_path) == ["redirected"]


def test_a_folder_is_a_sentence(tmp_path):
    with pytest.raises(OutputError, match="it is a folder"):
        write_atomically(tmp_path, b"new")
    with pytest.raises(ValueError, match="it is a folder"):
        require_writable([tmp_path], overwrite=True)


def test_what_is_read_again_is_no_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/stdout"), Path("/dev/null"), tmp_path / "pipe"):
        require_writable([], streams=[path], overwrite=True)
        with pytest.raises(ValueError, match="must be a file"):
            require_writable([path], overwrite=True)


# --- what was there --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_stay(old, mode):
    old.chmod(mode)
    write_atomically(old, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == mode


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
def test_the_owner_stays(old):
    os.chown(old, 12345, 23456)
    write_atomically(old, b"new")
    assert (old.stat().st_uid, old.stat().st_gid) == (12345, 23456)


def test_a_read_only_file_is_not_replaced(old):
    old.chmod(0o444)
    with pytest.raises(OutputError, match=r"old.json cannot be written: it is read-only"):
        write_atomically(old, b"new")
    with pytest.raises(OutputError, match=r"old.json cannot be written: it is read-only"):
        require_writable([old], overwrite=True)
    assert old.read_bytes() == b"old"


def test_inputs_are_not_outputs_by_any_of_their_names(tmp_path, old):
    (tmp_path / "link").symlink_to(old)
    os.link(old, tmp_path / "other")
    for path in (old, tmp_path / "link", tmp_path / "other", tmp_path / ".." / tmp_path.name / "old.json"):
        with pytest.raises(ValueError, match="overwrite another file of this command"):
            require_writable([path], [old], overwrite=True)
        with pytest.raises(ValueError, match="overwrite another file of this command"):
            require_writable([old, path], overwrite=True)
    require_writable([], streams=[Path("/dev/null"), Path("/dev/null")], overwrite=True)


# --- no room ---------------------------------------------------------------------------------------------------------


def test_a_limit_of_the_size_of_files_leaves_the_old_one(tmp_path, old):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = run("write_atomically(Path('old.json'), bytes(10000))", tmp_path, preexec_fn=limited)
    assert done.stdout == "old.json cannot be written: File too large\n"
    assert old.read_bytes() == b"old"
    assert names(tmp_path) == ["old.json"]


def test_a_full_device_is_a_sentence():
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match=r"^/dev/full cannot be written: No space left on device$"):
        write_atomically(Path("/dev/full"), b"new")


def test_a_line_that_does_not_fit_is_not_begun(tmp_path):
    (tmp_path / "log").write_bytes(bytes(4000))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = run("append(Path('log'), bytes(90)); append(Path('log'), bytes(90))", tmp_path, preexec_fn=limited)
    assert done.stdout == "log cannot be written: File too large\n"
    assert (tmp_path / "log").stat().st_size == 4090


def test_what_is_appended_follows(tmp_path):
    append(tmp_path / "log", b"one\n")
    append(tmp_path / "log", b"two\n")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


def test_a_finished_file_takes_the_place_and_the_permissions_of_the_old_one(tmp_path, old):
    old.chmod(0o640)
    (tmp_path / "part").write_bytes(b"new")
    put_in_place(tmp_path / "part", old)
    assert old.read_bytes() == b"new"
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert names(tmp_path) == ["old.json"]


# --- killed processes ------------------------------------------------------------------------------------------------


def wait_for(condition: object, seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def test_what_a_killed_process_left_is_removed_and_that_of_a_living_one_is_not(tmp_path):
    endless = (
        "import os, time\nos.fsync = lambda handle: time.sleep(1000)\nwrite_atomically(Path('m.acnn'), b'content')"
    )
    writer = subprocess.Popen([sys.executable, "-c", f"{ALONE}\n{endless}"], cwd=tmp_path)
    try:
        wait_for(lambda: names(tmp_path))
        assert len(names(tmp_path)) == 1
        require_writable([tmp_path / "m.acnn"], overwrite=True)
        assert len(names(tmp_path)) == 1
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    (left,) = names(tmp_path)
    assert left.startswith(".m.acnn.")
    require_writable([tmp_path / "other.acnn"], overwrite=True)
    assert names(tmp_path) == [left]
    require_writable([tmp_path / "m.acnn"], overwrite=True)
    assert names(tmp_path) == []


def test_of_other_machines_only_what_is_old_is_removed(tmp_path):
    left = tmp_path / f".m.acnn.{'0' * 12}-17-123.abcdefgh"
    foreign = tmp_path / ".m.acnn.backup"
    for path in (left, foreign):
        path.write_bytes(b"content")
    clear_leftovers(tmp_path / "m.acnn")
    assert len(names(tmp_path)) == 2
    for path in (left, foreign):
        os.utime(path, (time.time() - 1e6, time.time() - 1e6))
    clear_leftovers(tmp_path / "m.acnn")
    assert names(tmp_path) == [foreign.name]


def test_a_process_number_that_was_given_again_is_another_owner():
    mine = Owner.here()
    assert mine.runs()
    assert Owner.of_token(mine.token) == Owner("", mine.machine, mine.pid, mine.started)
    assert Owner(mine.host, "0" * 12, mine.pid, mine.started).runs() is None
    if mine.started:
        assert Owner(mine.host, mine.machine, mine.pid, str(int(mine.started) - 1)).runs() is False
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert Owner(mine.host, mine.machine, child.pid, "1" if mine.started else "").runs() is False


def test_names_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("ä" * 120 + ".acnn")
    write_atomically(path, b"content")
    assert path.read_bytes() == b"content"
