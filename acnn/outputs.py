"""What an output may replace. Inputs never; a table, plot or page other files of that sort; data only on demand."""

from __future__ import annotations

from pathlib import Path

from acnn.files import destination, is_stream

OTHERS = (".acnn", ".checkpoint", ".factor", ".pt", ".pth", ".yace", ".xyz", ".extxyz", ".traj", ".db", ".yaml", ".yml")
"""Endings of models, checkpoints, structures and settings."""


def require_new(path: Path, overwrite: bool) -> None:
    """Of what took work to make, or may be somebody's data.

    Raises:
        FileExistsError: it is there, and nobody said that it may be replaced.
    """
    if path.exists() and not overwrite and not is_stream(destination(path)):
        raise FileExistsError(f"{path} is there already: choose another name, or --overwrite")


def require_summaries(*paths: Path | None) -> None:
    """Of tables, plots and pages, which are written anew whenever their command is run again.

    Raises:
        FileExistsError: a file of that name is there, and the name is one of a model, structures or settings.
    """
    for path in paths:
        if path is not None and path.suffix.lower() in OTHERS and path.exists():
            raise FileExistsError(f"{path} is there already, and not what is written here: choose another name")
