"""Files given where another kind was meant: the sentence says what they are."""

from __future__ import annotations

import pickle
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from safetensors.numpy import save

from acnn.data.frames import DatasetError, read_frames
from acnn.fit.checkpoint import Factor
from acnn.io.model_file import ModelFileError, load_model, save_model
from acnn.io.yace import save_yace
from acnn.recognition import recognized
from acnn.solvers import StreamingQR
from acnn.testing import random_model


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """One file of every kind, by what it is."""
    model = random_model(("Cu",), cutoff=4.0)
    paths = {
        "a model of acnn": tmp_path / "m.acnn",
        "a checkpoint of acnn fit": tmp_path / "m.factor",
        "a file of torch.save or another archive, such as an exported .mliap.pt": tmp_path / "m.pt",
        "a pickle": tmp_path / "m.bin",
        "a .yace potential": tmp_path / "m.yace",
        "structures, extended XYZ": tmp_path / "m.xyz",
        "an empty file": tmp_path / "m.empty",
    }
    save_model(model, paths["a model of acnn"])
    Factor.of(StreamingQR(3), [], {}).write(paths["a checkpoint of acnn fit"])
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pt")
    (tmp_path / "m.bin").write_bytes(pickle.dumps([1, 2]))
    save_yace(model, tmp_path / "m.yace")
    ase.io.write(tmp_path / "m.xyz", bulk("Cu"))
    (tmp_path / "m.empty").touch()
    return paths


def test_every_kind_is_told_from_the_others(files: dict[str, Path]) -> None:
    assert {name: recognized(path.read_bytes()) for name, path in files.items()} == {name: name for name in files}
    for other in (b"word", b"\0" * 100, save({"x": np.zeros(3)}), b"\xff" * 20):
        assert recognized(other) is None


def test_a_model_is_asked_for_by_what_was_given(files: dict[str, Path]) -> None:
    for name, path in files.items():
        if name != "a model of acnn":
            with pytest.raises(ModelFileError, match=rf"not an acnn model but {name}: give MODEL.acnn"):
                load_model(path)


def test_a_model_is_no_data(files: dict[str, Path]) -> None:
    for name in ("a model of acnn", "a file of torch.save or another archive, such as an exported .mliap.pt"):
        with pytest.raises(DatasetError, match=rf"{files[name]} is {name}, not structures"):
            read_frames(files[name])
