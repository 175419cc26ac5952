"""What an output may replace: never an input; tables, plots and pages replace each other; data only on request."""

from __future__ import annotations

from pathlib import Path

from acnn.files import destination, is_stream

OTHERS = (".acnn", ".checkpoint", ".factor", ".pt", ".pth", ".yace", ".xyz", ".extxyz", ".traj", ".db", ".yaml", ".yml")
"""Endings of models, checkpoints, structures and settings."""


def require_new(path: Path, overwrite: bool) -> None:
    """Require that an output which is valuable, or may be somebody's data, does not exist yet.

    Raises:
        FileExistsError: it exists, and ``overwrite`` is not set.
    """
    if path.exists() and not overwrite and not is_stream(destination(path)):
        raise FileExistsError(f"{path} already exists: choose another name, or use --overwrite")


def require_summaries(*paths: Path | None) -> None:
    """Require that tables, plots and pages, which every run of a command replaces, do not replace other files.

    Raises:
        FileExistsError: the file exists, and its name is that of a model, structures or settings.
    """
    for path in paths:
        if path is not None and path.suffix.lower() in OTHERS and path.exists():
            raise FileExistsError(f"{path} already exists, and is a file of another kind: choose another name")
