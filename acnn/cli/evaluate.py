"""The command ``acnn evaluate``."""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from acnn.cli.display import calibration_table, console, error_table, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite, label_settings, read_announced
from acnn.cli.settings import with_settings
from acnn.data.frames import extended_xyz, require_xyz
from acnn.data.sources import inputs_of
from acnn.evaluation.calibration import Predicted
from acnn.evaluation.metrics import ErrorTable
from acnn.evaluation.metrics import evaluate as evaluate_structures
from acnn.files import require_writable, write_atomically
from acnn.fit.coverage import novelties
from acnn.io.model_file import load_model
from acnn.plots import SOURCES, Look, calibration_figure, parity_figure, require_pictures, save_figure
from acnn.settings.data import LabelSettings
from acnn.uncertainty.committee import require_committee
from acnn.uncertainty.prediction import predict
from acnn.wording import counted
from acnn.workflows.predictions import USUAL, chosen_properties, predicted_structures


@with_settings(LabelSettings)
def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    data: Annotated[list[Path], typer.Argument(help="Labeled structures: files, folders, or patterns in quotes.")],
    json: Annotated[Path | None, typer.Option(help="Write the error table as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write parity plots, .png or .pdf.")] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Compare the committee's standard deviations with the errors.")
    ] = False,
    uncertainty_plot: Annotated[
        Path | None, typer.Option(help="Write the plots of --uncertainty, .png or .pdf.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the structures with the model's predictions, extended XYZ."),
    ] = None,
    properties: Annotated[
        str | None,
        typer.Option(
            help="Predictions to write: names of results in ASE, such as energy,forces_std.",
            show_default=",".join(USUAL),
        ),
    ] = None,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Report the errors of a model: MAE and RMSE of energies, forces and virials by config type.

    Where structures differ in their number of elements, errors are listed by it, too.

    Example: acnn evaluate si.acnn test.xyz --plot parity.png
    """
    labels = label_settings(given)
    require_writable([], inputs_of(model, data), [json, plot, uncertainty_plot, output], overwrite=overwrite)
    _require_structures(output, properties)
    require_pictures(plot, uncertainty_plot)
    potential = load_model(model)
    names = properties.split(",") if properties else USUAL
    chosen_properties(potential, names)
    uncertainty = uncertainty or uncertainty_plot is not None
    if uncertainty:
        require_committee(potential)
    dataset = read_announced(data, labels, model)
    with progress_stages() as stage:
        table = evaluate_structures(potential, dataset, stage("evaluating", len(dataset)), kernel)
        predicted = predict(potential, dataset, stage("committee", len(dataset)), kernel) if uncertainty else {}
        frames = []
        if output:
            frames = predicted_structures(potential, dataset, names, stage("predictions", len(dataset)), kernel)
    _print_tables(dataset.name, table, predicted)
    for novelty in novelties(potential, dataset):
        warn(novelty)
    if json:
        write_atomically(json, _as_json(table, predicted))
        print_written(json)
    _draw(f"{model.name} on {dataset.name}", table, plot, predicted, uncertainty_plot)
    if output:
        write_atomically(output, extended_xyz(frames))
        print_written(output, f": {counted(len(frames), 'structure')}")


def _require_structures(output: Path | None, properties: str | None) -> None:
    if output is not None:
        require_xyz(output)
    elif properties is not None:
        raise ValueError("--properties selects what --output writes: add --output")


def _draw(
    title: str,
    table: ErrorTable,
    plot: Path | None,
    predicted: Mapping[str, Predicted],
    uncertainty_plot: Path | None,
) -> None:
    if plot:
        types = Look(sorted(table.parity))
        save_figure(parity_figure(table, types), plot, title, types)
        print_written(plot)
    if uncertainty_plot:
        save_figure(calibration_figure(predicted), uncertainty_plot, title, SOURCES)
        print_written(uncertainty_plot)


def _print_tables(name: str, table: ErrorTable, predicted: Mapping[str, Predicted]) -> None:
    console.print(error_table(name, table.as_dict(), table.by_components()))
    if predicted:
        console.print(calibration_table(name, predicted))


def _as_json(table: ErrorTable, predicted: Mapping[str, Predicted]) -> bytes:
    found: dict[str, Any] = table.as_dict()
    if by_components := table.by_components():
        found["components"] = by_components
    if predicted:
        found["uncertainty"] = {
            quantity: {term: asdict(calibration) for term, calibration in of_quantity.calibrations().items()}
            for quantity, of_quantity in predicted.items()
        }
    return (json_module.dumps(found, indent=2, allow_nan=False) + "\n").encode()
