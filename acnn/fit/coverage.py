"""Pairs of elements that the training data do not cover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ase.data import chemical_symbols

from acnn.data.dataset import LabeledStructure
from acnn.neighbors import atomic_graph
from acnn.pairs import Pair, element_pairs

MOST_NAMED = 12


def unseen_pairs(elements: Sequence[str], structures: Iterable[LabeledStructure], cutoff: float) -> list[Pair]:
    """Find the pairs of elements that are never within the cutoff (Å) of each other in a labeled structure."""
    missing = element_pairs(elements)
    for structure in structures:
        symbols = set(structure.atoms.symbols)
        if structure.is_labeled and any(symbols.issuperset(pair) for pair in missing):
            there = _pairs_within(structure, cutoff)
            missing = [pair for pair in missing if frozenset(pair) not in there]
        if not missing:
            break
    return missing


def _pairs_within(structure: LabeledStructure, cutoff: float) -> set[frozenset[str]]:
    graph = atomic_graph(structure.atoms, cutoff)
    numbers = graph.species.numpy()
    pairs = np.unique(numbers[np.stack([graph.pair_i.numpy(), graph.pair_j.numpy()], axis=1)], axis=0)
    return {frozenset(chemical_symbols[z] for z in pair) for pair in pairs}


def coverage_warnings(elements: Sequence[str], unseen: Sequence[Pair], cutoff: float) -> list[str]:
    """Warn about elements without any neighbors, and about other pairs that are unseen."""
    missing = set(unseen)
    alone = [e for e in elements if all(pair in missing for pair in element_pairs(elements) if e in pair)]
    apart = [f"{a}–{b}" for a, b in unseen if not {a, b} & set(alone)]
    warnings = []
    if alone:
        warnings.append(
            f"no atom of {' or '.join(alone)} has a neighbor within {cutoff:g} Å in the training data: the model's "
            "interactions for it are arbitrary; add such structures"
        )
    if apart:
        more = f" and {len(apart) - MOST_NAMED} more" if len(apart) > MOST_NAMED else ""
        warnings.append(
            f"no atoms {', '.join(apart[:MOST_NAMED])}{more} are within {cutoff:g} Å of each other in the training "
            "data: the model's interactions between them are arbitrary; add such structures"
        )
    return warnings
