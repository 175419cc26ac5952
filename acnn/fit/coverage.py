"""Pairs of elements, and mixtures of three, that the training data do not cover."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from ase.data import chemical_symbols

from acnn.data.dataset import LabeledStructure
from acnn.neighbors import atomic_graph
from acnn.pairs import Pair, element_pairs
from acnn.wording import counted

MOST_NAMED = 12
Mixture = tuple[str, Pair]
"""A center, and two elements around it."""


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


def unseen_mixtures(elements: Sequence[str], structures: Iterable[LabeledStructure], cutoff: float) -> list[Mixture]:
    """Find the choices of a center and two different other elements that are never both within the cutoff (Å) of it.

    Binaries have none of them; functions of three elements are then known from those of two only.
    """
    missing = {(z, pair) for z in elements for pair in itertools.combinations(elements, 2) if z not in pair}
    for structure in structures:
        if not missing:
            break
        if structure.is_labeled and len(set(structure.atoms.symbols)) > 2:
            missing -= _mixtures_within(structure, cutoff)
    return sorted(missing, key=lambda mixture: [elements.index(e) for e in (mixture[0], *mixture[1])])


def _mixtures_within(structure: LabeledStructure, cutoff: float) -> set[Mixture]:
    graph = atomic_graph(structure.atoms, cutoff)
    numbers = graph.species.numpy()
    of_center: dict[int, set[int]] = {}
    for i, z in np.unique(np.stack([graph.pair_i.numpy(), numbers[graph.pair_j.numpy()]], axis=1), axis=0).tolist():
        of_center.setdefault(i, set()).add(z)
    around = {(int(numbers[i]), frozenset(found - {int(numbers[i])})) for i, found in of_center.items()}
    symbol = chemical_symbols.__getitem__
    return {
        (symbol(z), (symbol(a), symbol(b))) for z, found in around for a, b in itertools.combinations(sorted(found), 2)
    }


def mixture_warnings(mixtures: Sequence[Mixture], cutoff: float) -> list[str]:
    """Warn about combinations of three elements that are unseen."""
    if not mixtures:
        return []
    (center, (a, b)), more = mixtures[0], len(mixtures) - 1
    others = f", nor {counted(more, 'other such combination')}" if more else ""
    return [
        f"no {center} has both {a} and {b} within {cutoff:g} Å in the training data{others}: alloys of three elements "
        "are predicted from those of two, with errors that these data do not show; test the model on some"
    ]


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
