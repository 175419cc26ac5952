"""Output of ``acnn train``: a summary at the start, a live line or plain lines, and the learning curve of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from acnn.cli.display import console, stages
from acnn.cli.errors import errors, warn
from acnn.evaluation.progress import Stage
from acnn.plots import save_figure, training_figure
from acnn.train.initialization import Start
from acnn.train.log import curves, rows
from acnn.train.trainer import Course, EpochRecord, Trainer
from acnn.train.validation import Errors
from acnn.wording import counted

PLAIN_LINES = 100
"""Approximate number of lines printed during a training without a terminal."""

OnEpoch = Callable[[EpochRecord, Course], None]


def print_start(start: Start, trainer: Trainer) -> None:
    """Print warnings, notes, sizes and the schedule of a training."""
    for warning in start.warnings:
        warn(warning)
    s, store, model = trainer.settings, trainer.train, start.model
    parameters = sum(p.numel() for p in trainer.parameters)
    lines = [
        *start.notes,
        f"{model.model_type}: {model.embedding.n_invariants} invariants, {parameters} parameters, {s.precision} on "
        f"{store.species.device}",
        f"{counted(len(store), 'structure')}, {counted(int(store.atoms.sum()), 'atom')}, "
        f"{counted(int(store.pairs.sum()), 'pair')}; "
        f"{counted(trainer.n_batches, 'step')} per epoch, {counted(s.epochs, 'epoch')}\n",
    ]
    console.print("\n".join(map(escape, lines)), highlight=False)


def epoch_line(record: EpochRecord, epochs: int, measure: str) -> str:
    """Format loss, validation errors, learning rate and time of an epoch."""
    mark = " *" if record.is_best and record.errors else ""
    cells = [f"epoch {record.epoch:>{len(str(epochs))}}/{epochs}", f"loss {record.loss:.4g}"]
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
def training_display(epochs: int, measure: str) -> Iterator[tuple[Stage, OnEpoch]]:
    """Show bars of the stages and a live line of the epochs on a terminal, about a hundred plain lines elsewhere.

    Validation errors are MAE or RMSE, as in the score; * marks the best so far.
    """
    columns = (BarColumn(bar_width=20), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors) as progress:
        yield stages(progress), _live(epochs, measure, progress) if errors.is_terminal else _plain(epochs, measure)


def _plain(epochs: int, measure: str) -> OnEpoch:
    every = max(1, epochs // PLAIN_LINES)

    def on_epoch(record: EpochRecord, course: Course) -> None:
        if record.epoch % every == 0 or record.epoch <= 3 or course.finished:
            print(f"{epoch_line(record, epochs, measure)}  {time_left(course, epochs)}", flush=True)

    return on_epoch


def _live(epochs: int, measure: str, progress: Progress) -> OnEpoch:
    tasks: list[TaskID] = []

    def on_epoch(record: EpochRecord, course: Course) -> None:
        if not tasks:
            tasks.append(progress.add_task("", total=epochs))
        line = f"{epoch_line(record, epochs, measure)}  {time_left(course, epochs)}"
        progress.update(tasks[0], completed=record.epoch, description=escape(line))

    return on_epoch


def training_plot(log: Path, path: Path) -> bool:
    """Plot the log of a training.

    Returns:
        Whether it was written: a log without epochs has no plot.
    """
    table = list(rows(log))
    if table:
        save_figure(training_figure(table, curves(table)), path)
    return bool(table)
