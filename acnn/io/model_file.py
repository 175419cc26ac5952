"""Model files ``*.acnn``: safetensors, with a JSON header under the metadata key "acnn" and a checksum. Never a pickle.

The header holds the format version, the model type, the specification, E0, a probe and the provenance of the fit; the
tensors hold coefficients, network weights and the committee, if there is one: see `Model.to_parts` of each type.
"noise" in the header is the noise that the fit assumed in the labels. The basis is rebuilt from its specification; the
probe, the energy of a small fixed cluster, verifies that the rebuilt model is the one that was saved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from pydantic import ValidationError
from safetensors.torch import load, save

from acnn.files import write_atomically
from acnn.models import MODEL_TYPES, Model
from acnn.models.model import is_stored_like, model_of, stored_parts
from acnn.neighbors import graph_from_pairs
from acnn.potential import Potential
from acnn.recognition import MODEL, recognized
from acnn.sealed import SealError, sealed, unsealed

FORMAT_VERSION = 1
PROBE_TOLERANCE = 1e-8


class ModelFileError(ValueError):
    """A file that cannot be loaded as a model; the message is one sentence."""


def save_model(model: Potential, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Write a model; the file is written completely or not at all.

    Args:
        provenance: how the model was made; anything JSON can hold.
    """
    write_atomically(Path(path), model_to_bytes(model, provenance))


def load_model(path: str | os.PathLike[str]) -> Model:
    """Load a model on the CPU in float64."""
    return model_from_bytes(_content(Path(path)), str(path))


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the JSON header of a model file: specification, E0 and provenance."""
    return _parse(_content(Path(path)), str(path))[0]


def model_to_bytes(model: Potential, provenance: Mapping[str, Any] | None = None) -> bytes:
    """Return the content of a model file."""
    if not isinstance(model, Model):
        raise TypeError(f"a {type(model).__name__} cannot be saved as a model file")
    own, tensors = stored_parts(model)
    header = {
        "format_version": FORMAT_VERSION,
        **own,
        "probe_energy": probe_energy(model if is_stored_like(model) else model_of(own, tensors)),
        "provenance": dict(provenance or {}),
    }
    return b"".join(sealed(save, tensors, "acnn", header))


def model_from_bytes(content: bytes, name: str) -> Model:
    """Make the model from the content of a model file; ``name`` is for error messages."""
    header, tensors = _parse(content, name)
    try:
        model = model_of(header, tensors)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors())
        raise ModelFileError(f"{name}: damaged, its specification is invalid: {reasons}") from error
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{name}: damaged, its header and tensors do not form a model: {reason}") from error
    found, saved = probe_energy(model), header["probe_energy"]
    if not abs(found - saved) <= PROBE_TOLERANCE * max(1.0, abs(saved)):
        raise ModelFileError(
            f"{name}: the rebuilt model gives {found} eV instead of the saved {saved} eV: this version of acnn cannot "
            f"reproduce models of version {header['provenance'].get('acnn_version', '?')}"
        )
    return model


def probe_energy(model: Model) -> float:
    """Return the energy (eV, without E0) of eight atoms of all elements in turn, at fixed places within the cutoff."""
    numbers = np.array([atomic_numbers[model.elements[i % len(model.elements)]] for i in range(8)])
    directions = np.sin(np.outer(np.arange(1, 9), [1.0, 2.3, 3.7]))
    points = 0.35 * model.cutoff * directions
    i, j = np.nonzero(~np.eye(8, dtype=bool))
    graph = graph_from_pairs(numbers, i, j, points[j] - points[i]).within(model.cutoff)
    with torch.no_grad():
        energies = model.site_energies(graph) - model.e0(graph)
    return float(energies.sum())


def _content(path: Path) -> bytes:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "a pipe or a device"
        raise ModelFileError(f"{path}: {f'{found}, not a' if path.exists() else 'there is no such'} model file")
    return path.read_bytes()


def _parse(content: bytes, name: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return header and tensors."""
    try:
        header, tensors = unsealed(load, content, "acnn")
    except (KeyError, SealError) as error:
        found = recognized(content) or ("another safetensors file" if isinstance(error, KeyError) else None)
        if found in (None, MODEL):
            raise ModelFileError(f"{name}: not an acnn model, or a damaged one: {error}") from error
        raise ModelFileError(f"{name}: not an acnn model but {found}: give MODEL.acnn") from error
    _require_sound_header(name, header)
    return header, tensors


def _require_sound_header(name: str, header: Mapping[str, Any]) -> None:
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        raise ModelFileError(
            f"{name}: written in format {version} by a newer acnn, but this one reads format {FORMAT_VERSION}: upgrade "
            "acnn"
        )
    model_type = str(header.get("model_type"))
    if "model_type" in header and model_type not in MODEL_TYPES:
        known = ", ".join(map(repr, MODEL_TYPES))
        raise ModelFileError(f"{name}: a model of type {model_type!r}, but this version of acnn reads {known}")
    needed = MODEL_TYPES[model_type].header_keys if model_type in MODEL_TYPES else ()
    missing = [key for key in ("model_type", *needed, "probe_energy", "provenance") if key not in header]
    if missing:
        raise ModelFileError(f"{name}: damaged, its header has no {', '.join(missing)}")
