"""acnn evaluate"""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import announce, console, error_table, progress_stages
from acnn.cli.label_options import DropNan, EnergyKey, ForcesKey, Kernel, MaxForce, StressKey, VirialKey, read_labeled
from acnn.cli.plots import parity_plot, require_pictures
from acnn.cli.uncertainty import calibration_dict, calibration_plot, calibration_table
from acnn.evaluation.metrics import evaluate as evaluate_structures
from acnn.files import require_writable, write_atomically
from acnn.fit.job import left_out_notes
from acnn.io.model_file import load_model
from acnn.outputs import require_summaries
from acnn.uncertainty.calibration import predict
from acnn.uncertainty.committee import require_committee


def evaluate(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    data: Annotated[Path, typer.Argument(help="Labeled structures, extended XYZ.")],
    json: Annotated[Path | None, typer.Option(help="Write the error table as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write parity plots, .png or .pdf.")] = None,
    uncertainty: Annotated[
        bool, typer.Option("--uncertainty", help="Compare the committee's standard deviations with the errors.")
    ] = False,
    uncertainty_plot: Annotated[
        Path | None, typer.Option(help="Write the plots of --uncertainty, .png or .pdf.", show_default=False)
    ] = None,
    energy_key: EnergyKey = None,
    forces_key: ForcesKey = None,
    virial_key: VirialKey = None,
    stress_key: StressKey = None,
    max_force: MaxForce = None,
    drop_nan: DropNan = False,
    kernel: Kernel = None,
) -> None:
    """Errors of a model: MAE and RMSE of energies, forces and virials by config type.

    Example: acnn evaluate si.acnn test.xyz --plot parity.png
    """
    require_writable([], [model, data], streams=[json, plot, uncertainty_plot])
    require_summaries(json, plot, uncertainty_plot)
    require_pictures(plot, uncertainty_plot)
    potential = load_model(model)
    uncertainty = uncertainty or uncertainty_plot is not None
    if uncertainty:
        require_committee(potential)
    dataset = read_labeled(data, energy_key, forces_key, virial_key, stress_key, max_force, drop_nan)
    announce({"data": dataset}, left_out_notes({"data": dataset}))
    with progress_stages() as stage:
        table = evaluate_structures(potential, dataset, stage("evaluating", len(dataset)), kernel)
        predicted = predict(potential, dataset, stage("committee", len(dataset)), kernel) if uncertainty else {}
    console.print(error_table(data.name, table.as_dict()))
    found: dict[str, Any] = table.as_dict()
    if uncertainty:
        console.print(calibration_table(data.name, predicted))
        found["uncertainty"] = calibration_dict(predicted)
    if json:
        write_atomically(json, (json_module.dumps(found, indent=2, allow_nan=False) + "\n").encode())
        console.print(escape(f"wrote {json}"), highlight=False)
    if plot:
        parity_plot(table, plot, title=f"{model.name} on {data.name}")
        console.print(escape(f"wrote {plot}"), highlight=False)
    if uncertainty_plot:
        calibration_plot(predicted, uncertainty_plot, title=f"{model.name} on {data.name}")
        console.print(escape(f"wrote {uncertainty_plot}"), highlight=False)
