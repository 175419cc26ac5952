"""How the training data are divided: a part held out, folds, sizes that double, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acnn.arrays import BoolArray
from acnn.data.dataset import LabeledStructure
from acnn.data.isolated_atoms import ISOLATION, defines_e0
from acnn.data.splits import ALWAYS, Parts, folds, growing, holdout, replaceable
from acnn.settings.fit import FitSettings
from acnn.wording import counted

FEWEST_STRUCTURES = 10
"""Besides isolated atoms: of fewer, none are held out unless the user asks for it."""


@dataclass(frozen=True)
class Plan:
    """The parts of the training data that each fit uses; the last fit uses all of them.

    Attributes:
        parts: the part of each structure [n].
        subsets: the parts of each fit.
        held_out: the structures that only the last fit uses [n].
        note: why none are held out, if a user may expect it.
    """

    parts: Parts
    subsets: list[list[int]]
    held_out: BoolArray
    note: str = ""


def plan_of(structures: Sequence[LabeledStructure], settings: FitSettings, cutoff: float = ISOLATION) -> Plan:
    """Divide the structures as the settings say; isolated atoms (beyond the cutoff, Å) are in every fit."""
    if settings.cv:
        everything = list(range(settings.cv))
        without = [[part for part in everything if part != fold] for fold in everything]
        parts = folds(structures, settings.cv, settings.seed, cutoff)
        return Plan(parts, [*without, everything], np.zeros(len(structures), dtype=bool))
    held, note = _held_out(structures, settings, cutoff)
    parts, subsets = _growth(structures, held, settings, cutoff)
    if held.any():
        last = max(subsets[-1]) + 1
        parts[held] = last
        subsets.append([*subsets[-1], last])
    return Plan(parts, subsets, held, note)


def _held_out(structures: Sequence[LabeledStructure], settings: FitSettings, cutoff: float) -> tuple[BoolArray, str]:
    """Return which structures are held out, and the reason if none are although no test was given."""
    nothing = np.zeros(len(structures), dtype=bool)
    if settings.checkpoint:
        return nothing, "" if settings.test else "nothing was held out: a checkpoint keeps all equations in one factor"
    if not settings.held_out_share:
        return nothing, ""
    among = replaceable(structures, cutoff)
    if settings.split is None and not settings.learning_curve:
        n = sum(not defines_e0(structure, cutoff) for structure in structures)
        if n < FEWEST_STRUCTURES:
            return (
                nothing,
                f"nothing was held out of {counted(n, 'structure')}, which are fewer than {FEWEST_STRUCTURES}",
            )
        if among.sum() < FEWEST_STRUCTURES / 2:
            return nothing, "nothing was held out: most structures are the only ones of their config type or elements"
    return holdout(structures, settings.held_out_share, settings.seed, cutoff, among), ""


def _growth(
    structures: Sequence[LabeledStructure], held: BoolArray, settings: FitSettings, cutoff: float
) -> tuple[Parts, list[list[int]]]:
    """Divide what is not held out into parts whose sums double, for a learning curve, or not at all."""
    parts = np.zeros(len(structures), np.int64)
    if not settings.learning_curve:
        return parts, [[0]]
    rest = [structure for structure, out in zip(structures, held.tolist(), strict=True) if not out]
    parts[~held] = growing(rest, seed=settings.seed, cutoff=cutoff)
    present = sorted(set(parts[~held].tolist()) - {ALWAYS})
    return parts, [present[: n + 1] for n in range(len(present))] or [[0]]
