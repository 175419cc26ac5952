"""The part of a safetensors header that acnn wrote."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import save

from acnn.safetensors_header import safetensors_header

HEADER = {"elements": ["Si"], "cutoff": 5.5, "name": "Å"}
CONTENT = save({"x": np.zeros(3)}, metadata={"acnn": json.dumps(HEADER), "other": "{}"})


def test_it_is_what_was_written():
    assert safetensors_header(CONTENT, "acnn") == HEADER


@pytest.mark.parametrize("content", [CONTENT.replace(b"acnn", b"ACNN"), save({"x": np.zeros(3)})], ids=["name", "none"])
def test_a_missing_key_is_an_error(content):
    with pytest.raises(KeyError):
        safetensors_header(content, "acnn")


@pytest.mark.parametrize(
    "content",
    [b"", CONTENT[:8], CONTENT[:40], b"\x08" + 7 * b"\0" + 8 * b"\xff"],
    ids=["empty", "length", "truncated", "foreign"],
)
def test_other_files_are_an_error(content):
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        safetensors_header(content, "acnn")
