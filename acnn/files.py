"""Files that are written completely or not at all. Links are followed; pipes and devices are never replaced."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from acnn.owners import Owner

DESCRIPTORS = re.compile(r"(/proc/(?P<process>\d+)(/task/\d+)?|/dev)/fd")
"""Folders of a process's open files, on Linux, and on macOS (where it is that of the current process)."""
FORGOTTEN = 86400.0
"""Seconds after which a temporary file of another machine counts as abandoned."""
LONGEST_NAME = 120
"""Bytes of a name that the temporary file's name may include; file systems allow 255 in all."""


class OutputError(OSError):
    """A file that cannot be written; the message is one sentence."""

    def __init__(self, sentence: str, errno: int | None = None) -> None:
        super().__init__(sentence)
        self.errno = errno


def write_atomically(path: Path, *content: bytes | memoryview) -> None:
    """Write a file completely or not at all, even if the power fails.

    A symbolic link is kept and its target replaced; permissions are kept, and the owner where that is allowed. Pipes
    and devices are written to.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist")
    with named_errors(path):
        target = destination(path)
        if is_stream(target):
            _write_into(target, content)
        else:
            _replace(target, content)


def append(path: Path, content: bytes) -> None:
    """Append to a file, or create it; if there is no room for everything, nothing is added."""
    with named_errors(path), path.open("ab", buffering=0) as file:
        size, left = os.fstat(file.fileno()).st_size, memoryview(content)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            os.ftruncate(file.fileno(), size)
            raise


def put_in_place(finished: Path, target: Path) -> None:
    """Rename a finished file, which is beside the `destination` of an output, to that output."""
    with named_errors(target):
        _require_replaceable(target)
        with finished.open("r+b") as file:
            os.fsync(file.fileno())
        _rename(finished, target)


def require_writable(
    outputs: Sequence[Path | None],
    inputs: Sequence[Path | None] = (),
    streams: Sequence[Path | None] = (),
    *,
    overwrite: bool,
    continued: Sequence[Path | None] = (),
) -> None:
    """Require, before long work, that every output can be written and is no input, other output or existing file.

    Temporary files that killed processes left beside the outputs are removed.

    Args:
        streams: outputs that may be pipes or devices, since they are written once and not read again.
        overwrite: whether outputs that exist may be replaced.
        continued: outputs that an earlier run of the command began and this one continues.

    Raises:
        ValueError, OutputError: an output cannot be written, or is an input or another output.
        FileExistsError: an output exists already.
    """
    taken = {_identity(path) for path in inputs if path is not None}
    for path in (*outputs, *streams):
        if path is None:
            continue
        target = _require_place(path)
        if is_stream(target):
            if path not in streams:
                raise ValueError(f"{path} is a pipe or a device, but this output must be a file")
            continue
        if _identity(path) in taken:
            raise ValueError(f"{path} would overwrite another file of this command: choose another name")
        taken.add(_identity(path))
        clear_leftovers(target)
    require_new([path for path in (*outputs, *streams) if path not in continued], overwrite)


def require_new(outputs: Sequence[Path | None], overwrite: bool) -> None:
    """Require that outputs that exist may be replaced.

    Raises:
        FileExistsError: they may not.
    """
    found = [str(path) for path in outputs if path and path.exists() and not is_stream(destination(path))]
    if found and not overwrite:
        verb = "exists" if len(found) == 1 else "exist"
        raise FileExistsError(
            f"{', '.join(found)} already {verb}: add --overwrite (in Python overwrite=True) or choose another name"
        )


@contextlib.contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn errors of the system into a sentence that names the file."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}", error.errno) from error


def destination(path: Path) -> Path:
    """Follow symbolic links. Descriptors of a process, such as /dev/stdout, are not followed."""
    for _ in range(40):
        if not path.is_symlink() or _is_descriptor(path):
            return path
        path = path.parent / os.readlink(path)
    raise OutputError(f"{path} cannot be written: its links form a loop")


def is_stream(path: Path) -> bool:
    """Return whether a path exists but is not a file: a pipe, a device, or a descriptor of a process."""
    status = _status(path)
    return status is not None and (_is_descriptor(path) or not (stat.S_ISREG(status.st_mode) or path.is_dir()))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the content, 64 hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sha256_of_all(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of a file, or that of the digits of several; a folder stands for the files in it."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    hashes = [sha256_of(file) for file in files if file.is_file()]
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def clear_leftovers(path: Path) -> None:
    """Remove temporary files of ``path`` whose processes no longer run."""
    beginning = _beginning(path)
    for name in os.listdir(path.parent):
        if not name.startswith(beginning):
            continue
        owner, left = Owner.of_token(name.rpartition(".")[0].rpartition(".")[2]), path.with_name(name)
        if owner is not None and _is_left(left, owner):
            with contextlib.suppress(OSError):
                left.unlink()


def _is_left(path: Path, owner: Owner) -> bool:
    runs = owner.runs()
    if runs is None:
        status = _status(path)
        return status is not None and time.time() - status.st_mtime > FORGOTTEN
    return not runs


def _require_place(path: Path) -> Path:
    """Return the destination of a path, and require that it can be written.

    Raises:
        ValueError, OutputError: it cannot.
    """
    if not path.parent.is_dir():
        if path.parent.exists():
            raise ValueError(f"{path} cannot be written: {path.parent} is not a folder")
        raise ValueError(f"the folder {path.parent} of {path.name} does not exist: create it first")
    target = destination(path)
    folder = target.parent
    if not folder.is_dir():
        raise ValueError(f"{path} is a link into the folder {folder}, which does not exist: create it first")
    if target.is_dir():
        raise ValueError(f"{path} cannot be written: it is a folder")
    if is_stream(target):
        if not (_is_descriptor(target) or os.access(target, os.W_OK)):
            raise ValueError(f"{path} cannot be written: it is read-only")
        return target
    _require_replaceable(target)
    # Permissions alone are not reliable on every file system.
    with named_errors(path), tempfile.TemporaryFile(dir=folder):
        return target


def _require_replaceable(target: Path) -> None:
    """Require that a file is not read-only: whoever made it so did not want it replaced, not even by root."""
    status = _status(target)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"{target} cannot be written: it is a folder")
    if not (status.st_mode & 0o222 and os.access(target, os.W_OK)):
        raise OutputError(f"{target} cannot be written: it is read-only")


def _identity(path: Path) -> tuple[int, int] | Path:
    """Return the same value for two names of one file."""
    status = _status(path)
    return path.resolve() if status is None else (status.st_dev, status.st_ino)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_descriptor(path: Path) -> bool:
    return path.name.isdecimal() and DESCRIPTORS.fullmatch(os.path.realpath(path.parent)) is not None


def _write_into(path: Path, content: Sequence[bytes | memoryview]) -> None:
    found = DESCRIPTORS.fullmatch(os.path.realpath(path.parent))
    if found is not None and found["process"] in (None, str(os.getpid())):
        sys.stdout.flush()
        handle = os.dup(int(path.name))  # opening it again would start at the beginning of the file
    else:
        handle = os.open(path, os.O_WRONLY)
    with os.fdopen(handle, "wb") as file:
        file.writelines(content)


def _replace(target: Path, content: Sequence[bytes | memoryview]) -> None:
    """Write to a temporary name beside the target, then rename."""
    _require_replaceable(target)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f"{_beginning(target)}{Owner.here().token}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(content)
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _rename(finished: str | Path, target: Path) -> None:
    _make_like(finished, _status(target))
    os.replace(finished, target)
    _sync_folder(target.parent)


def _beginning(target: Path) -> str:
    """Return the beginning of the names of its temporary files."""
    name = target.name
    if len(os.fsencode(name)) > LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    return f".{name}."


def _make_like(new: str | Path, old: os.stat_result | None) -> None:
    """Set owner, group and permissions to those of the old file; without one, to those of any new file."""
    if old is None:
        return os.chmod(new, 0o666 & ~_umask())
    if hasattr(os, "chown"):
        for owner in ((-1, old.st_gid), (old.st_uid, -1)):
            with contextlib.suppress(OSError):
                os.chown(new, *owner)
    os.chmod(new, stat.S_IMODE(old.st_mode))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power failure, where the system can sync folders."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
