"""Output of ``acnn train``: a summary at the start, and the learning curve of the log."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape

from acnn.cli.display import console
from acnn.cli.errors import warn
from acnn.plots import save_figure, training_figure
from acnn.train.initialization import Start
from acnn.train.log import curves, rows
from acnn.train.trainer import Trainer
from acnn.wording import counted


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


def training_plot(log: Path, path: Path) -> bool:
    """Plot the log of a training.

    Returns:
        Whether it was written: a log without epochs has no plot.
    """
    table = list(rows(log))
    if table:
        save_figure(training_figure(table, curves(table)), path)
    return bool(table)
