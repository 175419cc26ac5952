"""Model files ``*.acnn``: safetensors, with a JSON header under the metadata key "acnn" and a checksum. Never a pickle.

The header holds the format version, the kind of model, its specification, E0, a probe and the provenance of the fit;
the tensors hold coefficients, the weights of a network and, where there is one, the committee: `Model.to_parts` of each
type says what. "noise" in the header is what the fit assumed of the labels (an older acnn loads such a file
without them, and refuses kinds it does not know). The basis is rebuilt from its specification; the probe, the energy of
a small fixed cluster, makes sure that what was rebuilt is what was saved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
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
    """A file that cannot be loaded as a model, said in one sentence."""


def save_model(model: Potential, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Write a model; the file appears whole or not at all.

    Args:
        provenance: how the model was made; anything JSON can hold.
    """
    write_atomically(Path(path), model_to_bytes(model, provenance))


def load_model(path: str | os.PathLike[str]) -> Model:
    """The model of a file, on the CPU in float64."""
    return model_from_bytes(_content(Path(path)), str(path))


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON header of a model file: specification, E0 and provenance."""
    return _parse(_content(Path(path)), str(path))[0]


def require_own_model(path: Path, model_types: Sequence[str], overwrite: bool) -> None:
    """A command run again replaces the model it made, and nothing else that has the name of its output.

    Raises:
        FileExistsError: it is no model of these types, and nobody said that it may be replaced.
    """
    if overwrite or not path.is_file():
        return
    try:
        found = read_header(path)["model_type"]
    except ModelFileError:
        found = None
    if found not in model_types:
        what = "no model of acnn" if found is None else f"a model of the type {found}"
        raise FileExistsError(
            f"{path} is there already, and is {what}, not {' or '.join(model_types)}: choose another name, or "
            "--overwrite"
        )


def model_to_bytes(model: Potential, provenance: Mapping[str, Any] | None = None) -> bytes:
    """The content of a model file."""
    if not isinstance(model, Model):
        raise TypeError(f"a {type(model).__name__} has no model file format")
    own, tensors = stored_parts(model)
    header = {
        "format_version": FORMAT_VERSION,
        **own,
        "probe_energy": probe_energy(model if is_stored_like(model) else model_of(own, tensors)),
        "provenance": dict(provenance or {}),
    }
    return b"".join(sealed(save, tensors, "acnn", header))


def model_from_bytes(content: bytes, name: str) -> Model:
    """The model in the content of a model file; ``name`` is for error messages."""
    header, tensors = _parse(content, name)
    try:
        model = model_of(header, tensors)
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors())
        raise ModelFileError(f"{name}: damaged, its specification cannot be used: {reasons}") from error
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ModelFileError(f"{name}: damaged, its header and tensors do not make a model: {reason}") from error
    found, saved = probe_energy(model), header["probe_energy"]
    if not abs(found - saved) <= PROBE_TOLERANCE * max(1.0, abs(saved)):
        raise ModelFileError(
            f"{name}: the rebuilt model gives {found} eV where {saved} eV was saved: this version of acnn "
            f"does not build the model that version {header['provenance'].get('acnn_version', '?')} did"
        )
    return model


def probe_energy(model: Model) -> float:
    """Energy (eV, without E0) of eight atoms of all elements in turn, at fixed places inside the cutoff."""
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
    """Header and tensors."""
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
            f"{name}: written in format {version}, this acnn reads format {FORMAT_VERSION}: a newer acnn wrote it, "
            "upgrade acnn"
        )
    model_type = str(header.get("model_type"))
    if "model_type" in header and model_type not in MODEL_TYPES:
        known = ", ".join(map(repr, MODEL_TYPES))
        raise ModelFileError(f"{name}: holds a {model_type!r} model, this version of acnn reads {known} ones")
    needed = MODEL_TYPES[model_type].header_keys if model_type in MODEL_TYPES else ()
    missing = [key for key in ("model_type", *needed, "probe_energy", "provenance") if key not in header]
    if missing:
        raise ModelFileError(f"{name}: the header has no {', '.join(missing)}: the file is damaged")
