"""The command ``acnn report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from acnn.cli.display import announce, print_written, progress_stages
from acnn.cli.label_options import Kernel, Overwrite, label_settings
from acnn.cli.settings import with_settings
from acnn.data.sources import inputs_of
from acnn.files import require_writable, write_atomically
from acnn.fit.job import left_out_notes
from acnn.io.chemiscope import require_chemiscope
from acnn.io.model_file import load_model, read_header
from acnn.io.provenance import named_keys
from acnn.plots import require_matplotlib
from acnn.report import N_SECTIONS, dataset_names, measure, report_page, report_structures
from acnn.settings.data import LabelSettings


@with_settings(LabelSettings)
def report(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    data: Annotated[
        list[Path], typer.Argument(help="Labeled structures: files, folders or patterns, each with errors of its own.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write. \\[default: MODEL.html]")
    ] = None,
    structures: Annotated[
        Path | None,
        typer.Option(
            help="Also write the structures with labels, predictions and errors, to look at in chemiscope: .json or "
            ".json.gz.",
            show_default=False,
        ),
    ] = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Write an HTML page about a model: errors, parity, worst structures, dimers, distances, cost.

    Needs matplotlib.

    Example: acnn report si.acnn train.xyz test.xyz -o report.html
    """
    labels = label_settings(given)
    path = output or model.with_suffix(".html")
    require_writable([], inputs_of(model, data), [path, structures], overwrite=overwrite)
    if structures is not None:
        require_chemiscope(structures)
    require_matplotlib()
    provenance, potential = read_header(model)["provenance"], load_model(model)
    read = [labels.read(file, usual_keys=named_keys(provenance)) for file in data]
    datasets = dict(zip(dataset_names(read), read, strict=True))
    announce(datasets, left_out_notes(datasets))
    with progress_stages() as stage:
        measurements = measure(potential, datasets, kernel, stage)
        content = report_structures(structures, potential, datasets, model.name, kernel, stage) if structures else b""
    with progress_stages("sections") as stage:
        advance = stage("writing the report", N_SECTIONS)
        page = report_page(potential, measurements, model.name, provenance, kernel, advance)
    write_atomically(path, page.encode())
    print_written(path, f" ({len(page.encode()) / 1e6:.1f} MB)")
    if structures:
        write_atomically(structures, content)
        print_written(structures, f" ({len(content) / 1e6:.1f} MB), for https://chemiscope.org")
