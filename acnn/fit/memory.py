"""The memory that a fit will need, checked before it starts, and the memory it took."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from acnn.basis.counting import MOST_FUNCTIONS
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

BYTES_PER_PRODUCT = 1500
"""Per product of densities: measured while a basis is built and compiled."""


class BasisTooLargeError(ValueError):
    """A basis that does not fit in memory."""


def require_memory(
    specification: BasisSpecification, structures: Sequence[LabeledStructure] = (), n_factors: int = 1
) -> str:
    """Describe the memory a fit of this basis takes: ", 1.9 GiB of memory"; nothing below 1 GiB.

    Raises:
        BasisTooLargeError: there is not enough.
    """
    size, free = specification.size, available_bytes()
    needed = fit_bytes(specification, max((len(structure.atoms) for structure in structures), default=0), n_factors)
    if needed > free or size.functions > MOST_FUNCTIONS:
        least = "more than " * (size.functions > MOST_FUNCTIONS)
        raise BasisTooLargeError(
            f"the basis has {least}{size.functions:_} functions, made of {size.products:_} products; a fit needs "
            f"{least or 'about '}{gibibytes(needed)} of memory, but only {gibibytes(free)} are free: lower the degree "
            "or the order, or raise w_L"
        )
    return f", {gibibytes(needed)} of memory" if needed >= 2**30 else ""


def fit_bytes(specification: BasisSpecification, n_atoms: int, n_factors: int = 1) -> int:
    """Estimate the memory of a fit in bytes.

    The triangular factor, three blocks of rows and their factorization (64 p² together), further triangles (4 p² each),
    twice the rows of the largest structure [3 n + 7, p], and the products of densities.
    """
    size = specification.size
    p = size.functions
    return 64 * p**2 + 4 * p**2 * (n_factors - 1) + 16 * (3 * n_atoms + 7) * p + BYTES_PER_PRODUCT * size.products


def gibibytes(n: int) -> str:
    """Format a number of bytes in GiB."""
    return f"{n / 2**30:.2g} GiB" if n < 100 * 2**30 else f"{n / 2**30:_.0f} GiB"


def available_bytes() -> int:
    """Return the free physical memory; if unknown the total, and if that is unknown too, no limit."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1]
        return int(meminfo.split()[0]) * 1024
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return sys.maxsize


def peak_bytes() -> int:
    """Return the largest resident memory of this process so far; 0 if unknown."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
