"""Common parts of the accuracy benchmarks: fits by the command line, so that time and memory are those of a user."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags every benchmark has."""
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--quick", action="store_true", help="run only the smallest case")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)


def fit_with_cli(train: Path, model: Path, threads: int, *flags: str) -> dict[str, Any]:
    """Run ``acnn fit`` in a process of its own and return its metrics."""
    with tempfile.TemporaryDirectory() as scratch:
        metrics = Path(scratch) / "metrics.json"
        acnn(threads, "fit", train, "-o", model, "--json", metrics, *flags, "--overwrite")
        return json.loads(metrics.read_text())


def acnn(threads: int, *words: object) -> None:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "acnn", *map(str, words)]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def print_rows(rows: list[dict[str, Any]]) -> None:
    """A table with one column per key; keys carry their units."""
    table = Table()
    for key in rows[0]:
        table.add_column(key.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=220).print(table)


def write_rows(path: Path | None, rows: list[dict[str, Any]]) -> None:
    """Write the rows as JSON with what made them and where, if a file was given; docs/benchmarks shows such files."""
    if path:
        about = {"script": Path(sys.argv[0]).name, "arguments": [Path(argument).name for argument in sys.argv[1:]]}
        about |= {"date": date.today().isoformat(), "machine": machine(), "rows": rows}
        path.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of such a file."""
    return json.loads(path.read_text(encoding="utf-8"))["rows"]


def machine() -> str:
    """The processor, and its load: figures from a busy machine are worthless."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":")[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        name = names[0] if names else name
    load = f", load {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} cores{load}; acnn {version('acnn')}, torch {version('torch')}"
