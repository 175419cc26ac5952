"""How long work reports its progress; the command line shows bars."""

from __future__ import annotations

from collections.abc import Callable

Stage = Callable[[str, int], Callable[[], None]]
"""Called with the name of a stage and its number of structures; what it returns is called after each structure."""


def silent(name: str, total: int) -> Callable[[], None]:
    """Return a callback that shows nothing: a silent `Stage`."""
    return lambda: None
