"""The file for ``pair_style mliap unified``: the bytes of a model file, and the call that makes the model from them.

LAMMPS' own coupling unpickles its file, ``.pt`` and ``.pth`` with torch, and thereby makes that call. acnn's plugin
does not: `read_unified` accepts only what `save_unified` writes.
"""

from __future__ import annotations

import importlib
import io
import operator
import os
import pickle
import pickletools
import shlex
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import torch

from acnn.files import write_atomically
from acnn.graph import dtype_of
from acnn.io.model_file import ModelFileError, model_to_bytes
from acnn.potential import Potential
from acnn.recognition import MODEL, recognized
from lammps_plugin.loading import PERMISSION
from lammps_plugin.mliap import SHELL_VERSION, UnifiedPotential, rebuild

TORCH_SUFFIXES = (".pt", ".pth")
"""LAMMPS reads files of other names with pickle."""
PROTOCOL = 4
"""Protocol of pickle: the first with large bytes objects."""
FUNCTIONS = {("importlib", "import_module"), ("_operator", "getitem"), (rebuild.__module__, "rebuild")}
OPCODES = {"PROTO", "FRAME", "MEMOIZE", "BINGET", "STACK_GLOBAL", "REDUCE", "STOP"} | {
    *("SHORT_BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BININT1"),
    *("TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "SETITEM"),
}
"""Opcodes of the pickles that acnn writes."""


class Call:
    """An object that pickles as a call, which is made when the pickle is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def save_unified(
    model: Potential, path: str | os.PathLike[str], dtype: str = "float64", provenance: Mapping[str, Any] | None = None
) -> None:
    """Write the file that ``pair_style mliap unified`` loads; LAMMPS' Python must find acnn."""
    path = Path(path)
    dtype_of(dtype)
    content = model_to_bytes(model, provenance)
    # The import comes first, so that the error message names a missing acnn.
    parts = Call(importlib.import_module, "acnn"), Call(rebuild, content, {"dtype": dtype}, SHELL_VERSION)
    shell = Call(operator.getitem, parts, 1)
    if path.suffix in TORCH_SUFFIXES:
        buffer = io.BytesIO()
        torch.save(shell, buffer, pickle_protocol=PROTOCOL)
        return write_atomically(path, buffer.getvalue())
    write_atomically(path, pickle.dumps(shell, protocol=PROTOCOL))


# --- reading ----------------------------------------------------------------------------------------------------------


def read_unified(path: Path) -> UnifiedPotential:
    """Read the potential in a file of `save_unified`; nothing in the file is executed.

    Raises:
        ModelFileError: it is another file; the message says what kind.
    """
    if path.is_dir():
        raise ModelFileError(f"{path} is a folder, not a file of acnn export")
    content = path.read_bytes()
    match _recorded(path, content):
        case Recorded("getitem", ((Recorded("import_module", ("acnn",)), Recorded("rebuild", arguments)), 1)):
            return _rebuilt(path, arguments)
    _refuse(path, content)


def _rebuilt(path: Path, arguments: tuple[Any, ...]) -> UnifiedPotential:
    match arguments:
        case (bytes(model), dict(options), int(version)):
            return rebuild(model, options, version, str(path))
    raise ModelFileError(f"{path} has a form that this acnn does not write: export the model again")


class Recorded(NamedTuple):
    """A call that was recorded but not made."""

    function: str
    arguments: tuple[Any, ...]


class Recorder(pickle.Unpickler):
    """An unpickler that knows acnn's functions by name only: none is called, and nothing is imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a function that records its call in place of one of acnn's functions."""
        if (module, name) not in FUNCTIONS:
            raise pickle.UnpicklingError(f"{module}.{name} is not one of acnn's functions")
        return lambda *arguments: Recorded(name, arguments)


def _recorded(path: Path, content: bytes) -> Any:
    try:
        pickled = _pickle_in(content)
        foreign = any(step.name not in OPCODES for step, *_ in pickletools.genops(pickled))
        return None if foreign else Recorder(io.BytesIO(pickled)).load()
    except Exception as error:  # of any kind: it may be any file
        _refuse(path, content, error)


def _pickle_in(content: bytes) -> bytes:
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (record,) = (record for record in archive.infolist() if record.filename.endswith("data.pkl"))
        if record.compress_type != zipfile.ZIP_STORED:
            raise ValueError("torch does not compress")
        return archive.read(record)


def _refuse(path: Path, content: bytes, error: Exception | None = None) -> NoReturn:
    raise ModelFileError(f"{path} {_what_it_is(path, content)}") from error


def _what_it_is(path: Path, content: bytes) -> str:
    export = "'acnn export MODEL.acnn --to mliap' writes the file that LAMMPS reads"
    if not content:
        return f"is empty: {export}"
    if recognized(content) == MODEL:
        return f"is a model file of acnn: {export.replace('MODEL.acnn', shlex.quote(str(path)))}"
    if path.suffix == ".yace":
        return f"is for pair_style pace; for pair_style mliap unified, {export}"
    if content.startswith((b"PK", b"\x80\x04")) and not _is_whole(content):
        return f"is truncated or damaged: {export}"
    return (
        f"was not written by acnn: {export} (other models are pickles, which run any code they contain; the "
        f"environment variable {PERMISSION}=1 allows them)"
    )


def _is_whole(content: bytes) -> bool:
    try:
        return len(list(pickletools.genops(_pickle_in(content)))) > 0
    except Exception:  # of any kind
        return False
