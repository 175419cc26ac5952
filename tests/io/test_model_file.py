"""Model files: exact on reload, whole or absent, and every broken one told in a sentence."""

from __future__ import annotations

import json
import os
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from safetensors import safe_open
from safetensors.torch import save

from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.files import write_atomically
from acnn.io import model_file
from acnn.io.model_file import ModelFileError, load_model, probe_energy, read_header, save_model
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.sealed import sealed

SPECIFICATIONS = {
    "one element": BasisSpecification(elements=("Si",), order=3, degree=7),
    "two elements": BasisSpecification(
        elements=("Al", "Ti"),
        order=2,
        degree=(6, 5),
        pair_cutoff=6.0,
        bond_lengths={"Al-Ti": 2.7},
        overrides={"Ti": ElementOverride(order=1, degree=(4,))},
    ),
    "self-interacting": BasisSpecification(elements=("Si",), order=2, degree=6, formulation="self_interacting"),
}


def model_of(name: str = "one element", zbl: bool = False) -> LinearACE:
    specification = SPECIFICATIONS[name]
    e0 = {"Si": -0.1, "Al": -1.0 / 3.0, "Ti": 2.0 / 7.0}
    n = LinearACE(specification, e0).basis.n_functions
    return LinearACE(specification, e0, torch.as_tensor(np.random.default_rng(0).normal(size=n)), zbl)


def crystal(model: LinearACE) -> ase.Atoms:
    atoms = bulk("Si", cubic=True)
    atoms.symbols[:] = np.resize(model.elements, len(atoms)).tolist()
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.acnn"


@pytest.fixture
def saved(path: Path) -> Path:
    save_model(model_of(), path, {"acnn_version": "0.0.1", "notes": ["α", 1.5, None]})
    return path


def parts(file: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    with safe_open(file, framework="pt") as opened:
        return json.loads(opened.metadata()["acnn"]), {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def tamper(
    file: Path,
    header: Callable[[dict[str, Any]], Any] = lambda header: None,
    tensors: Callable[[dict[str, torch.Tensor]], Any] = lambda tensors: None,
) -> None:
    """Rewrite a model file after changing its header or tensors in place."""
    found_header, found_tensors = parts(file)
    header(found_header)
    tensors(found_tensors)
    file.write_bytes(b"".join(sealed(save, found_tensors, "acnn", found_header)))


def assert_refused(file: Path, says: str | None = None) -> None:
    """One sentence that starts with the file."""
    with pytest.raises(ModelFileError, match=says) as caught:
        load_model(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    assert len(message) < len(str(file)) + 300


# --- reload -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zbl", [False, True])
@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_a_reloaded_model_is_the_same_bit_for_bit(path, name, zbl):
    model = model_of(name, zbl)
    save_model(model, path)
    again = load_model(path)
    assert again.basis.specification == model.basis.specification
    assert again.coefficients.dtype == torch.float64
    assert torch.equal(again.coefficients, model.coefficients)
    assert again.e0.energies == model.e0.energies
    assert (again.zbl is None) == (not zbl)
    graph = atomic_graph(crystal(model), model.cutoff)
    before, after = model.pair_gradients(graph), again.pair_gradients(graph)
    assert torch.equal(after.site_energies, before.site_energies)
    assert torch.equal(after.pair_gradients, before.pair_gradients)


def test_saving_a_reloaded_model_writes_the_same_bytes(saved, tmp_path):
    other = tmp_path / "again.acnn"
    save_model(load_model(saved), other, read_header(saved)["provenance"])
    assert other.read_bytes() == saved.read_bytes()


def test_the_header_keeps_the_provenance(saved):
    header = read_header(saved)
    assert header["provenance"] == {"acnn_version": "0.0.1", "notes": ["α", 1.5, None]}
    assert header["specification"]["elements"] == ["Si"]
    assert header["reference_energies"] == {"Si": -0.1}


def test_paths_may_be_strings(path):
    save_model(model_of(), str(path))
    assert torch.equal(load_model(str(path)).coefficients, model_of().coefficients)


def test_the_probe_sees_every_kind_of_coefficient():
    """A probe that missed a function could not tell that its meaning has changed."""
    for name in ("one element", "two elements"):
        model = model_of(name)
        before = probe_energy(model)
        functions = model.basis.specification.functions()
        for kind in {function.kind for function in functions}:
            columns = [k for k, function in enumerate(functions) if function.kind == kind]
            changed = model_of(name)
            changed.coefficients[columns] *= 1.01
            assert abs(probe_energy(changed) - before) > 1e-6 * abs(before), (name, kind)


def test_nothing_in_the_file_is_a_pickle(saved, monkeypatch):
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert set(header) == {"__metadata__", "coefficients"}
    assert content[8 + length :] == model_of().coefficients.numpy().tobytes()

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("a model file must not be unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    load_model(saved)


# --- broken files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.6, 0.9, 1.0])
def test_a_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(share * (len(content) - 1))])
    assert_refused(
        saved, "not an acnn model but an empty file" if share == 0 else "not an acnn model, or a damaged one"
    )


@pytest.mark.parametrize("length", [1, 7, 8, 9])
def test_a_file_cut_at_the_length_of_its_header_is_refused(saved, length):
    saved.write_bytes(saved.read_bytes()[:length])
    assert_refused(saved, "not an acnn model, or a damaged one")


def test_extra_bytes_are_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"x")
    assert_refused(saved)


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_a_foreign_safetensors_file_is_refused(path, metadata):
    path.write_bytes(save({"weight": torch.zeros(3)}, metadata=metadata))
    assert_refused(path, "not an acnn model but another safetensors file")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"cutoff: 5.5\n", id="text"),
        pytest.param(b"\x80\x04K\x01.", id="pickle"),
        pytest.param(b"PK\x03\x04" + bytes(100), id="zip"),
        pytest.param(bytes(64), id="zeros"),
        pytest.param(b"\xff" * 64, id="ones"),
    ],
)
def test_any_other_file_is_refused(path, content):
    path.write_bytes(content)
    assert_refused(path, "not an acnn model")


@pytest.mark.parametrize("text", ["", "{", "nonsense"])
def test_a_header_that_is_not_json_is_refused(path, text):
    path.write_bytes(save({"coefficients": torch.zeros(3)}, metadata={"acnn": text}))
    assert_refused(path)


@pytest.mark.parametrize("text", ["[]", "3", "null", '"linear"'])
def test_a_header_that_is_not_a_mapping_is_refused(path, text):
    path.write_bytes(save({"coefficients": torch.zeros(3)}, metadata={"acnn": text}))
    assert_refused(path)


def test_a_newer_format_asks_for_an_upgrade(saved):
    tamper(saved, lambda header: header.update(format_version=model_file.FORMAT_VERSION + 1))
    assert_refused(saved, "newer acnn.*upgrade acnn")
    with pytest.raises(ModelFileError, match="upgrade acnn"):
        read_header(saved)


def test_another_kind_of_model_is_refused(saved):
    tamper(saved, lambda header: header.update(model_type="network"))
    assert_refused(saved, "network")


@pytest.mark.parametrize("change", [1e-5, -3.0])
def test_a_changed_probe_is_refused(saved, change):
    tamper(saved, lambda header: header.update(probe_energy=header["probe_energy"] + change))
    assert_refused(saved, "the rebuilt model gives .* eV instead of the saved .* eV.*version 0.0.1")


def test_changed_coefficients_are_noticed(saved):
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["coefficients"][0] += 0.1

    tamper(saved, tensors=change)
    assert_refused(saved, "the rebuilt model gives")


def test_coefficients_that_are_not_finite_are_refused(saved):
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors["coefficients"][0] = float("nan")

    tamper(saved, tensors=spoil)
    assert_refused(saved)


def test_a_changed_specification_is_noticed(saved):
    tamper(saved, lambda header: header["specification"].update(cutoff=5.4))
    assert_refused(saved, "the rebuilt model gives")


@pytest.mark.parametrize("key", ["model_type", "specification", "reference_energies", "zbl", "probe_energy"])
def test_a_header_without_one_of_its_entries_is_refused(saved, key):
    tamper(saved, lambda header: header.pop(key))
    assert_refused(saved)


def test_a_specification_of_unknown_settings_is_refused(saved):
    tamper(saved, lambda header: header["specification"].update(smoothness=3))
    assert_refused(saved)


def test_missing_coefficients_are_refused(saved):
    tamper(saved, tensors=lambda tensors: tensors.update(other=tensors.pop("coefficients")))
    assert_refused(saved)


def test_a_wrong_number_of_coefficients_is_refused(saved):
    tamper(saved, tensors=lambda tensors: tensors.update(coefficients=tensors["coefficients"][:-1].clone()))
    assert_refused(saved)


def test_a_missing_file_is_named(tmp_path):
    assert_refused(tmp_path / "absent.acnn", "there is no such model file")
    assert_refused(tmp_path, "a folder, not a model file")


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["fsync", "chmod", "replace"])
def test_a_failure_while_writing_leaves_the_old_file(saved, step, monkeypatch):
    before = saved.read_bytes()

    def fail(*arguments: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="the disk is full"):
        save_model(model_of("two elements"), saved)
    monkeypatch.undo()
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_an_interruption_leaves_nothing_behind(path, monkeypatch):
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"content")
    assert list(path.parent.iterdir()) == []


def test_the_new_file_replaces_the_old_one(saved):
    save_model(model_of("two elements"), saved)
    assert load_model(saved).elements == ("Al", "Ti")
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(path, b"content")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"content"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"the folder .*absent does not exist"):
        save_model(model_of(), tmp_path / "absent" / "model.acnn")


def test_what_json_cannot_hold_is_refused_before_anything_is_written(path):
    with pytest.raises(ValueError, match="JSON"):
        save_model(model_of(), path, {"energy_rmse": float("nan")})
    model = model_of()
    model.coefficients[0] = float("nan")
    with pytest.raises(ValueError, match="JSON"):
        save_model(model, path)
    assert list(path.parent.iterdir()) == []
