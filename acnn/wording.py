"""Numbers in sentences."""

from __future__ import annotations


def counted(n: int, noun: str, plural: str = "") -> str:
    """ "1 structure", "2 structures", "3 copies"."""
    return f"{n} {noun if n == 1 else plural or noun + 's'}"
