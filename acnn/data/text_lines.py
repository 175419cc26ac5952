"""Lines and numbers of text files whose errors name the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from ase.data import atomic_numbers

from acnn.wording import counted

MOST_DIGITS = 15
"""Digits of a number of atoms."""


def lines_of(file: str | IO[str]) -> list[str]:
    """Return the lines of a text or an open file, without their ends; CRLF and a byte order mark are understood."""
    text = file if isinstance(file, str) else file.read()
    return [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]


def numbers(fields: Sequence[str], count: int, what: str, place: str) -> list[float]:
    """Return the first ``count`` fields as numbers.

    Args:
        what: what the numbers are, in the error.
        place: where they stand: "line 3".

    Raises:
        ValueError: there are fewer, or one is no number.
    """
    try:
        values = [float(field) for field in fields[:count]]
    except ValueError:
        values = []
    if len(values) < count:
        raise ValueError(f"{place}: {what} must be {counted(count, 'number')}, not {' '.join(fields)[:60]!r}")
    return values


def count_of(fields: Sequence[str], what: str, place: str) -> int:
    """Return the first field as a number of things, at least 1.

    Raises:
        ValueError: it is none.
    """
    text = fields[0] if fields else ""
    if not (text.isascii() and text.isdigit() and int(text[:MOST_DIGITS]) > 0 and len(text) <= MOST_DIGITS):
        raise ValueError(f"{place}: {what} must be a number of at least 1, not {text[:20]!r}")
    return int(text)


def element_of(symbol: str, place: str) -> int:
    """Return the atomic number of a chemical symbol in any case, or of a number.

    Raises:
        ValueError: it is neither.
    """
    is_number = symbol.isascii() and symbol.isdigit() and len(symbol) <= 3
    number = int(symbol) if is_number else atomic_numbers.get(symbol.capitalize(), 0)
    if not 0 < number < len(atomic_numbers):
        raise ValueError(f"{place}: {symbol[:20]!r} is not a chemical symbol")
    return number
