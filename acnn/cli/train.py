"""The command ``acnn train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from acnn.cli.display import announce, console, error_table
from acnn.cli.errors import warn
from acnn.cli.label_options import assignment
from acnn.cli.settings import schema_option, settings_option, with_settings
from acnn.cli.training_display import print_start, training_plot
from acnn.parallel import Ranks, training_ranks
from acnn.plots import has_matplotlib, require_pictures
from acnn.settings.train import TrainSettings, read_train_settings
from acnn.train.display import training_display
from acnn.train.job import Watcher, run_training
from acnn.train.report import TrainReport


@with_settings(TrainSettings, {"output.model": "-o"})
def train(
    config: Annotated[Path, typer.Argument(help="YAML file of settings, see --settings.", show_default=False)],
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue from the checkpoint of an interrupted training, if there is one.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Start anew: replace an unfinished training and all existing output files."),
    ] = False,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any other setting: --set model.channels=16 --set training.warmup=0.1."),
    ] = None,
    settings: Annotated[bool, settings_option(TrainSettings, "acnn train")] = False,
    schema: Annotated[bool, schema_option(TrainSettings)] = False,
    **given: Any,
) -> None:
    """Train a network or attention potential on labeled structures.

    The model is a linear ACE potential, which is fitted first or read from a file, and a network that learns the rest.
    Three lines of settings are enough:

        data: {train: train.xyz, test: test.xyz}

        model: {type: attention}

        output: si.acnn

    What is not given is chosen from the data (crystals or molecules, how many, what the linear part leaves), and said.

    The best model by validation errors is written to si.acnn, the log to si.csv, the learning curve to
    si.training.png, and the state after every epoch to si.checkpoint, from which --resume continues with the same
    numbers (on a GPU up to rounding).

    On several processors or GPUs: torchrun --nproc-per-node 2 -m acnn train …
    """
    changes = dict(assignment(text, "model.channels=16") for text in change or ())
    chosen = read_train_settings(config, changes | given)
    require_pictures(chosen.output.plot_file if has_matplotlib() else None)
    try:
        ranks = training_ranks(chosen.training.device)
        with ranks.working():
            report = _run(chosen, resume, overwrite, ranks)
            if ranks.is_first:
                _print_report(chosen, report)
    except KeyboardInterrupt:  # not inside, where one of several processes would treat typer.Exit as an error
        _warn_interrupted(chosen)
        raise typer.Exit(130) from None


def _run(settings: TrainSettings, resume: bool, overwrite: bool, ranks: Ranks) -> TrainReport:
    if not ranks.is_first:
        return run_training(settings, Watcher(), resume, overwrite, ranks)
    with training_display(settings.training.selection.measure) as (stage, on_epoch):
        return run_training(settings, Watcher(stage, announce, print_start, on_epoch), resume, overwrite, ranks)


def _warn_interrupted(settings: TrainSettings) -> None:
    if settings.output.checkpoint_file.is_file():
        warn(f"interrupted: {settings.output.model} is the best model so far; --resume continues")
    else:
        warn("interrupted before the end of the first epoch: nothing was written")


def _print_report(settings: TrainSettings, report: TrainReport) -> None:
    """Print error tables, then a summary of the training and its cost."""
    for name, table in report.errors.items():
        console.print(error_table(name, table.as_dict()))
    output, metrics = settings.output, report.metrics()
    written = [output.model, output.log_file, output.checkpoint_file, output.json_file]
    if has_matplotlib() and training_plot(output.log_file, output.plot_file):
        written.append(output.plot_file)
    score = "" if metrics["best_score"] is None else f", score {metrics['best_score']:.2f}"
    console.print(
        f"best of {metrics['epochs']} epochs: {metrics['best_epoch']}{score}; {metrics['n_parameters']} parameters, "
        f"{metrics['train_seconds']:.1f} s, {metrics['seconds_per_epoch']:.2f} s per epoch\n"
        f"wrote {escape(', '.join(str(path) for path in written if path))}",
        highlight=False,
        soft_wrap=True,
    )
