"""What the commands that compute properties of crystals have in common: their inputs, their outputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from ase import Atoms
from rich.markup import escape

from acnn.cli.display import console, numbers_table, print_written
from acnn.cli.numbers import number
from acnn.data.frames import extended_xyz, read_frames, require_xyz
from acnn.files import require_writable, write_atomically
from acnn.plots import require_pictures, save_figure
from acnn.settings.base import SettingsError

if TYPE_CHECKING:
    from ase_calculator import ACNNCalculator

Structure = Annotated[Path, typer.Argument(help="Crystal: any file ASE reads; the last structure in it.")]
ModelFile = Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")]
Pressure = Annotated[float, number("GPa.", least=-1000, most=10_000)]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results as JSON.", show_default=False)]
Plot = Annotated[Path | None, typer.Option(help="Draw the results: .png, .pdf or .svg.", show_default=False)]

Structures = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the structures, extended XYZ: made.xyz.", show_default=False),
]
MillerIndices = Annotated[list[str], typer.Option(help="Plane, 1,1,1; may be given several times.")]


class Task:
    """The files of one command: inputs are read, outputs are known to be possible before anything is computed."""

    def __init__(
        self,
        inputs: Sequence[Path],
        json_file: Path | None,
        plot: Path | None,
        overwrite: bool,
        outputs: Sequence[Path | None] = (),
    ) -> None:
        require_writable([plot, *outputs], inputs, [json_file], overwrite=overwrite)
        for output in filter(None, outputs):
            require_xyz(output)
        require_pictures(plot)
        self.json_file, self.plot = json_file, plot

    def write(self, results: Mapping[str, Any], figure: Callable[[], Any] | None = None) -> None:
        """Write what was asked for."""
        if self.json_file:
            write_json(self.json_file, results)
            print_written(self.json_file)
        if self.plot and figure:
            save_figure(figure(), self.plot)
            print_written(self.plot)


def write_json(path: Path, results: Mapping[str, Any]) -> None:
    """Write results as JSON."""
    write_atomically(path, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())


def read_structure(path: Path) -> Atoms:
    """Return the last structure of a file."""
    return read_frames(path, -1)[0].atoms


def calculator(model: Path, kernel: str | None) -> ACNNCalculator:
    """Return the calculator of a model file."""
    from ase_calculator import ACNNCalculator

    return ACNNCalculator(model, kernel=kernel)


def triple(text: str, option: str) -> tuple[int, int, int] | None:
    """Parse three numbers, 3,3,3; None for "auto".

    Raises:
        SettingsError: it is neither.
    """
    if text == "auto":
        return None
    try:
        a, b, c = (int(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise SettingsError(f"{option} is auto or three numbers, 3,3,3, not {text!r}") from None
    if not 1 <= min(a, b, c) <= max(a, b, c) <= 1000:
        raise SettingsError(f"{option} is three numbers from 1 to 1000, not {text!r}")
    return a, b, c


def miller_indices(texts: Sequence[str]) -> list[tuple[int, int, int]]:
    """Parse Miller indices.

    Raises:
        SettingsError: one is not three whole numbers, at least one of them other than 0.
    """
    found = []
    for text in texts:
        words = text.replace(",", " ").split()
        try:
            h, k, l = (int(word) for word in words)
        except ValueError:
            raise SettingsError(f"--miller is three whole numbers, 1,1,1, not {text!r}") from None
        if not (0 < max(abs(h), abs(k), abs(l)) <= 50):
            raise SettingsError(f"--miller is three numbers from -50 to 50, not all 0, and not {text!r}")
        found.append((h, k, l))
    return found


def plane_name(miller: Sequence[int]) -> str:
    """Return "(111)", or "(1 -1 12)" where that is needed."""
    separate = " " if any(not 0 <= index < 10 for index in miller) else ""
    return f"({separate.join(map(str, miller))})"


def write_structures(path: Path | None, structures: Sequence[Atoms], config_types: Sequence[str]) -> None:
    """Write structures as extended XYZ, if a file is named, with their config types."""
    if path is None:
        return
    frames = [atoms.copy() for atoms in structures]
    for atoms, config_type in zip(frames, config_types, strict=True):
        atoms.info = {"config_type": config_type}
    write_atomically(path, extended_xyz(frames))
    print_written(path)


def print_rows(title: str, rows: Sequence[tuple[str, ...]], headings: Sequence[str], texts: int = 1) -> None:
    """Print a table whose first columns are texts and whose others are numbers."""
    table = numbers_table(title, headings, texts)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
