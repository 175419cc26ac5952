"""The command ``acnn calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from acnn.cli.display import bars_table, console, print_written, progress_stages
from acnn.cli.errors import warn
from acnn.cli.label_options import Kernel, Overwrite, label_settings, read_announced
from acnn.cli.numbers import LARGEST_SEED, number
from acnn.cli.settings import with_settings
from acnn.data.sources import inputs_of
from acnn.files import require_writable
from acnn.io.model_file import load_model, read_header, save_model
from acnn.settings.data import LabelSettings
from acnn.uncertainty.calibrating import calibrate_model, learn_training_data


@with_settings(LabelSettings)
def calibrate(
    model: Annotated[Path, typer.Argument(help="Model file, MODEL.acnn.")],
    data: Annotated[list[Path], typer.Argument(help="Labeled structures that the model was not fitted to.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write, MODEL.acnn.")],
    training: Annotated[
        Path | None,
        typer.Option(
            help="The structures the model was fitted to: they determine extrapolation grades γ and, for a single "
            "network, the committee of its last layer.",
            show_default=False,
        ),
    ] = None,
    members: Annotated[int, number("Members of the committee of the last layer.", least=2, most=1000)] = 16,
    uncertainty: Annotated[
        Literal["posterior", "pops"], typer.Option(help="What the committee of the last layer samples, as in acnn fit.")
    ] = "pops",
    seed: Annotated[int, number("Random seed of that committee.", least=0, most=LARGEST_SEED)] = 0,
    kernel: Kernel = None,
    overwrite: Overwrite = False,
    **given: Any,
) -> None:
    """Turn the spread of a committee into error bars, by the errors on structures outside the fit.

    energy_std, forces_std and stress_std of the new model cover 68 % of such errors, energy_q90 and forces_q90 90 %.

    Example: acnn calibrate si.acnn held_out.xyz -o si_calibrated.acnn --training train.xyz
    """
    labels = label_settings(given)
    require_writable([output], inputs_of(model, data, training), overwrite=overwrite)
    provenance, potential = read_header(model)["provenance"], load_model(model)
    dataset = read_announced(data, labels, model)
    known = {str(of.get("sha256")) for name, of in provenance.get("data", {}).items() if name in ("train", "add")}
    if dataset.sha256 in known:
        raise ValueError(
            f"{dataset.name} is what {model.name} was fitted to, where errors are too small: give other structures"
        )
    trained = None if training is None else read_announced(training, labels, model)
    with progress_stages() as stage:
        if trained is not None:
            learn_training_data(potential, trained.structures, members, seed, uncertainty, stage, kernel)
        found = calibrate_model(potential, dataset.structures, stage, kernel)
    console.print(bars_table(found.bars, found.coverage))
    for warning in found.warnings:
        warn(warning)
    save_model(potential, output, provenance | {"calibration": dataset.provenance(), "coverage": found.coverage})
    print_written(output)
