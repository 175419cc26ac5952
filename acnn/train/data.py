"""Data of a training: training, validation and test structures, and fingerprints of them and the settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from acnn.data.dataset import Dataset
from acnn.data.splits import holdout
from acnn.files import sha256_of
from acnn.fit.checkpoint import fingerprint
from acnn.fit.job import require_config_types
from acnn.fit.linear import chosen
from acnn.fit.virial_offset import without_offset
from acnn.settings.base import SettingsError
from acnn.settings.linear import LinearPartSettings
from acnn.settings.train import TrainSettings


def read_data(settings: TrainSettings) -> dict[str, Dataset]:
    """Read the training, validation and test structures that were given."""
    data = settings.data
    weights = data.weight_table()
    paths = {"train": data.train, "validation": data.validation, "test": data.test}
    datasets = {name: data.read(path, weights) for name, path in paths.items() if isinstance(path, tuple)}
    require_config_types(weights, datasets["train"])
    if isinstance(data.validation, float):
        train = datasets["train"]
        held = holdout(train.structures, data.validation, settings.training.seed, settings.model.cutoff)
        parts = {"train": ~held, "validation": held}
        datasets |= {n: replace(train, structures=tuple(chosen(train.structures, w))) for n, w in parts.items()}
    return {name: datasets[name] for name in paths if name in datasets}


def without_offsets(datasets: Mapping[str, Dataset], offset: Mapping[str, float]) -> dict[str, Dataset]:
    """Return data whose virials lack constants, eV/atom by element (`acnn.fit.virial_offset`)."""
    corrected = {name: tuple(without_offset(s, offset) for s in data.structures) for name, data in datasets.items()}
    return {name: replace(data, structures=corrected[name]) for name, data in datasets.items()}


def fingerprints(settings: TrainSettings, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    """Return everything that the numbers of a training depend on, by names for messages."""
    sets = {name: "".join(map(fingerprint, d)) for name, d in datasets.items() if name != "test"}
    return {
        "data": {name: hashlib.sha256(text.encode()).hexdigest()[:24] for name, text in sets.items()},
        "data.e0": settings.data.e0,
        "model": settings.model.model_dump(mode="json"),
        "linear": _linear_mark(settings.linear),
        "from": _file_mark(settings.start),
        "training": settings.training.model_dump(mode="json", exclude={"threads", "device"}),
    }


def _linear_mark(linear: Path | LinearPartSettings | None) -> Any:
    return linear.model_dump(mode="json") if isinstance(linear, LinearPartSettings) else _file_mark(linear)


def _file_mark(path: Path | None) -> str | None:
    if path is None:
        return None
    if not path.is_file():
        raise SettingsError(f"{path}: there is no such model file")
    return sha256_of(path)[:24]
