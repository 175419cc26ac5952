"""The command ``acnn info``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from acnn.cli.display import bars_table, console, error_table
from acnn.cli.errors import warn
from acnn.fit.doubts import remembered_warnings
from acnn.io.model_file import load_model, read_header
from acnn.io.provenance import fit_facts
from acnn.kernels.loading import instruction_sets, n_threads, uses_compiled_kernel
from acnn.models import Model
from acnn.settings.fit import FitSettings
from acnn.settings.reference import changed
from acnn.settings.train import TrainSettings
from acnn.wording import HELD_OUT, counted


def info(model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")]) -> None:
    """Describe a model: its type and size, the data it was fitted to, and its errors."""
    header = read_header(model)
    potential = load_model(model)
    for table in _model_tables(model.name, potential):
        console.print(table)
    console.print(_kernel_table(potential))
    if potential.calibration is not None:
        console.print(bars_table(potential.calibration, header["provenance"].get("coverage", {})))
    console.print(_provenance_table(header["provenance"], potential))
    if isinstance(header["provenance"].get("settings"), dict):
        console.print(_settings_table(header["provenance"]["settings"]))
    for name in ("train", HELD_OUT, "test"):
        if name in header["provenance"]:
            console.print(error_table(name, header["provenance"][name]))
    for doubt in remembered_warnings(header["provenance"]):
        warn(doubt)


def _model_tables(name: str, model: Model) -> Iterator[Table]:
    for k, description in enumerate(model.describe()):
        table = _two_columns(escape(description.title if k else f"{name}: {description.title}"))
        for key, value in description.rows:
            table.add_row(escape(key), escape(value))
        yield table


def _kernel_table(model: Model) -> Table:
    table = _two_columns("evaluation on this machine")
    if not uses_compiled_kernel():
        table.add_row("kernel", "torch" if instruction_sets() else "torch (installed without the compiled kernel)")
        return table
    table.add_row("kernel", f"cpu, {n_threads()} thread{'s' * (n_threads() > 1)}")
    best, *others = instruction_sets()
    table.add_row("instruction set", f"{best} (also built, slower here: {', '.join(others)})" if others else best)
    for row in model.describe_program():
        table.add_row(*row)
    return table


def _provenance_table(provenance: dict, model: Model) -> Table:
    table = _two_columns("fit")
    for name, data in provenance.get("data", {}).items():
        table.add_row(
            name,
            escape(f"{data['file']}: {counted(data['structures'], 'structure')}, {counted(data['atoms'], 'atom')}"),
        )
        table.add_row("  sha256", data["sha256"])
    for name, text in fit_facts(provenance, model):
        table.add_row(name, escape(text))
    for name, w in provenance.get("weights", {}).items():
        table.add_row(escape(f"weights of {name}"), f"E {w['E']:g}, F {w['F']:g}, V {w['V']:g}")
    return table


def _settings_table(stored: dict[str, Any]) -> Table:
    """Tabulate the settings of the fit or training that differ from the defaults."""
    table = _two_columns("settings, other than defaults")
    for key, value in changed(TrainSettings if "training" in stored else FitSettings, stored):
        table.add_row(key, escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))
    return table


def _two_columns(title: str) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    return table
