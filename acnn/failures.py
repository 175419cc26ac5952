"""How exceptions are reported to users: by their message if acnn raised them on purpose, otherwise as a bug in acnn.

Intended exceptions are those of acnn's own classes, of the file system, of missing packages and of memory; and a
ValueError or TypeError raised by a ``raise`` statement in acnn. The same error from `int` or NumPy is a bug.
"""

from __future__ import annotations

import dis
import os
import platform
import sys
import traceback
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType

from acnn.version import full_version

PACKAGES = ("acnn", "ase_calculator", "lammps_plugin")
ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "ACNN_TRACEBACK"
MISTAKE, BUG = 2, 70
"""Exit statuses: errors that the user can fix, and errors that only a developer can fix."""


@dataclass(frozen=True)
class Failure:
    """A sentence and the exit status of the command."""

    sentence: str
    status: int

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe an exception to a user."""
        if _is_memory(error):
            return cls(f"out of memory ({error}): use a smaller model or batch, or a machine with more memory", MISTAKE)
        if not is_meant(error):
            return cls(_bug(error), BUG)
        details = getattr(error, "errors", None)
        if callable(details):  # of pydantic
            return cls("; ".join(str(one["msg"]).removeprefix("Value error, ") for one in details()), MISTAKE)
        return cls(_sentence(error), MISTAKE)


def is_meant(error: BaseException) -> bool:
    """Return whether an exception reports a mistake of the user, or something that is missing."""
    home = type(error).__module__.partition(".")[0]
    if home in (*PACKAGES, "pydantic_core"):
        return True
    if isinstance(error, ImportError):
        return (error.name or "").partition(".")[0] not in PACKAGES
    return isinstance(error, OSError) or (isinstance(error, (ValueError, TypeError)) and _raised_by_acnn(error))


def print_traceback(error: BaseException) -> None:
    """Print the traceback on standard error if ACNN_TRACEBACK is set."""
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        traceback.print_exception(error, file=sys.stderr)


def versions() -> str:
    """Return the versions of acnn and what it runs with, in one line to paste into a report."""
    packages = ", ".join(f"{name} {_version(name)}" for name in ("torch", "numpy", "ase"))
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"acnn {full_version()}, Python {platform.python_version()}, {packages}, {system}, kernel {_kernel()}"


def _bug(error: BaseException) -> str:
    message = f": {sentence}" if (sentence := " ".join(str(error).split())) else ""
    return (
        f"this is a bug in acnn: {type(error).__name__}{message} (in {_place(error)}). Please report it with the "
        f"command, its input and this line: {versions()}. --traceback or {VARIABLE}=1 shows the traceback"
    )


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'standard input or output'}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _is_memory(error: BaseException) -> bool:
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
        or (isinstance(error, ValueError) and str(error).startswith("array is too big"))
    )


def _raised_by_acnn(error: BaseException) -> bool:
    """Return whether the innermost step was a ``raise`` in acnn."""
    steps = _steps(error)
    if not steps or not _is_own(steps[-1]):
        return False
    code = steps[-1].tb_frame.f_code.co_code
    return code[steps[-1].tb_lasti] == dis.opmap["RAISE_VARARGS"]


def _place(error: BaseException) -> str:
    """Return the innermost line of acnn."""
    own = [step for step in _steps(error) if _is_own(step)]
    if not own:
        return "a library"
    path = Path(os.path.realpath(own[-1].tb_frame.f_code.co_filename)).relative_to(ROOT)
    return f"{path.as_posix()}:{own[-1].tb_lineno}"


def _steps(error: BaseException) -> list[TracebackType]:
    found, step = [], error.__traceback__
    while step is not None:
        found.append(step)
        step = step.tb_next
    return found


def _is_own(step: TracebackType) -> bool:
    path = Path(os.path.realpath(step.tb_frame.f_code.co_filename))
    return path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "?"


def _kernel() -> str:
    kernel = sys.modules.get("acnn.kernels._kernel")
    return "none" if kernel is None else str(kernel.instruction_sets()[0])
