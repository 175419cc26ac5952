"""LAMMPS coupling: potentials for `pair_style mliap unified`, and molecular dynamics on many ranks."""

from __future__ import annotations

import typing as _typing

if _typing.TYPE_CHECKING:
    from lammps_plugin.coupling import attach
    from lammps_plugin.mliap import UnifiedPotential
    from lammps_plugin.monitor import Frame, watch, watching
    from lammps_plugin.plugin_load import load_plugin
    from lammps_plugin.shell import save_unified
    from lammps_plugin.simulation import MDResult, run_md

__all__ = [
    "Frame",
    "MDResult",
    "UnifiedPotential",
    "attach",
    "load_plugin",
    "run_md",
    "save_unified",
    "watch",
    "watching",
]

_MODULES = {
    "Frame": "monitor",
    "MDResult": "simulation",
    "UnifiedPotential": "mliap",
    "attach": "coupling",
    "load_plugin": "plugin_load",
    "run_md": "simulation",
    "save_unified": "shell",
    "watch": "monitor",
    "watching": "monitor",
}


def __getattr__(name: str) -> _typing.Any:
    """On first use: LAMMPS imports this package to look for its plugin, and torch takes a while to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
