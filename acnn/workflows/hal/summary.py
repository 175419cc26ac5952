"""What hyperactive learning has found: a table, a figure, and a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acnn.arrays import FloatArray
from acnn.files import write_atomically
from acnn.html.blocks import Block, Drawing, Section, Table
from acnn.html.rendering import page
from acnn.io.model_file import load_model
from acnn.models.dimers import dimer_curves
from acnn.plots import DimerHistory, hal_figure, has_matplotlib, save_figure, svg
from acnn.wording import counted
from acnn.workflows.hal.store import Row

COLUMNS = (
    "iteration",
    "walker",
    "kind",
    "steps",
    "uncertainty",
    "tau",
    "temperature",
    "functions",
    "structures",
    "sigma_meV_per_atom",
    "error_meV_per_atom",
    "forces_rmse_eV_per_A",
    "reason",
    "fault",
)
"""Of hal.csv; temperatures in K, and structures are those that the model was fitted to."""
CAPTION = (
    "Errors are those of the model before the structure was added. Points above the line have a larger error than the "
    "spread says. The dimers of later models are darker."
)
MOST_CURVES = 8
"""Models whose dimers are drawn."""


def facts_of(row: Row) -> dict[str, Any]:
    """Return a row by the columns; None where it has no such fact."""
    facts = {"iteration": row.iteration, "walker": row.walker, "kind": row.kind} | row.facts
    return {name: facts.get(name) for name in COLUMNS}


def write_summary(folder: Path, rows: Sequence[Row]) -> list[Path]:
    """Write hal.csv and, with matplotlib, hal.png and hal.html; return their paths."""
    table = [facts_of(row) for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    written = [folder / "hal.csv"]
    write_atomically(written[0], text.getvalue().encode())
    if has_matplotlib():
        figure = hal_figure(_columns(table), _dimers(folder / "models"))
        written += [folder / "hal.png", folder / "hal.html"]
        save_figure(figure, written[1])
        write_atomically(written[2], _page(table, svg(figure, "hal", CAPTION)).encode())
    return written


def _columns(table: Sequence[Mapping[str, Any]]) -> dict[str, FloatArray]:
    found = [row for row in table if row["iteration"]]
    numbers = [name for name in COLUMNS if name not in ("kind", "reason", "fault")]
    return {name: np.array([np.nan if row[name] is None else row[name] for row in found], float) for name in numbers}


def _dimers(folder: Path) -> list[DimerHistory]:
    """Return the dimers of some of the models, the first and the last among them."""
    paths = sorted(folder.glob("*.acnn"))
    some = sorted({round(k) for k in np.linspace(0, len(paths) - 1, MOST_CURVES)}) if paths else []
    found = [(int(paths[k].stem), dimer_curves(load_model(paths[k]))) for k in some]
    if not found:
        return []
    iterations = [n for n, _ in found]
    return [
        DimerHistory("–".join(of_pair[0].pair), iterations, [(c.distances, c.energies) for c in of_pair])
        for of_pair in zip(*(curves for _, curves in found), strict=True)
    ]


def _page(table: Sequence[Mapping[str, Any]], drawing: str) -> str:
    rows = [[_text(row[name]) for name in COLUMNS] for row in table]
    blocks: list[Block] = [Drawing(drawing, CAPTION), Table([_heading(name) for name in COLUMNS], rows, left=3)]
    n = sum(row["kind"] in ("isolated", "start", "labeled") for row in table)
    subtitle = f"{counted(n, 'structure')} with labels"
    return page("Hyperactive learning", subtitle, {}, [Section("structures", "Structures", blocks)])


def _text(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _heading(name: str) -> str:
    return name.replace("_meV_per_atom", " (meV/atom)").replace("_eV_per_A", " (eV/Å)").replace("_", " ")
