"""How long work tells that it goes on; the command line shows bars."""

from __future__ import annotations

from collections.abc import Callable

Stage = Callable[[str, int], Callable[[], None]]
"""Announces a stage of so many structures; what it returns is called after each."""


def silent(name: str, total: int) -> Callable[[], None]:
    """A `Stage` that shows nothing."""
    return lambda: None
