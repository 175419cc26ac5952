"""Files of network and attention models and of ensembles: exact on reload, damage told, unknown kinds refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save

from acnn.data.weights import Weights, WeightTable
from acnn.io.model_file import (
    PROBE_TOLERANCE,
    ModelFileError,
    load_model,
    model_to_bytes,
    probe_energy,
    read_header,
    save_model,
)
from acnn.models import Model
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.noise import Noise
from acnn.neighbors import atomic_graph
from acnn.sealed import sealed
from acnn.testing import random_crystal, random_network

SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "network": {"layers": 0},
    "attention": {"layers": 1, "bond_lengths": {"Si": 2.2}},
    "element channels": {"layers": 2, "element_channels": 2, "order": 2, "hidden": (5, 4)},
}


def network(name: str = "attention", seed: int = 0) -> NetworkACE:
    return random_network(["Si", "C"], seed, **SPECIFICATIONS[name])


def rich(model: NetworkACE) -> NetworkACE:
    """With everything that the linear part may have."""
    basis = model.linear.basis
    linear = LinearACE(basis, model.e0.energies, model.linear.coefficients, zbl=True)
    linear.set_committee(linear.coefficients * torch.linspace(0.9, 1.1, 3)[:, None].double())
    linear.noise = Noise(4.0, WeightTable({"default": Weights(30.0, 1.0, 1.0)}))
    other = NetworkACE(model.specification, linear)
    other.set_weights(model.weights())
    return other


def ensemble() -> Ensemble:
    first = network()
    return Ensemble([first, with_output(first, 1.1), first.linear])


def with_output(model: NetworkACE, factor: float) -> NetworkACE:
    other = NetworkACE(model.specification, model.linear)
    other.set_weights({name: value * (factor if "out" in name else 1) for name, value in model.weights().items()})
    return other


MODELS: dict[str, Callable[[], Model]] = {
    **{name: (lambda name=name: network(name)) for name in SPECIFICATIONS},
    "rich linear part": lambda: rich(network()),
    "ensemble": ensemble,
}


def tamper(
    file: Path,
    header: Callable[[dict[str, Any]], Any] = lambda header: None,
    tensors: Callable[[dict[str, torch.Tensor]], Any] = lambda tensors: None,
) -> None:
    """Rewrite a model file after changing its header or tensors in place."""
    with safe_open(file, framework="pt") as opened:
        found_header = json.loads(opened.metadata()["acnn"])
        found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    header(found_header)
    tensors(found)
    file.write_bytes(b"".join(sealed(save, found, "acnn", found_header)))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save_model(network(), tmp_path / "m.acnn", {"acnn_version": "0.0.1"})
    return tmp_path / "m.acnn"


@pytest.mark.parametrize("name", MODELS)
def test_a_reloaded_model_is_the_same_bit_for_bit(name, tmp_path):
    model, path = MODELS[name](), tmp_path / "m.acnn"
    save_model(model, path, {"seed": 1})
    again = load_model(path)
    assert type(again) is type(model)
    assert again.model_type == model.model_type
    assert model_to_bytes(again, {"seed": 1}) == path.read_bytes()
    graph = atomic_graph(random_crystal(["Si", "C"]), model.cutoff)
    before, after = model.pair_gradients(graph), again.pair_gradients(graph)
    assert torch.equal(after.site_energies, before.site_energies)
    assert torch.equal(after.pair_gradients, before.pair_gradients)


def test_the_linear_part_keeps_all_it_has(tmp_path):
    model = rich(network())
    save_model(model, tmp_path / "m.acnn")
    linear = load_model(tmp_path / "m.acnn").linear
    assert linear.zbl is not None
    assert linear.noise == model.linear.noise
    assert torch.equal(linear.committee, model.linear.committee)
    assert torch.equal(linear.coefficients, model.linear.coefficients)


def test_the_header_tells_the_kind(saved):
    header = read_header(saved)
    assert header["model_type"] == "attention"
    assert header["network"]["layers"] == 1
    assert header["specification"]["elements"] == header["network"]["elements"] == ["C", "Si"]
    assert header["provenance"] == {"acnn_version": "0.0.1"}


def test_models_of_other_dtypes_are_stored_in_double_precision():
    model = network().float()
    again = model_to_bytes(model)
    assert b"F64" in again
    assert b"F32" not in again


def test_the_probe_sees_every_weight():
    """A probe that missed one could not tell that its meaning has changed."""
    for name in SPECIFICATIONS:
        model = network(name)
        model.readout.bounds.copy_(torch.tensor([-0.01, 0.4]))  # the probe has energies below
        before, weights = probe_energy(model), {key: value.clone() for key, value in model.weights().items()}
        for key, value in weights.items():
            model.set_weights(weights | {key: 1.01 * value + 0.01})
            assert abs(probe_energy(model) - before) > PROBE_TOLERANCE * max(1.0, abs(before)), (name, key)


def test_changed_weights_are_noticed(saved):
    tamper(saved, tensors=lambda tensors: tensors["readout.out"].mul_(1.1))
    with pytest.raises(ModelFileError, match="the rebuilt model gives"):
        load_model(saved)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda header: header.pop("network"), "its header has no network"),
        (lambda header: header["network"].update(depth=3), "its specification is invalid: depth"),
        (lambda header: header["network"].update(layers=2), "a 'attention' model|weights of another network"),
        (lambda header: header.update(model_type="network"), "describes a model of type 'attention'"),
        (
            lambda header: header.update(model_type="transformer"),
            "a model of type 'transformer'",
        ),
        (lambda header: header.update(model_type="ensemble"), "its header has no members"),
        (lambda header: header["network"].update(elements=["Si"]), "same elements"),
    ],
)
def test_a_damaged_header_is_told_in_one_sentence(saved, change, says):
    tamper(saved, change)
    with pytest.raises(ModelFileError, match=says) as caught:
        load_model(saved)
    assert str(caught.value).startswith(f"{saved}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("readout.out"),
        lambda tensors: tensors.pop("coefficients"),
        lambda tensors: tensors.update({"readout.extra": torch.zeros(2)}),
        lambda tensors: tensors.update({"readout.out": tensors["readout.out"][:, :-1].clone()}),
        lambda tensors: tensors["embedding.first.coefficients"].fill_(float("nan")),
    ],
)
def test_damaged_tensors_are_told(saved, change):
    tamper(saved, tensors=change)
    with pytest.raises(ModelFileError):
        load_model(saved)


def test_a_damaged_ensemble_is_told(tmp_path):
    path = tmp_path / "e.acnn"
    save_model(ensemble(), path)
    tamper(path, lambda header: header["members"].pop())
    with pytest.raises(ModelFileError, match="damaged"):
        load_model(path)
