"""What a model file says of each kind of model: entries of the header, and tensors; and the model made of them again.

linear: "specification", "reference_energies", "zbl", perhaps "noise"; tensors "coefficients", perhaps "committee".

network, attention: the same of the linear part; "network", its specification; tensors by their names in the module,
"embedding.…" and "fitting.…", standardization and scale among them.

ensemble: "members", what each of them says; their tensors with "0.", "1.", … before the name. The entries of the first
once more, without which an older acnn would not come to name the kind that it cannot read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from acnn.basis.specification import BasisSpecification
from acnn.data.weights import WeightTable
from acnn.models.ensemble import Ensemble
from acnn.models.levels import Model
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.models.noise import Noise
from acnn.models.readout import unbounded

LINEAR_KEYS = ("specification", "reference_energies", "zbl")
KEYS = {
    "linear": LINEAR_KEYS,
    "network": (*LINEAR_KEYS, "network"),
    "attention": (*LINEAR_KEYS, "network"),
    "ensemble": (*LINEAR_KEYS, "members"),
}
"""What the header of each kind must have."""
OF_OLDER_NETWORKS = {"products": False, "smoothness": 0.0}
"""What the specification of a network was before it named these."""

Header = dict[str, Any]
Tensors = dict[str, Tensor]


def describe(model: Model) -> tuple[Header, Tensors]:
    """Entries of the header and tensors of a model, which is on the CPU in float64."""
    if isinstance(model, LinearACE):
        return _describe_linear(model)
    if isinstance(model, Ensemble):
        return _describe_ensemble(model)
    header, tensors = _describe_linear(model.linear)
    header["network"] = model.specification.model_dump(mode="json")
    return header, tensors | {name: value.contiguous() for name, value in model.weights().items()}


def build(kind: str, header: Mapping[str, Any], tensors: Tensors) -> Model:
    """The model of a header and tensors.

    Raises:
        KeyError, TypeError, ValueError: they do not make a model.
    """
    if kind == "ensemble":
        return _build_ensemble(header["members"], tensors)
    linear = _build_linear(header, tensors)
    if kind == "linear":
        return linear
    specification = {**OF_OLDER_NETWORKS, **header["network"]}
    model = NetworkACE(NetworkSpecification.model_validate(specification), linear)
    if model.level != kind:
        raise ValueError(f"a {kind!r} model with {model.specification.layers} attention layers")
    bounds = {"fitting.bounds": unbounded(len(linear.elements))}  # older files have none
    model.set_weights(bounds | {name: value for name, value in tensors.items() if "." in name})
    return model


def plain(model: Model) -> Model:
    """The model on the CPU in float64, as `build` makes it; the model itself if it is so."""
    if all(
        t.device.type == "cpu" and t.dtype in (torch.float64, torch.int64)
        for t in [*model.parameters(), *model.buffers()]
    ):
        return model
    if isinstance(model, LinearACE):
        return _plain_linear(model)
    if isinstance(model, Ensemble):
        return Ensemble([plain(member) for member in model.models])  # type: ignore[misc]
    other = NetworkACE(model.specification, _plain_linear(model.linear))
    other.set_weights(model.weights())
    return other


def _describe_linear(model: LinearACE) -> tuple[Header, Tensors]:
    header = {
        "specification": model.basis.specification.model_dump(mode="json"),
        "reference_energies": model.e0.energies,
        "zbl": model.zbl is not None,
    }
    if model.noise is not None:
        header["noise"] = _noise_header(model.noise)
    tensors = {"coefficients": model.coefficients.detach().contiguous()}
    if model.committee is not None:
        tensors["committee"] = model.committee.contiguous()
    return header, tensors


def _build_linear(header: Mapping[str, Any], tensors: Tensors) -> LinearACE:
    specification = BasisSpecification.model_validate(header["specification"])
    parts = (tensors["coefficients"], header["zbl"], tensors.get("committee"))
    model = LinearACE(specification, header["reference_energies"], *parts)
    model.noise = _noise(header["noise"]) if "noise" in header else None
    return model


def _describe_ensemble(model: Ensemble) -> tuple[Header, Tensors]:
    described = [describe(member) for member in model.models]
    members = [{"kind": one.level, **header} for one, (header, _) in zip(model.models, described, strict=True)]
    tensors = {
        f"{k}.{name}": value.clone() for k, (_, of_one) in enumerate(described) for name, value in of_one.items()
    }
    return {**described[0][0], "members": members}, tensors


def _build_ensemble(members: Sequence[Header], tensors: Tensors) -> Ensemble:
    parts: list[Tensors] = [{} for _ in members]
    for name, value in tensors.items():
        k, of_member = name.split(".", 1)
        if int(k) >= len(members):
            raise ValueError(f"a tensor {name} and {len(members)} members")
        parts[int(k)][of_member] = value
    return Ensemble([build(one["kind"], one, part) for one, part in zip(members, parts, strict=True)])  # type: ignore[misc]


def _plain_linear(model: LinearACE) -> LinearACE:
    coefficients = model.coefficients.detach().cpu().double()
    committee = None if model.committee is None else model.committee.cpu().double()
    other = LinearACE(model.basis.specification, model.e0.energies, coefficients, model.zbl is not None, committee)
    other.noise = model.noise
    return other


def _noise_header(noise: Noise) -> Header:
    weights = {name: {"E": w.energy, "F": w.forces, "V": w.virial} for name, w in noise.weights.items()}
    return {"precision": noise.precision, "weights": weights}


def _noise(header: Mapping[str, Any]) -> Noise:
    return Noise(float(header["precision"]), WeightTable.from_mapping(header["weights"]))
