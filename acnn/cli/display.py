"""Output of the commands: tables with units, progress bars, one-sentence errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from acnn.cli.errors import errors, warn
from acnn.data.dataset import Dataset
from acnn.data.label_keys import used_keys
from acnn.data.tables import DATA_HEADINGS, data_rows
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.tables import (
    BARS_HEADINGS,
    CALIBRATION_HEADINGS,
    bars_rows,
    calibration_rows,
    error_cells,
    error_headings,
    errors_title,
)
from acnn.fit.candidates import Candidate
from acnn.models.calibration import ErrorBars
from acnn.progress import Stage, terminal_stages
from acnn.wording import TOTAL, number

console = Console()


def progress_stages(unit: str = "structures") -> AbstractContextManager[Stage]:
    """Show progress bars with counts, elapsed time and remaining time, one for each stage."""
    return terminal_stages(errors, unit)


def print_written(path: Path, more: str = "") -> None:
    """Print that a file was written, on one line however long its name."""
    console.print(escape(f"wrote {path}{more}"), highlight=False, soft_wrap=True)


def data_table(name: str, dataset: Dataset) -> Table:
    """Make a table of the counts of structures and labels by configuration type."""
    table = numbers_table(f"{name}: {dataset.source}", DATA_HEADINGS)
    *rows, total = data_rows(dataset)
    for row in rows:
        table.add_row(*map(escape, row))
    if len(rows) > 1:
        table.add_section()
        table.add_row(*total)
    return table


def numbers_table(title: str, headings: Sequence[str], texts: int = 1) -> Table:
    """Make a table of right-aligned numbers, except in the first columns."""
    table = Table(title=escape(title), title_justify="left")
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="left" if position < texts else "right")
    return table


def announce(datasets: dict[str, Dataset], warnings: list[str]) -> None:
    """Print tables of the data, the label keys that were used, and warnings."""
    for name, dataset in datasets.items():
        console.print(data_table(name, dataset))
        console.print(escape(f"labels: {used_keys(dataset.keys)}\n"), highlight=False)
    for warning in warnings:
        warn(warning)


def error_table(
    name: str,
    errors_by_type: Mapping[str, Mapping[str, Any]],
    errors_by_components: Mapping[str, Mapping[str, Any]] | None = None,
) -> Table:
    """Make a table of MAE and RMSE by configuration type and, if they are given, by number of elements."""
    table = numbers_table(errors_title(name), ["config type", *error_headings(separator="\n")])
    for config_type, row in errors_by_type.items():
        if config_type == TOTAL and errors_by_components:
            table.add_section()
            for number_of_elements, of_number in errors_by_components.items():
                table.add_row(number_of_elements, *error_cells(of_number))
        if config_type == TOTAL:
            table.add_section()
        table.add_row(escape(config_type), *error_cells(row))
    return table


def calibration_table(name: str, predicted: Mapping[str, Predicted]) -> Table:
    """Make a table of standard deviations and errors, with a row for each quantity and term of σ."""
    narrow = {"predictions": "predic-\ntions", "miscalibration": "miscali-\nbration"}
    headings = [narrow.get(heading, heading) for heading in CALIBRATION_HEADINGS]
    table = numbers_table(f"standard deviations on {name}, compared with the errors", headings, texts=2)
    for row in calibration_rows(predicted):
        table.add_row(*row)
    return table


def bars_table(bars: ErrorBars, coverage: Mapping[str, Mapping[str, float]]) -> Table:
    """Make a table of the scales of a calibration, and of what they cover."""
    title = "error bars: 68 % of the errors outside the fit are below σ, 90 % below the bound"
    table = numbers_table(title, BARS_HEADINGS, texts=2)
    for row in bars_rows(bars, coverage):
        table.add_row(*row)
    return table


def selection_table(candidates: Sequence[Candidate], criterion: str) -> Table:
    """Make a table of all candidate bases: size, criteria and cost; the Pareto front and the choice are marked."""
    caption = "RMS, CV: weighted residuals of training data and of held-out folds; front: none is cheaper and better"
    table = Table(title=f"candidate bases, chosen by {criterion}", title_justify="left", caption=caption, padding=0)
    for name in (
        "r_cut\nÅ",
        "ν",
        "degree",
        "w_L",
        "func-\ntions",
        "RMS",
        "log\nevidence",
        "BIC",
        "CV",
        "µs/\natom",
        "",
    ):
        table.add_column(name, justify="right", no_wrap=name != "degree")
    for c in candidates:
        degree = c.specification.degree
        degrees = ", ".join(f"{d:g}" for d in degree) if isinstance(degree, tuple) else f"{degree:g}"
        mark = "chosen" if c.is_chosen else "front" if c.on_front else ""
        cells = [f"{c.specification.cutoff:g}", str(c.specification.order), degrees, f"{c.specification.wl:g}"]
        cells += [str(c.n_functions)]
        cells += [f"{c.residual:.4f}", f"{c.evidence:.0f}", f"{c.bic:.0f}", "–" if c.cv is None else f"{c.cv:.4f}"]
        table.add_row(*cells, number(c.microseconds, 2), mark, style="bold" if c.is_chosen else None)
    return table


def pruning_table(stages: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table of the models on the way from a whole one to a pruned one."""
    headings = [
        "functions",
        "µs/\natom",
        "RMS\ntrain",
        *(["RMS\ntest"] if "test" in stages[0] else []),
        "log\nevidence",
    ]
    table = numbers_table("pruning: RMS of weighted residuals", headings, texts=0)
    for stage in stages:
        evidence = stage["log_evidence"]
        cells = [str(stage["functions"]), f"{stage['us_per_atom']:.2f}"]
        cells += [f"{stage[name]:.4f}" for name in ("train", "test") if name in stage]
        table.add_row(*cells, "–" if evidence is None else f"{evidence:.0f}")
    return table


def learning_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table of the RMSE on held-out structures by the number of training structures."""
    headings = ["structures", *error_headings(["rmse"], "\n")]
    table = numbers_table("learning curve: errors on held-out structures", headings, texts=0)
    for row in rows:
        table.add_row(str(row["structures"]), *error_cells(row, ["rmse"]))
    return table
