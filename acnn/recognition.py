"""The kind of a file, recognized by its beginning, for the error message when the wrong one is given."""

from __future__ import annotations

import re

from acnn.sealed import safetensors_header

MODEL = "a model of acnn"
OURS = {"acnn": MODEL, "acnn_training": "a checkpoint of acnn train", "acnn_factor": "a checkpoint of acnn fit"}
"""Names of acnn's files by the key of their JSON."""
BEGINNINGS = (
    (rb"\Z", "an empty file"),
    (rb"PK\x03\x04", "a file of torch.save or another archive, such as an exported .mliap.pt"),
    (rb"\x80[\x02-\x05]", "a pickle"),
    (rb"(\s*#.*\n)*\s*elements:", "a .yace potential"),
    (rb"\s*[1-9]\d*\s*\n", "structures, extended XYZ"),
)
"""Regular expressions that match the beginning of a file, and what the file is."""


def recognized(content: bytes) -> str | None:
    """Return a noun with its article, or None if the kind is not recognized."""
    for key, name in OURS.items():
        if _has_key(content, key):
            return name
    return next((name for begins, name in BEGINNINGS if re.match(begins, content)), None)


def _has_key(content: bytes, key: str) -> bool:
    try:
        return bool(safetensors_header(content, key))
    except (KeyError, ValueError, TypeError, RecursionError):
        return False
