"""Virials whose nine components are not symmetric, as every virial is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from acnn.arrays import FloatArray
from acnn.wording import counted

ASYMMETRY = 0.05
"""Share of the largest component; calculations that are not quite converged stay below."""


def symmetry_notes(virials: Iterable[tuple[str, FloatArray]], source: str) -> list[str]:
    """Report virials [3, 3], each with the name of its structure, that are not symmetric, in one sentence."""
    found = [(asymmetry(virial), name) for name, virial in virials]
    bad = [(share, name) for share, name in found if share > ASYMMETRY]
    if not bad:
        return []
    share, name = max(bad)
    return [
        f"{source}: the virials or stresses of {counted(len(bad), 'structure')} are not symmetric, that of {name} by "
        f"{100 * share:.0f} % of its largest component: check that the nine numbers are in the order "
        "xx xy xz yx yy yz zx zy zz"
    ]


def asymmetry(virial: FloatArray) -> float:
    """Return the largest difference of W and its transpose, as a share of the largest component."""
    largest = float(np.abs(virial).max())
    return float(np.abs(virial - virial.T).max()) / largest if largest > 0 else 0.0
