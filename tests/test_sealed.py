"""The header that acnn writes into a safetensors file, and the checksum in it."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load, save

from acnn import sealed as sealing
from acnn.sealed import SealError, checksum, safetensors_header, sealed, unsealed

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


def content(**arrays: np.ndarray) -> bytes:
    return b"".join(sealed(save, arrays, "acnn", HEADER))


def test_header_and_arrays_come_back_and_equal_ones_give_equal_bytes():
    arrays = {"x": np.arange(5.0), "y": np.array([3], dtype=np.int32)}
    header, found = unsealed(load, content(**arrays), "acnn")
    assert header == HEADER
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)
    assert content(**arrays) == content(**arrays)


@pytest.mark.parametrize("n", [0, 1, 40, 2000])
def test_every_flipped_bit_is_found(n):
    whole = content(x=np.random.default_rng(n).normal(size=n))
    assert unsealed(load, whole, "acnn")
    bits = range(8 * len(whole)) if n < 2000 else np.random.default_rng(0).integers(8 * len(whole), size=1000)
    for k in bits:
        flipped = bytearray(whole)
        flipped[k // 8] ^= 1 << (k % 8)
        with pytest.raises((SealError, KeyError)):  # no such key: its name is changed
            unsealed(load, bytes(flipped), "acnn")


def test_missing_and_additional_bytes_are_found():
    whole = content(x=np.arange(40.0))
    for other in (*(whole[:k] for k in range(0, len(whole), 7)), whole + b"x", b"x" + whole):
        with pytest.raises((SealError, KeyError)):
            unsealed(load, other, "acnn")


def test_many_blocks_hashed_in_parallel_are_all_in_the_checksum(monkeypatch):
    monkeypatch.setattr(sealing, "BLOCK", 64)
    pieces = [memoryview(bytes(1000)), memoryview(b"end")]
    found = {checksum(pieces)}
    for k in range(0, 1000, 50):
        found.add(checksum([memoryview(bytes(k) + b"x" + bytes(999 - k)), pieces[1]]))
    assert len(found) == 21
    by_hand = b"".join(hashlib.sha256(bytes(n)).digest() for n in [64] * 15 + [40]) + hashlib.sha256(b"end").digest()
    assert checksum(pieces) == hashlib.sha256(by_hand).hexdigest()


@pytest.mark.parametrize("header", ["[]", "3", "null", "{", '{"elements": []}', '{"checksum": 3}'])
def test_headers_without_a_checksum_are_refused(header):
    with pytest.raises(SealError):
        unsealed(load, save({"x": np.zeros(3)}, metadata={"acnn": header}), "acnn")
