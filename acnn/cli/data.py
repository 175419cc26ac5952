"""The commands ``acnn data check``, ``split``, ``select`` and ``stats``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape

from acnn.cli.display import announce, console, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite, label_settings
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.cli.property_options import print_rows
from acnn.cli.settings import with_settings
from acnn.data.checks import check_data
from acnn.data.sources import inputs_of
from acnn.data.splits import holdout
from acnn.data.statistics import ranges, statistics_of
from acnn.files import require_writable
from acnn.fit.job import left_out_notes
from acnn.io.model_file import load_model
from acnn.plots import Look, data_figure, require_pictures, save_figure
from acnn.settings.data import LabelSettings
from acnn.wording import counted
from acnn.workflows.conversion import Converted, converted, write_converted
from acnn.workflows.structure_selection import By, features_model, select_structures

LARGEST = 1e6
"""eV/Å; larger forces are not read at all."""
Structures = Annotated[list[Path], typer.Argument(help="Structures: files, folders, or patterns in quotes.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write, in the format of its name.")]
Seed = Annotated[int, number("Random seed.", least=0, most=LARGEST_SEED)]

data = typer.Typer(
    help="Look at structures and labels: find faults, split, select, show.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@data.command()
@with_settings(LabelSettings)
def check(structures: Structures, **given: Any) -> None:
    """Find faults: labels that are missing, constant or far off, duplicates, atoms too close, wrong units and signs.

    Forces and virials are compared with the energies of structures that are close to each other or differ by strain.
    The exit status is 1 if there are faults.

    Example: acnn data check train.xyz
    """
    chosen = label_settings({"drop_nan": True, "max_force": LARGEST} | given)
    dataset = chosen.read(structures)
    announce({"data": dataset}, left_out_notes({"data": dataset}))
    findings = check_data(dataset)
    for finding in findings:
        console.print(f"[bold red]{escape(finding.kind)}[/]: {escape(finding.text)}", highlight=False, soft_wrap=True)
    if findings:
        raise typer.Exit(1)
    console.print("no faults")


@data.command()
@with_settings(LabelSettings)
def split(
    structures: Structures,
    output: Output,
    rest: Annotated[Path, typer.Option(help="File for the others, such as test data.")],
    share: Annotated[float, number("Share of every config type for that file.", least=0.0001, most=0.9999)] = 0.1,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Divide structures at random, each config type by the same share; isolated atoms stay in OUTPUT.

    Example: acnn data split all.xyz -o train.xyz --rest test.xyz --share 0.1
    """
    labels = label_settings(given)
    require_writable([output, rest], inputs_of(structures), overwrite=overwrite)
    found = converted(structures, labels)
    held = holdout(found.structures, share, seed)
    for path, chosen in ((output, ~held), (rest, held)):
        _write(found, np.flatnonzero(chosen).tolist(), path)


@data.command()
@with_settings(LabelSettings)
def select(
    structures: Structures,
    output: Output,
    n: Annotated[int, number("Number of structures.", "-n", least=1, most=10**9)],
    by: Annotated[
        By,
        typer.Option(
            help="leverage: at random, the more the fit would depend on them; fps: each as far as possible from those "
            "before; cur: rows that span the others; gamma: atoms that span the others, with the smallest γ."
        ),
    ] = "fps",
    model: Annotated[
        Path | None,
        typer.Option(help="Model whose features describe atoms. \\[default: a basis of order 3]", show_default=False),
    ] = None,
    rest: Annotated[Path | None, typer.Option(help="File for the others.", show_default=False)] = None,
    seed: Seed = 0,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Choose structures that represent the others, with or without labels.

    Example: acnn data select md.xyz -n 200 --by gamma -o chosen.xyz
    """
    labels = label_settings(given)
    require_writable([output, rest], inputs_of(structures, model), overwrite=overwrite)
    found = converted(structures, labels, need_labels=False)
    elements = sorted({symbol for structure in found.structures for symbol in structure.atoms.symbols})
    used = features_model(elements) if model is None else load_model(model)
    with progress_stages() as stage:
        chosen = select_structures(found.structures, n, by, used, seed=seed, kernel=kernel, stage=stage)
    _write(found, chosen.tolist(), output)
    if rest:
        _write(found, np.setdiff1d(np.arange(len(found.structures)), chosen).tolist(), rest)


@data.command()
@with_settings(LabelSettings)
def stats(
    structures: Structures,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw energies, distances, forces and composition: .png or .pdf.", show_default=False),
    ] = None,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Show what data hold: energies, volumes, forces, pressures, shortest distances.

    Example: acnn data stats train.xyz --plot train.png
    """
    labels = label_settings(given)
    require_writable([plot], inputs_of(structures), overwrite=overwrite)
    require_pictures(plot)
    dataset = labels.read(structures)
    announce({"data": dataset}, left_out_notes({"data": dataset}))
    statistics = statistics_of(dataset)
    print_rows("ranges", ranges(dataset, statistics), ("", "unit", "smallest", "median", "largest"), texts=2)
    if plot:
        types = Look(dataset.config_types)
        save_figure(data_figure(statistics, types), plot, dataset.name, types)
        print_written(plot)


def _write(found: Converted, chosen: list[int], path: Path) -> None:
    part = replace(
        found,
        structures=tuple(found.structures[k] for k in chosen),
        images=tuple(found.images[k] for k in chosen),
    )
    for note in write_converted(part, path, None):
        warn(note)
    print_written(path, f": {counted(len(chosen), 'structure')}")
