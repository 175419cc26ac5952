"""How long work reports its progress, and bars that show it, on a terminal or in a notebook."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from acnn.html.rendering import bars_fragment

Advance = Callable[[], None]
"""Called after each structure."""
Stage = Callable[[str, int], Advance]
"""Called with the name of a stage and its number of structures; what it returns is called after each structure."""
UPDATE = 0.2
"""Seconds between two updates of a notebook, at least."""


def silent(name: str, total: int) -> Advance:
    """Return a callback that shows nothing: a silent `Stage`."""
    return lambda: None


@contextmanager
def stages_of(progress: bool | Stage) -> Iterator[Stage]:
    """Yield what shows the stages: bars if ``progress`` is true, nothing if it is false, or what the caller gave."""
    if callable(progress):
        yield progress
    elif not progress:
        yield silent
    elif in_notebook():
        with NotebookBars() as bars:
            yield bars.stage
    else:
        from rich.console import Console

        with terminal_stages(Console(stderr=True)) as stage:
            yield stage


@contextmanager
def advance_of(progress: bool | Advance, name: str, total: int) -> Iterator[Advance]:
    """Yield what shows a single stage, as `stages_of` does."""
    if callable(progress):
        yield progress
    else:
        with stages_of(progress) as stage:
            yield stage(name, total)


@contextmanager
def terminal_stages(console: Any, unit: str = "structures") -> Iterator[Stage]:
    """Show bars with counts, elapsed time and remaining time on a console of rich, one for each stage."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield stages_in(progress)


def stages_in(progress: Any) -> Stage:
    """Return a stage that is a bar of this display of rich."""
    from rich.markup import escape

    def stage(name: str, total: int) -> Advance:
        task = progress.add_task(escape(name), total=total)
        return lambda: progress.advance(task)

    return stage


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook; IPython on a terminal is not."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


@dataclass
class Bar:
    """A line of the display.

    Attributes:
        text: what is shown beside it.
        total: value at the end.
        done: present value.
        start, end: of the work, seconds.
    """

    text: str
    total: int
    done: int = 0
    start: float = field(default_factory=time.monotonic)
    end: float | None = None

    def set(self, done: int) -> None:
        """Set the value, and stop the clock where it is the last one."""
        self.done = done
        if done >= self.total and self.end is None:
            self.end = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time it took or has taken so far."""
        return (time.monotonic() if self.end is None else self.end) - self.start


class NotebookBars:
    """Bars below the cell of a notebook, which keeps their last state when it is saved; needs no widgets."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self._display: Any = None
        self._shown = 0.0

    def __enter__(self) -> NotebookBars:
        return self

    def __exit__(self, *error: object) -> None:
        if self.bars:
            self._show()

    def stage(self, name: str, total: int) -> Advance:
        """Add a bar, and return what advances it: a `Stage`."""
        bar = self.add(name, total)
        return lambda: self.update(bar, bar.done + 1)

    def add(self, text: str, total: int) -> Bar:
        """Add a bar."""
        self.bars.append(Bar(text, total))
        self._show()
        return self.bars[-1]

    def update(self, bar: Bar, done: int, text: str | None = None) -> None:
        """Set value and text of a bar; it is shown soon."""
        bar.set(done)
        bar.text = bar.text if text is None else text
        if time.monotonic() - self._shown > UPDATE:
            self._show()

    def _show(self) -> None:
        from IPython.display import HTML, display

        shown = HTML(bars_fragment(self.bars))
        if self._display is None:
            self._display = display(shown, display_id=True)
        else:
            self._display.update(shown)
        self._shown = time.monotonic()
