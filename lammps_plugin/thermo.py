"""Thermodynamic output in logs of LAMMPS: every run, in the styles one, custom, multi and yaml, also of killed ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import yaml

from acnn.arrays import FloatArray

MEMORY = ("Per MPI rank memory allocation", "Memory usage per processor")
"""What stands before the output of a run."""
END = "Loop time of"
KEYWORDS = re.compile(r"\s*keywords:\s*(\[.*\])\s*$")
YAML_ROW = re.compile(r"\s*-\s*\[(.*?),?\s*\]\s*$")
MULTI = re.compile(r"-+\s*Step\s+(\d+)\s*-+(?:\s*CPU\s*=\s*(\S+))?")
PAIR = re.compile(r"(\S+)\s*=\s*(\S+)")
UNITS = re.compile(r"^\s*units\s+(\w+)", re.MULTILINE)


class LogError(ValueError):
    """A log without what is looked for; the message is one sentence."""


@dataclass(frozen=True)
class Run:
    """The output of one run.

    Attributes:
        columns: values by keyword, in the order of the log.
        is_complete: whether LAMMPS wrote that it had ended.
    """

    columns: dict[str, FloatArray]
    is_complete: bool

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values())))


@dataclass(frozen=True)
class Log:
    """The runs of a log, and the units of LAMMPS that it names ("metal"), if any."""

    runs: list[Run]
    units: str | None


def read_log(text: str, name: str = "the log") -> Log:
    """Return the runs in the text of a log.

    Raises:
        LogError: there is no thermodynamic output.
    """
    runs = list(_Reader().runs(text.splitlines()))
    if not runs:
        raise LogError(f"{name} has no thermodynamic output: it is the log of a LAMMPS run, log.lammps, that is needed")
    units = UNITS.search(text)
    return Log(runs, units[1] if units else None)


class _Reader:
    """Reads line by line: the names of the columns, then their rows, until a run ends or another begins."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[list[float]] = []
        self.record: dict[str, float] = {}  # of the style multi, which spreads a row over lines
        self.expected = False  # the next line names the columns

    def runs(self, lines: Iterable[str]) -> Iterator[Run]:
        """Yield the runs."""
        for line in lines:
            begins, ends = line.startswith(MEMORY), line.startswith(END)
            keywords = KEYWORDS.match(line)
            if begins or ends or keywords or self._names_columns(line):
                yield from self._finished(ends)
                self.expected = begins
                if keywords:
                    self.names = [str(word) for word in yaml.safe_load(keywords[1])]
                elif not (begins or ends):
                    self.names = line.split()
            else:
                self._read(line)
        yield from self._finished(False)

    def _names_columns(self, line: str) -> bool:
        if not self.expected:
            return line.split()[:1] == ["Step"]
        return bool(line.strip()) and not line.startswith(("WARNING", "---"))

    def _read(self, line: str) -> None:
        step = MULTI.match(line)
        if step:
            self._store_record()
            self.record, self.expected = {"Step": float(step[1])}, False
        elif self.record:
            pairs = ((key, _number(text)) for key, text in PAIR.findall(line))
            self.record |= {key: value for key, value in pairs if value is not None}
        elif self.names:
            self.rows += _row(line, len(self.names))

    def _store_record(self) -> None:
        if self.record:
            self.names = self.names or list(self.record)
            self.rows.append(list(self.record.values()))

    def _finished(self, is_complete: bool) -> Iterator[Run]:
        self._store_record()
        kept = [row for row in self.rows if len(row) == len(self.names)]
        if kept:
            yield Run(dict(zip(self.names, np.array(kept, dtype=float).T, strict=True)), is_complete)
        self.names, self.rows, self.record = [], [], {}


def _row(line: str, length: int) -> list[list[float]]:
    """Return the numbers of a line; nothing where it is another one, such as a warning, or a row that was cut off."""
    found = YAML_ROW.match(line)
    words = [word.strip() for word in found[1].split(",")] if found else line.split()
    numbers = [_number(word) for word in words]
    return [[n for n in numbers if n is not None]] if len(words) == length and None not in numbers else []


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def chosen_columns(log: Log, names: Sequence[str] = ()) -> list[str]:
    """Return the keywords to show: those that are named, otherwise all but the step and what never changes.

    Raises:
        LogError: no run has a keyword that is named.
    """
    known = list(dict.fromkeys(name for run in log.runs for name in run.columns))
    missing = [name for name in names if name not in known]
    if missing:
        raise LogError(f"the log has no column {', '.join(missing)}: it has {', '.join(known)}")
    changing = [name for name in known if any(np.ptp(run.columns.get(name, np.zeros(1))) > 0 for run in log.runs)]
    return list(names) or [name for name in changing if name not in ("Step", "Time", "CPU")]
