"""Numbers and quoted texts in sentences and tables."""

from __future__ import annotations

NOTHING = "–"
"""What tables have where there is no number."""
TOTAL = "total"
"""Name of the last row of a table."""

HELD_OUT, CROSS_VALIDATION = "held out", "cross-validation"
"""Names of errors of fits to parts of the data."""


def counted(n: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: "1 structure", "2 structures", "3 copies"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"


def shortened(text: str, most: int = 300) -> str:
    """Return the beginning of a text of unknown length."""
    return text if len(text) <= most else f"{text[:most]}…"


def number(value: float | None, decimals: int) -> str:
    """Return the value with this many decimals, or a dash."""
    return NOTHING if value is None else f"{value:.{decimals}f}"
