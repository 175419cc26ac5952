"""What there is to tell of a linear model: which functions it has, and its committee."""

from __future__ import annotations

import itertools
from collections import Counter

from acnn.models.linear import LinearACE
from acnn.wording import counted


def linear_facts(model: LinearACE) -> list[tuple[str, str]]:
    """Rows of name and value."""
    labels = [(kind, len(channels)) for kind, channels in model.basis.labels()]
    counts, kept = Counter(labels), Counter(itertools.compress(labels, model.kept))
    rows = [("basis functions", functions_told(model))]
    for (kind, order), count in sorted(counts.items()):
        told = _kept_of(kept[kind, order], count) if any(model.kept) else str(count)
        rows.append(("  pairs" if kind == "pair" else f"  centered on {kind}", f"{told} of order {order}"))
    if model.committee is not None:
        noise = "" if model.noise is None else ", and the noise of the labels"
        rows.append(("committee", f"{counted(len(model.committee), 'member')}{noise} (acnn evaluate --uncertainty)"))
    return rows


def functions_told(model: LinearACE) -> str:
    """How many functions there are, and how many of them a fit kept (solver ard drops some)."""
    return _kept_of(int(model.kept.sum()), model.basis.n_functions) if any(model.kept) else str(model.basis.n_functions)


def _kept_of(kept: int, count: int) -> str:
    return str(count) if kept == count else f"{kept} kept of {count}"
