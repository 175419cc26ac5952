"""What is installed: LAMMPS with its packages and MPI library, the plugin, the number of threads."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator

from lammps_plugin import plugin_build
from lammps_plugin.children import InstallationError
from lammps_plugin.doctor import remedies
from lammps_plugin.doctor.findings import MISSING, OK, WARNING, Finding
from lammps_plugin.installation import PLUGIN_SWITCH, Program, mpi4py_library, mpi_family, n_processors

SHOWN_PACKAGES = ("ML-IAP", "PYTHON", "PLUGIN", "KOKKOS", "ML-PACE", "ML-SNAP", "ML-POD")


def of_program(program: Program) -> Iterator[Finding]:
    """Report version, path, shared libraries and packages."""
    yield Finding("lmp", f"{program.version}, {program.path}", OK)
    if program.library_path:
        fix = f"export LD_LIBRARY_PATH={program.library_path}"
        yield Finding("libraries", "lmp does not find its shared libraries by itself", WARNING, fix)
    absent = [package for package in SHOWN_PACKAGES if package not in program.packages]
    present = [package for package in SHOWN_PACKAGES if package in program.packages]
    found = ", ".join(present) + (f"; not {', '.join(absent)}" if absent else "")
    lacking = program.lacking()
    yield Finding("packages", found, MISSING if lacking else OK, remedies.of_packages(program) if lacking else "")


def of_plugin(again: bool) -> Iterator[Finding]:
    """Report the plugin and what it needs; compile it if it does not exist."""
    try:
        yield Finding("C++ compiler", str(shutil.which(plugin_build.compiler()[0])), OK)
    except plugin_build.PluginError as error:
        yield Finding("C++ compiler", str(error), WARNING, remedies.of_plugin(str(error)))
    if os.environ.get(PLUGIN_SWITCH) == "0":
        yield Finding("plugin", f"disabled by {PLUGIN_SWITCH}=0", MISSING, f"unset {PLUGIN_SWITCH}")
        return
    try:
        yield Finding("plugin", f"compiled, {plugin_build.build(again=again)}", OK)
    except plugin_build.PluginError as error:
        yield Finding("plugin", str(error), MISSING, remedies.of_plugin(str(error)))
        return
    if plugin_build.python_library() is None and sys.platform != "darwin":
        found = "works from Python only: this Python has no shared library, so lmp cannot run it"
        yield Finding("plugin in lmp", found, WARNING, remedies.SHARED_PYTHON)


def of_mpi(program: Program, limit: float) -> Iterator[Finding]:
    """Compare the MPI libraries of LAMMPS and mpi4py."""
    own = program.mpi or "unknown"
    try:
        other = mpi4py_library(limit)
    except InstallationError as error:
        yield Finding("MPI library", f"LAMMPS: {own}; {error}", WARNING, "pip install mpi4py")
        return
    same = mpi_family(own) == mpi_family(other)
    yield Finding(
        "MPI library",
        f"LAMMPS: {own}; mpi4py: {other}{'' if same else ' (incompatible when used from Python)'}",
        OK if same else WARNING,
        "" if same else remedies.of_mpi4py(mpi_family(own)),
    )


def of_threads() -> Finding:
    """Report the number of threads per rank and of processors."""
    text, processors = os.environ.get("ACNN_NUM_THREADS", ""), n_processors()
    if not text:
        return Finding("threads", f"one per rank; {processors} processors", OK)
    too_many = not text.isdecimal() or int(text) > processors
    found = f"ACNN_NUM_THREADS={text} per rank; {processors} processors"
    return Finding("threads", found, WARNING if too_many else OK, "unset ACNN_NUM_THREADS" if too_many else "")
