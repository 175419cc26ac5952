"""The log of a training: one line of a CSV file for every epoch, units in its header."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from acnn.conventions import MEASURES, QUANTITIES
from acnn.files import append, write_atomically
from acnn.train.trainer import EpochRecord
from acnn.train.validation import UNITS

LOSSES = ("loss", "energy loss", "forces loss", "virial loss")
ERRORS = {f"{q}_{m}": f"validation {q} {m.upper()} ({UNITS[q]})" for q in QUANTITIES for m in MEASURES}
COLUMNS = (
    *("epoch", *LOSSES),
    *ERRORS.values(),
    *("score", "learning rate", "energy weight", "forces weight", "virial weight", "gradient norm", "time (s)"),
)


class TrainingLog:
    """Appends to a CSV file.

    Args:
        epoch: lines of an earlier run after this epoch are dropped; 0 starts a new file with its first line.
    """

    def __init__(self, path: Path, epoch: int = 0) -> None:
        self.path, self._is_begun = path, epoch > 0
        if epoch:
            self._begin([row for row in rows(path) if int(row["epoch"]) <= epoch] if path.is_file() else [])

    def add(self, record: EpochRecord, seconds: float) -> None:
        """Append the line of an epoch, ``seconds`` after the start of the training."""
        if not self._is_begun:
            self._begin([])
        errors = record.errors or {}
        values = [record.epoch, record.loss, *record.parts]
        line = [*values, *(errors.get(key) for key in ERRORS), record.score, record.learning_rate, *record.weights]
        append(self.path, _lines([[_text(value) for value in [*line, record.gradient_norm, seconds]]]))

    def _begin(self, kept: Iterable[Mapping[str, str]]) -> None:
        """Write the file with these lines of an earlier run."""
        write_atomically(self.path, _lines([COLUMNS, *([row.get(name, "") for name in COLUMNS] for row in kept)]))
        self._is_begun = True


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Read the lines of a log by column, ignoring an incomplete last line."""
    with path.open(newline="", encoding="utf-8") as file:
        yield from (row for row in csv.DictReader(file) if row.get(COLUMNS[-1]) and row["epoch"].isdecimal())


def curves(log: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the columns to draw by axis label: loss, and RMSE of energies and forces on the validation structures."""
    columns = {"loss": list(LOSSES)}
    for name in (ERRORS[f"{quantity}_rmse"] for quantity in ("energy", "forces")):
        if any(row[name] for row in log):
            columns[name.removeprefix("validation ")] = [name]
    return columns
