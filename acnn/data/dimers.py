"""Dimers to compute with the reference method: they teach a potential how two isolated atoms interact."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from ase import Atoms

CONFIG_TYPE = "dimer"


def dimers(elements: Sequence[str], distances: Sequence[float], box: float | None = None) -> list[Atoms]:
    """Make dimers of every pair of elements at every distance, ready for a DFT calculation.

    They go into the training set with the labels computed for them; their config type is "dimer", so that weights can
    be given for them (`--weights`).

    Args:
        elements: chemical symbols.
        distances: in Å.
        box: edge of a periodic cubic cell in Å, for plane-wave codes; None leaves the dimers without a cell. It must
            leave more vacuum than the dimer is long.

    Returns:
        The pairs in the order of `combinations_with_replacement`, each at ascending distance.
    """
    lengths = np.unique(np.asarray(distances, dtype=float))
    if not (len(lengths) and np.isfinite(lengths).all() and lengths[0] > 0):
        raise ValueError(f"distances of dimers are positive numbers in Å, such as [1.5, 2.0, 2.5], not {distances!r}")
    if box is not None and not box > 2 * lengths[-1]:
        raise ValueError(f"a box of {box:g} Å is too small for a dimer of {lengths[-1]:g} Å: use more than twice that")
    pairs = combinations_with_replacement(dict.fromkeys(elements), 2)
    return [_dimer(pair, float(length), box) for pair in pairs for length in lengths]


def _dimer(pair: tuple[str, str], length: float, box: float | None) -> Atoms:
    atoms = Atoms(list(pair), [[-length / 2, 0.0, 0.0], [length / 2, 0.0, 0.0]])
    if box is not None:
        atoms.set_cell([box, box, box])
        atoms.pbc = True
        atoms.positions += box / 2
    atoms.info["config_type"] = CONFIG_TYPE
    return atoms
