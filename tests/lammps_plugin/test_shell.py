"""The plugin reads a model without executing its file, and says what a file is that it refuses."""

from __future__ import annotations

import io
import operator
import os
import pickle
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from acnn.io.model_file import ModelFileError, save_model
from acnn.io.yace import save_yace
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from lammps_plugin import loading
from lammps_plugin.mliap import SHELL_VERSION, UnifiedPotential, rebuild
from lammps_plugin.shell import Call, read_unified, save_unified

EXPORT = r"'acnn export MODEL\.acnn --to mliap' writes the file that LAMMPS reads"


@pytest.fixture(scope="module")
def model() -> LinearACE:
    return random_model(["Si"], order=2, degree=4.0, cutoff=3.0)


def same(potential: object, model: LinearACE) -> bool:
    return isinstance(potential, LinearACE) and torch.equal(potential.coefficients, model.coefficients)


@pytest.mark.parametrize("name", ["m.mliap.pt", "m.pth", "m.pkl", "m"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_written_is_read(model, tmp_path, name, dtype, monkeypatch):
    """Also where torch is told to unpickle nothing: it is not asked."""
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    monkeypatch.setattr(torch, "load", None)
    save_unified(model, tmp_path / name, dtype)
    unified = loading.load(os.fsencode(tmp_path / name))
    assert isinstance(unified, UnifiedPotential)
    assert unified.dtype == dtype
    assert same(unified.potential, model)


# --- attacks ----------------------------------------------------------------------------------------------------------


def harm(folder: Path) -> Call:
    return Call(os.mkdir, str(folder / "harm"))


def shells(model: LinearACE, folder: Path) -> dict[str, object]:
    """Pickles that would make a folder when they are loaded."""
    save_unified(model, folder / "m.pkl")
    arguments = pickle.loads((folder / "m.pkl").read_bytes()).__reduce__()[1]
    good = Call(rebuild, *arguments)
    return {
        "alone": harm(folder),
        "in the place of acnn": Call(operator.getitem, (harm(folder), good), 1),
        "in the place of the model": Call(operator.getitem, (None, Call(rebuild, harm(folder), {}, 1)), 1),
        "in the options": Call(operator.getitem, (None, Call(rebuild, b"", {"dtype": harm(folder)}, SHELL_VERSION)), 1),
        "beside": Call(operator.getitem, (None, good, harm(folder)), 1),
        "by name": os.mkdir,
        "by state": SimpleNamespace(dtype=harm(folder)),
    }


@pytest.mark.parametrize("name", ["evil.pt", "evil.pkl"])
def test_nothing_in_a_file_is_executed(model, tmp_path, name):
    for kind, shell in shells(model, tmp_path).items():
        if name.endswith(".pt"):
            torch.save(shell, tmp_path / name)
        else:
            (tmp_path / name).write_bytes(pickle.dumps(shell, protocol=4))
        with pytest.raises(ModelFileError, match=rf"{name} was not written by acnn: {EXPORT}.*ACNN_LAMMPS_UNPICKLE=1"):
            loading.load(os.fsencode(tmp_path / name))
        assert not (tmp_path / "harm").exists(), kind


def test_the_attack_is_one(tmp_path, monkeypatch):
    """With permission, and in LAMMPS' own coupling, it succeeds."""
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(harm(tmp_path), protocol=4))
    monkeypatch.setenv("ACNN_LAMMPS_UNPICKLE", "1")
    loading.load(os.fsencode(tmp_path / "evil.pkl"))
    assert (tmp_path / "harm").is_dir()


def test_memory_is_not_taken_on_demand_of_a_file(tmp_path):
    """A memo of 2^31 entries, and a compressed record of zeros."""
    (tmp_path / "memo.pkl").write_bytes(b"\x80\x04]r\xff\xff\xff\x7f.")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**7))
    for name in ("memo.pkl", "bomb.pt"):
        with pytest.raises(ModelFileError):
            read_unified(tmp_path / name)


# --- sentences --------------------------------------------------------------------------------------------------------


def test_other_files_are_named(model, tmp_path):
    save_model(model, tmp_path / "my model.acnn")
    save_yace(model, tmp_path / "m.yace")
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("units metal\n")
    np.save(tmp_path / "array.npy", np.arange(5))
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.pt")
    (tmp_path / "folder.pt").mkdir()
    sentences = {
        "my model.acnn": rf"is a model file of acnn: 'acnn export '{tmp_path}/my model\.acnn' --to mliap' writes",
        "m.yace": f"is for pair_style pace; for pair_style mliap unified, {EXPORT}",
        "empty.pt": f"is empty: {EXPORT}",
        "text.pt": "was not written by acnn",
        "array.npy": "was not written by acnn",
        "weights.pt": "was not written by acnn",
        "folder.pt": "is a folder",
    }
    for name, sentence in sentences.items():
        with pytest.raises(ModelFileError, match=f"{name} {sentence}"):
            read_unified(tmp_path / name)


@pytest.mark.parametrize("name", ["m.pt", "m.pkl"])
def test_truncated_and_damaged_files_say_so(model, tmp_path, name):
    path = tmp_path / name
    save_unified(model, path)
    content = path.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ModelFileError, match=f"{name} is truncated or damaged: {EXPORT}"):
            read_unified(path)
    damaged = bytearray(content)
    damaged[content.index(b"checksum") + 200] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(ModelFileError, match=name):
        read_unified(path)


# --- names ------------------------------------------------------------------------------------------------------------


def as_lammps_hands_it_over(path: Path) -> bytes:
    return bytes(byte for byte in os.fsencode(path) if byte < 0xC0)


def test_a_name_that_has_lost_bytes_is_found(tmp_path, monkeypatch):
    names = ["größe.pt", "氷 + 雪.pt", "a"]
    for name in names:
        (tmp_path / "Ü 1" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "Ü 1" / name).touch()
    monkeypatch.chdir(tmp_path)
    for name in names:
        for path in (tmp_path / "Ü 1" / name, Path("Ü 1") / name):
            assert loading.named_file(as_lammps_hands_it_over(path)) == path
            assert loading.named_file(os.fsencode(path)) == path


def test_names_that_cannot_be_found_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=rf"no file nowhere/m\.pt relative to {tmp_path}$"):
        loading.named_file(b"nowhere/m.pt")
    with pytest.raises(FileNotFoundError, match="no ~ for the home folder"):
        loading.named_file(b"~/m.pt")
    for name in ("ü.pt", "Ƽ.pt"):  # of one last byte
        Path(name).touch()
    with pytest.raises(ValueError, match=r"may be any of ü\.pt, Ƽ\.pt"):
        loading.named_file(as_lammps_hands_it_over(Path("ü.pt")))


def test_the_bytes_of_a_pickle_are_not_text(model, tmp_path):
    """Protocol 2, which torch takes by itself, has no bytes and needs half as much again."""
    save_model(model, tmp_path / "m.acnn")
    save_unified(model, tmp_path / "m.pt")
    save_unified(model, tmp_path / "m.pkl")
    size = (tmp_path / "m.acnn").stat().st_size
    buffer = io.BytesIO()
    torch.save(b"", buffer)
    assert (tmp_path / "m.pkl").stat().st_size < size + 500
    assert (tmp_path / "m.pt").stat().st_size < size + len(buffer.getvalue()) + 1000
