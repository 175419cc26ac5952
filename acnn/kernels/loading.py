"""The compiled module, if it was built, and the choice of whether an evaluation runs in it.

``ACNN_KERNEL`` or an argument chooses: ``cpu``, the compiled kernel; ``torch``, the definition of the model; ``auto``,
the kernel wherever it can run (the default). ``ACNN_NUM_THREADS`` sets its threads (default: torch's). Results are
bitwise independent of the number of threads.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from acnn.files import sha256_of
from acnn.graph import AtomicGraph
from acnn.kernels.program import Program
from acnn.potential import chosen_kernel
from acnn.threads import MOST_THREADS, require_sensible, threads_of_torch

_warned = False
SOURCES = Path(__file__).parent / "src"
"""The C++, in a checkout; packages come without it."""


def _import_kernel() -> ModuleType | None:
    try:
        module = importlib.import_module("acnn.kernels._kernel")
    except ImportError:  # installed without a compiler
        return None
    require_built_from(module, SOURCES)
    return module


def require_built_from(module: ModuleType, folder: Path) -> None:
    """Raise an error if a module was built from other sources than those of a folder: it would misread its arrays."""
    if folder.is_dir() and getattr(module, "sources", None) != digest(folder):
        raise ImportError(
            f"the compiled kernel {module.__file__} was built from other sources than {folder}: build it again, "
            "ACNN_REQUIRE_KERNEL=1 pip install --no-deps --no-build-isolation -C build-dir=build/release -e ."
        )


def digest(folder: Path) -> str:
    """Return the SHA-256 of the C++ files of a folder, as CMakeLists.txt computes it."""
    files = sorted(path for path in folder.iterdir() if path.suffix in {".cpp", ".h"})
    return hashlib.sha256("".join(map(sha256_of, files)).encode()).hexdigest()


_kernel = _import_kernel()


def instruction_sets() -> list[str]:
    """Return the instruction sets that the compiled kernel can use here, best first; empty if it was not compiled."""
    return [] if _kernel is None else list(_kernel.instruction_sets())


def uses_compiled_kernel(requested: str | None = None) -> bool:
    """Return whether an evaluation on the CPU runs in the compiled kernel.

    Args:
        requested: see `acnn.potential.chosen_kernel`.
    """
    name = chosen_kernel(requested)
    if name == "torch":
        return False
    if _kernel is None:
        if name == "cpu":
            raise ValueError(
                f"{'kernel' if requested else 'ACNN_KERNEL'} requests the compiled kernel, but this acnn was installed "
                "without one: install a C++ compiler and reinstall acnn, or choose torch"
            )
        _warn_once()
        return False
    return True


def _warn_once() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "acnn was installed without its compiled kernel and evaluates models with torch, some fifty times slower: "
            "install a C++ compiler and reinstall acnn (ACNN_KERNEL=torch silences this)",
            RuntimeWarning,
            stacklevel=3,
        )


def n_threads(requested: int | None = None) -> int:
    """Return the threads of an evaluation: the argument, else ``ACNN_NUM_THREADS``, else torch's setting."""
    if requested is not None:
        return require_sensible(requested, "threads")
    text = os.environ.get("ACNN_NUM_THREADS")
    if not text:
        return threads_of_torch()
    if not text.isdecimal():
        raise ValueError(f"ACNN_NUM_THREADS must be a number of threads from 1 to {MOST_THREADS}, not {text!r}")
    return require_sensible(int(text), "ACNN_NUM_THREADS")


def runs_on(graph: AtomicGraph) -> bool:
    """Return whether the kernel can evaluate this graph: on the CPU, in single or double precision."""
    vectors = graph.pair_vectors
    return vectors.device.type == "cpu" and vectors.dtype in (torch.float32, torch.float64)


def runs_compiled(graph: AtomicGraph, requested: str | None) -> bool:
    """Return whether an evaluation of this graph runs in the compiled kernel.

    Raises:
        ValueError: the argument requires the kernel, which cannot evaluate this graph.
    """
    if requested == "cpu" and not runs_on(graph):
        raise ValueError("the compiled kernel needs graphs on the CPU in float64 or float32: choose auto or torch")
    return runs_on(graph) and uses_compiled_kernel(requested)


def load_engine(program: Program, instruction_set: str | None, engine: str = "Engine") -> tuple[str, Any]:
    """Return the instruction set, by default the best of this processor, and the program loaded for it.

    Args:
        engine: the class of the compiled module that executes this kind of program.
    """
    name = instruction_set or [*instruction_sets(), ""][0]
    return name, getattr(compiled_module(), engine)(program.arrays, name)


def compiled_module() -> ModuleType:
    """Return the compiled kernel (`_kernel.pyi`).

    Raises:
        ValueError: it was not compiled.
    """
    if _kernel is None:
        raise ValueError("this acnn was installed without its compiled kernel")
    return _kernel
