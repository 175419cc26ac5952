"""Combinations of elements that the training data do not cover."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acnn.combinations import MOST_NAMED, Combination, Combinations, named
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.neighbors import atomic_graph
from acnn.pairs import Pair, element_pairs
from acnn.potential import Potential
from acnn.wording import counted

MOST_PAIRS_NAMED = 12


def combinations_of(elements: Sequence[str], structures: Iterable[LabeledStructure], cutoff: float) -> Combinations:
    """Find the combinations of elements within the cutoff (Å) in labeled structures."""
    found = Combinations.none(elements, cutoff)
    for structure in structures:
        if structure.is_labeled and not found.has_all(set(structure.atoms.symbols)):
            found = found.and_graph(atomic_graph(structure.atoms, cutoff))
    return found


def novelties(model: Potential, dataset: Dataset) -> list[str]:
    """Name the combinations of elements in other data that those of a model never showed, in a sentence."""
    known = model.combinations
    if known is None:
        return []
    unseen = known.unseen_of(combinations_of(known.elements, dataset, known.cutoff))
    what = f"{named(unseen)} within {known.cutoff:g} Å"
    return [f"{dataset.name} has {what}, which the training data of the model lack"] if unseen else []


def coverage_warnings(combinations: Combinations) -> list[str]:
    """Warn about pairs of elements that were not seen, or otherwise about two elements around a third."""
    unseen, cutoff = combinations.unseen(), combinations.cutoff
    pairs = [(z, a) for z, (a, b) in unseen if a == b]
    return pair_warnings(combinations.elements, pairs, cutoff) or _mixture_warnings(unseen, cutoff)


def pair_warnings(elements: Sequence[str], unseen: Sequence[Pair], cutoff: float) -> list[str]:
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
        more = f" and {len(apart) - MOST_PAIRS_NAMED} more" if len(apart) > MOST_PAIRS_NAMED else ""
        warnings.append(
            f"no atoms {', '.join(apart[:MOST_PAIRS_NAMED])}{more} are within {cutoff:g} Å of each other in the "
            "training data: the model's interactions between them are arbitrary; add such structures"
        )
    return warnings


def _mixture_warnings(unseen: Sequence[Combination], cutoff: float) -> list[str]:
    if not unseen:
        return []
    (center, (a, b)), *rest = unseen
    few = [f"no {z} both {x} and {y}" for z, (x, y) in rest[: MOST_NAMED - 1]]
    more = len(rest) - len(few)
    few += [f"nor {counted(more, 'other such combination')}"] if more else []
    return [
        f"no {center} has both {a} and {b} within {cutoff:g} Å in the training data{''.join(f', {one}' for one in few)}"
        ": such neighborhoods are predicted from those of fewer elements, with errors that these data do not show; "
        "test the model on some"
    ]
