"""What is wrong with data, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from acnn.data.labeled_structure import LabeledStructure

MOST_NAMES = 3


class Finding(NamedTuple):
    """A fault: its kind, and a sentence."""

    kind: str
    text: str


def examples(structures: Sequence[LabeledStructure]) -> str:
    """Name the first structures."""
    names = [structure.name for structure in structures[:MOST_NAMES]]
    return ", ".join(names) + (" …" if len(structures) > MOST_NAMES else "")
