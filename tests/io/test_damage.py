"""A flipped bit, missing or additional bytes: no file of acnn gives other numbers without a word."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.fit.checkpoint import CheckpointError, Factor
from acnn.io.model_file import ModelFileError, load_model, model_to_bytes, read_header, save_model
from acnn.models.linear import LinearACE
from acnn.solvers import StreamingQR
from acnn.testing import random_network
from acnn.train.checkpoint import TrainingCheckpoint, TrainingCheckpointError
from acnn.train.trainer import Course
from lammps_plugin.mliap import UnifiedPotential
from lammps_plugin.shell import save_unified

RNG = np.random.default_rng(0)


def model_with_committee() -> LinearACE:
    specification = BasisSpecification(elements=("Si",), order=2, degree=5)
    n = LinearACE(specification, {"Si": -0.1}).basis.n_functions
    coefficients, committee = RNG.normal(size=n), RNG.normal(size=(8, n))
    return LinearACE(specification, {"Si": -0.1}, torch.as_tensor(coefficients), False, torch.as_tensor(committee))


def write_factor(path: Path) -> None:
    accumulator = StreamingQR(20)
    accumulator.add(RNG.normal(size=(30, 20)), RNG.normal(size=30))
    Factor.of(accumulator, ["1f3a", "2b"], {"zbl": False}).write(path)


def write_training(path: Path) -> None:
    content, tensors = model_to_bytes(random_network(["Si", "C"])), {"weights.a": torch.rand(50), "norm": torch.ones(1)}
    TrainingCheckpoint(content, {"seed": 1}, Course(), 3, ["a note"], [], {"Si": 0.1}, tensors).write(path)


class Kind(NamedTuple):
    write: Callable[[Path], None]
    read: Callable[[Path], object]
    error: type[Exception]


KINDS = {
    "linear.acnn": Kind(lambda path: save_model(model_with_committee(), path), load_model, ModelFileError),
    "network.acnn": Kind(lambda path: save_model(random_network(["Si", "C"]), path), load_model, ModelFileError),
    "header.acnn": Kind(lambda path: save_model(model_with_committee(), path), read_header, ModelFileError),
    "fit.factor": Kind(write_factor, Factor.read, CheckpointError),
    "net.checkpoint": Kind(write_training, TrainingCheckpoint.read, TrainingCheckpointError),
}


def flips(content: bytes, count: int) -> list[bytes]:
    found = []
    for k in np.random.default_rng(1).integers(8 * len(content), size=count):
        flipped = bytearray(content)
        flipped[k // 8] ^= 1 << (k % 8)
        found.append(bytes(flipped))
    return found


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_one_sentence_that_names_the_file(name, tmp_path):
    kind, path = KINDS[name], tmp_path / name
    kind.write(path)
    kind.read(path)
    content = path.read_bytes()
    cut = [content[: k * len(content) // 10] for k in range(10)]
    for damaged in (*flips(content, 200), *cut, content[:-1], content + b"\0", content + content):
        path.write_bytes(damaged)
        with pytest.raises(kind.error) as caught:
            kind.read(path)
        sentence = str(caught.value)
        assert sentence.startswith(f"{path}: ")
        assert "\n" not in sentence


@pytest.mark.parametrize("name", ["m.mliap.pt", "m.mliap.pkl"])
def test_a_damaged_file_for_lammps_gives_the_same_model_or_an_error(name, tmp_path):
    """Bits of the archive around the model mean nothing, or the archive cannot be read."""
    model = model_with_committee()
    save_unified(model, tmp_path / name)
    expected, errors = model_to_bytes(model), 0
    content = (tmp_path / name).read_bytes()
    for damaged in flips(content, 100):
        try:
            found = loaded(damaged, tmp_path / name)
        except Exception:
            errors += 1
            continue
        assert found.dtype == "float64"
        assert model_to_bytes(found.potential) == expected
    assert errors > 75 * len(expected) / len(content)


def loaded(content: bytes, path: Path) -> UnifiedPotential:
    path.write_bytes(content)
    if path.suffix == ".pt":
        return torch.load(path, weights_only=False)
    return pickle.loads(content)
