"""All of ``acnn train``: read, prepare, train epoch by epoch, write the best model, measure its errors."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from acnn.data.dataset import Dataset
from acnn.data.sources import inputs_of
from acnn.evaluation.metrics import evaluate
from acnn.files import require_new, require_writable, write_atomically
from acnn.fit.job import left_out_notes, require_elements
from acnn.fit.virial_offset import offset_warnings
from acnn.graph import dtype_of
from acnn.io.model_file import load_model, model_from_bytes, model_to_bytes, read_header, save_model
from acnn.locks import locked
from acnn.models.network import require_network
from acnn.parallel import ALONE, Ranks
from acnn.progress import Stage, silent
from acnn.settings.train import TrainSettings, train_settings
from acnn.train.average import replaced
from acnn.train.batches import structure_store
from acnn.train.checkpoint import TrainingCheckpoint, TrainingCheckpointError, checkpoint_of, restore
from acnn.train.data import fingerprints, read_data, without_offsets
from acnn.train.defaults import with_defaults
from acnn.train.display import training_display
from acnn.train.doubts import doubts_of
from acnn.train.energy_range import energy_bounds
from acnn.train.initialization import Start, new_model, standardize
from acnn.train.log import TrainingLog
from acnn.train.report import TrainReport
from acnn.train.schedule import learning_rate
from acnn.train.trainer import Course, EpochRecord, Trainer, TrainingError
from acnn.train.transfer import continued_model

SAVE_EVERY = 20.0
"""Seconds between two saves of the best model; the checkpoint contains it after every epoch."""

AS_LABELED = "give a model of acnn fit --virial-offset none as linear"


@dataclass(frozen=True)
class Watcher:
    """Callbacks during a training."""

    stage: Stage = silent
    on_data: Callable[[dict[str, Dataset], list[str]], None] = lambda datasets, warnings: None
    on_start: Callable[[Start, Trainer], None] = lambda start, trainer: None
    on_epoch: Callable[[EpochRecord, Course], None] = lambda record, course: None


def run_training(
    settings: TrainSettings | Mapping[str, Any],
    progress: bool | Watcher = False,
    resume: bool = False,
    overwrite: bool = False,
    ranks: Ranks = ALONE,
) -> TrainReport:
    """Train and write, as ``acnn train`` does.

    Args:
        settings: or a mapping with the keys of a settings file: ``{"data": "train.xyz", "output": "si.acnn"}``.
        progress: True shows bars and errors, on a terminal or in a notebook; or callbacks that follow the training.
        resume: continue from the checkpoint of an interrupted training.
        overwrite: replace a model of another type, or an unfinished training.
        ranks: of a job; all make the same call, the first reports and writes.
    """
    settings = train_settings(settings)
    with watcher_of(progress if ranks.is_first else False, settings) as watcher:
        return _run(settings, watcher, resume, overwrite, ranks)


@contextmanager
def watcher_of(progress: bool | Watcher, settings: TrainSettings) -> Iterator[Watcher]:
    """Yield what follows a training: see `run_training`."""
    if isinstance(progress, Watcher):
        yield progress
    elif progress:
        with training_display(settings.training.selection.measure) as (stage, on_epoch):
            yield Watcher(stage, on_epoch=on_epoch)
    else:
        yield Watcher()


def _run(settings: TrainSettings, watcher: Watcher, resume: bool, overwrite: bool, ranks: Ranks) -> TrainReport:
    output, data = settings.output, settings.data
    validation = data.validation if isinstance(data.validation, tuple) else None
    linear = settings.linear if isinstance(settings.linear, Path) else None
    inputs = inputs_of(data.train, validation, data.test, settings.start, linear)
    files = [output.model, output.log_file, output.checkpoint_file]
    require_writable(files, inputs, [output.plot_file, output.json_file], overwrite=True)
    with locked(output.checkpoint_file) if ranks.is_first else nullcontext():
        found = _checkpoint(settings, resume, overwrite)
        if ranks.is_first and found is None:
            log = [] if resume else [output.log_file]  # a training may have been killed before its first checkpoint
            require_new([output.model, *log, output.checkpoint_file, output.plot_file, output.json_file], overwrite)
        return _trained(settings, watcher, found, ranks)


def _trained(settings: TrainSettings, watcher: Watcher, found: TrainingCheckpoint | None, ranks: Ranks) -> TrainReport:
    output = settings.output
    datasets = read_data(settings)
    marks = fingerprints(settings, datasets)
    if found is not None:
        found.require(marks, output.checkpoint_file)
    watcher.on_data(datasets, left_out_notes(datasets))
    settings, chosen = with_defaults(settings, datasets["train"])
    with using_threads(settings.training.threads):
        start = _start(settings, datasets, found, watcher.stage)
        start.notes += chosen if found is None else []
        doubts, start.model.combinations = doubts_of(settings, datasets, start.model)
        doubts += offset_warnings(start.virial_offset, datasets["train"].structures, AS_LABELED)
        datasets = without_offsets(datasets, start.virial_offset)
        start.warnings += [doubt for doubt in doubts if doubt not in start.warnings]
        trainer = _trainer(settings, start, datasets, watcher.stage, ranks)
        content = model_to_bytes(start.model) if found is None else found.model
        if found is not None:
            restore(trainer, found)
        report = TrainReport(settings, datasets, start.model, trainer.course, start.notes, _known(settings), doubts)
        watcher.on_start(start, trainer)
        _train(trainer, report, watcher, lambda: checkpoint_of(trainer, content, marks, start))
        if ranks.is_first:
            report.model = require_network(load_model(output.model), str(output.model))
            for name, dataset in datasets.items():
                advance = watcher.stage(f"errors on {name}", len(dataset))
                report.errors[name] = evaluate(report.model, dataset.structures, advance)
            save_model(report.model, output.model, report.provenance())
            if output.json_file:
                write_atomically(output.json_file, (json.dumps(report.metrics(), indent=2) + "\n").encode())
    return report


def _train(
    trainer: Trainer, report: TrainReport, watcher: Watcher, checkpoint: Callable[[], TrainingCheckpoint]
) -> None:
    """Run the remaining epochs; write log and checkpoint after each, the best model occasionally and at the end."""
    output, is_first, course = report.settings.output, trainer.ranks.is_first, trainer.course
    log = TrainingLog(output.log_file, course.epoch) if is_first else None
    saved, last = False, 0.0
    try:
        while not (course.finished or trainer.is_over):
            record = _epoch(trainer)
            course.finished = trainer.is_over
            if log is None:
                continue
            log.add(record, course.seconds)
            checkpoint().write(output.checkpoint_file)
            watcher.on_epoch(record, course)
            saved = saved and not record.is_best
            if not saved and time.monotonic() - last > SAVE_EVERY:
                save_best(trainer, report)
                saved, last = True, time.monotonic()
    finally:
        if is_first and course.epoch and not saved:
            save_best(trainer, report)


def _epoch(trainer: Trainer) -> EpochRecord:
    try:
        return trainer.run_epoch()
    except torch.cuda.OutOfMemoryError as error:
        batch, largest = trainer.settings.batch_atoms, int(trainer.train.atoms.max())
        raise TrainingError(
            f"the GPU is out of memory: lower training.batch_atoms, now {batch}; the largest structure has {largest} "
            "atoms"
        ) from error


def save_best(trainer: Trainer, report: TrainReport) -> None:
    """Write the model with the best averaged weights, and the range of its energies in the training data."""
    with replaced(trainer.parameters, trainer.best):
        bounds = energy_bounds(trainer.model, trainer.train, report.known)
        with replaced([trainer.model.readout.bounds], [bounds]):
            save_model(trainer.model, report.settings.output.model, report.provenance())


def _checkpoint(settings: TrainSettings, resume: bool, overwrite: bool) -> TrainingCheckpoint | None:
    """Read the checkpoint to continue from; None starts a new training.

    Raises:
        TrainingCheckpointError: there is an unfinished training, and neither ``resume`` nor ``overwrite`` is set.
    """
    path = settings.output.checkpoint_file
    if resume and overwrite:
        raise TrainingCheckpointError(f"resume continues from {path}, overwrite starts again: choose one of them")
    if not path.is_file() or overwrite:
        return None
    if resume:
        return TrainingCheckpoint.read(path)
    course = TrainingCheckpoint.read(path).course
    if not course.finished:
        raise TrainingCheckpointError(
            f"{path} holds {course.epoch} epochs of an unfinished training: --resume continues it, --overwrite starts "
            "again"
        )
    return None


def _start(
    settings: TrainSettings, datasets: Mapping[str, Dataset], found: TrainingCheckpoint | None, stage: Stage
) -> Start:
    if found is not None:
        name = str(settings.output.checkpoint_file)
        model = require_network(model_from_bytes(found.model, name), name)
        notes = [*found.notes, f"resumed after epoch {found.course.epoch}"]
        return Start(model, False, notes, found.warnings, found.virial_offset)
    make = new_model if settings.start is None else continued_model
    return make(settings, datasets["train"], settings.model.elements or datasets["train"].elements, stage)


def _known(settings: TrainSettings) -> tuple[str, ...]:
    """Return the elements of the model that training continues from."""
    return () if settings.start is None else tuple(read_header(settings.start)["specification"]["elements"])


def _trainer(
    settings: TrainSettings, start: Start, datasets: Mapping[str, Dataset], stage: Stage, ranks: Ranks
) -> Trainer:
    training, model = settings.training, start.model
    require_elements(dict(datasets), model.elements)
    dtype, device = dtype_of(training.precision), ranks.device(training.device)
    stores = {
        name: structure_store(model, dataset.structures, dtype, stage(f"neighbors of {name}", len(dataset)))
        for name, dataset in datasets.items()
        if name != "test"
    }
    if start.is_new:
        standardize(model, stores["train"], training.seed)
    model.to(device)
    on_device = {name: store.to(device) for name, store in stores.items()}
    rate = learning_rate(training, fine_tuning=settings.start is not None)
    return Trainer(model, on_device["train"], on_device.get("validation"), training, rate, ranks)


@contextmanager
def using_threads(n: int | None) -> Iterator[None]:
    """Set the number of threads of torch temporarily; None leaves it unchanged."""
    before = torch.get_num_threads()
    if n is not None:
        torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)
