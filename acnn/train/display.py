"""The progress of a training: bars of its stages and a line of its epochs, on a terminal, in a notebook, in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from acnn.progress import Bar, NotebookBars, Stage, in_notebook, stages_in
from acnn.train.trainer import Course, EpochRecord
from acnn.train.validation import Errors

PLAIN_LINES = 100
"""Approximate number of lines printed during a training without a terminal."""

OnEpoch = Callable[[EpochRecord, Course], None]


def epoch_line(record: EpochRecord, measure: str) -> str:
    """Format loss, validation errors, learning rate and time of an epoch."""
    mark = " *" if record.is_best and record.errors else ""
    cells = [f"epoch {record.epoch:>{len(str(record.epochs))}}/{record.epochs}", f"loss {record.loss:.4g}"]
    if record.errors is not None:
        cells.append(_errors(record.errors, measure) + mark)
    return "  ".join([*cells, f"rate {record.learning_rate:.1e}", f"{record.seconds:.2f} s/epoch"])


def _errors(found: Errors, measure: str) -> str:
    energy, forces = found[f"energy_{measure}"], found[f"forces_{measure}"]
    cells = [f"{energy:.2f} meV/atom"] if energy is not None else []
    cells += [f"{forces:.1f} meV/Å"] if forces is not None else []
    return f"{measure.upper()} {', '.join(cells)}" if cells else "no labels"


def time_left(course: Course, epochs: int) -> str:
    """Format the remaining time at the mean speed so far."""
    seconds = round(course.seconds / max(course.epoch, 1) * (epochs - course.epoch))
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d} left"


@contextmanager
def training_display(measure: str) -> Iterator[tuple[Stage, OnEpoch]]:
    """Show bars of the stages and a live line of the epochs; where that is impossible, about a hundred plain lines.

    Validation errors are MAE or RMSE, as in the score; * marks the best so far.
    """
    if in_notebook():
        with NotebookBars() as bars:
            yield bars.stage, _of_notebook(measure, bars)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console) as progress:
        yield stages_in(progress), _live(measure, progress) if console.is_terminal else _plain(measure)


def _plain(measure: str) -> OnEpoch:
    def on_epoch(record: EpochRecord, course: Course) -> None:
        every = max(1, record.epochs // PLAIN_LINES)
        if record.epoch % every == 0 or record.epoch <= 3 or course.finished:
            print(f"{epoch_line(record, measure)}  {time_left(course, record.epochs)}", flush=True)

    return on_epoch


def _live(measure: str, progress: Any) -> OnEpoch:
    from rich.markup import escape

    tasks: list[Any] = []

    def on_epoch(record: EpochRecord, course: Course) -> None:
        if not tasks:
            tasks.append(progress.add_task("", total=record.epochs))
        line = f"{epoch_line(record, measure)}  {time_left(course, record.epochs)}"
        progress.update(tasks[0], completed=record.epoch, description=escape(line))

    return on_epoch


def _of_notebook(measure: str, bars: NotebookBars) -> OnEpoch:
    found: list[Bar] = []

    def on_epoch(record: EpochRecord, course: Course) -> None:
        if not found:
            found.append(bars.add("", record.epochs))
        bars.update(found[0], record.epoch, f"{epoch_line(record, measure)}  {time_left(course, record.epochs)}")

    return on_epoch
