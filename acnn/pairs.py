"""Pairs of elements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

Pair = tuple[str, str]


def element_pairs(elements: Sequence[str]) -> list[Pair]:
    """Return all pairs of elements, each once, an element with itself included, in the order of the elements."""
    return list(itertools.combinations_with_replacement(elements, 2))
