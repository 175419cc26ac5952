"""Safetensors files of acnn: JSON under its own metadata key, and a checksum of header and data.

A flipped bit anywhere in the file, whether in a tensor or in the header, is detected when the file is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError

T = TypeVar("T")

BLOCK = 1 << 24
"""Bytes that are hashed at once; blocks of large files are hashed in parallel."""
BEGINNING = rb"{\"checksum\": \""
"""Beginning of acnn's JSON, which is a string in that of safetensors."""
EMPTY = "0" * 64


class SealError(ValueError):
    """Content that is not what was written; the message gives the reason."""


class VersionError(SealError):
    """Content in another version of its format."""


def sealed(
    save: Callable[..., bytes], tensors: Mapping[str, Any], key: str, header: Mapping[str, Any]
) -> list[memoryview]:
    """Return the content of a file, in pieces to write one after the other.

    Args:
        save: the function of ``safetensors.numpy`` or ``safetensors.torch``.
    """
    own = json.dumps({"checksum": EMPTY, **header}, allow_nan=False)
    content = memoryview(save(tensors, metadata={key: own}))
    before, after = _around_checksum(content)
    return [before, memoryview(checksum([before, after]).encode()), after]


def unsealed(load: Callable[[bytes], T], content: bytes, key: str) -> tuple[dict[str, Any], T]:
    """Return header and tensors.

    Raises:
        KeyError: it is a safetensors file without this key.
        SealError: it is another file, or has been changed.
    """
    try:
        header, tensors = safetensors_header(content, key), load(content)
    except (SafetensorError, json.JSONDecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        sentence = "it is empty, truncated, or a file of another kind: use another copy, or make it again"
        raise SealError(sentence) from error
    if not isinstance(header, dict):
        raise SealError(f"its header is a {type(header).__name__}, not a mapping")
    if header.pop("checksum", None) != checksum(_around_checksum(memoryview(content))):
        raise SealError("its checksum is wrong, so it has been changed; use another copy, or make it again")
    return header, tensors


@contextmanager
def reading_checkpoint(path: Path, command: str, error: type[Exception]) -> Iterator[None]:
    """Raise ``error``, with one sentence about the file, where it is not a sound checkpoint of the command."""
    try:
        yield
    except (KeyError, TypeError) as cause:
        raise error(f"{path}: not a checkpoint of {command}") from cause
    except VersionError as cause:
        raise error(f"{path}: {cause}") from cause
    except SealError as cause:
        raise error(f"{path}: not a checkpoint of {command}, or a damaged one: {cause}") from cause


def require_version(header: dict[str, Any], version: int) -> None:
    """Remove the version of the format from the header of a checkpoint.

    Raises:
        KeyError: there is none.
        VersionError: it is another one.
    """
    found = header.pop("format_version")
    if found != version:
        raise VersionError(f"checkpoint format {found}, but this acnn reads {version}")


def safetensors_header(content: bytes, key: str) -> Any:
    """Return the JSON content of a metadata key of a safetensors file.

    The file starts with the length of its header, little-endian, 8 bytes; metadata are strings.

    Raises:
        KeyError: there is no such key.
        UnicodeDecodeError, json.JSONDecodeError: it is not a safetensors file, or truncated.
    """
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][key])


def checksum(pieces: Iterable[memoryview]) -> str:
    """Return the SHA-256 of the SHA-256 of every block of 16 MiB of every piece."""
    blocks = list(chain.from_iterable((piece[k : k + BLOCK] for k in range(0, len(piece), BLOCK)) for piece in pieces))
    if len(blocks) <= 3:
        return hashlib.sha256(b"".join(map(_sha256, blocks))).hexdigest()
    with ThreadPoolExecutor(min(len(blocks), 8, os.cpu_count() or 1)) as pool:
        return hashlib.sha256(b"".join(pool.map(_sha256, blocks))).hexdigest()


def _sha256(block: memoryview) -> bytes:
    return hashlib.sha256(block).digest()


def _around_checksum(content: memoryview) -> tuple[memoryview, memoryview]:
    """Return the content before and after the checksum."""
    length = int.from_bytes(content[:8], "little")
    place = bytes(content[8 : 8 + length]).find(BEGINNING)
    if place < 0:
        raise SealError("its checksum is not in its place; use another copy, or make it again")
    begin = 8 + place + len(BEGINNING)
    return content[:begin], content[begin + len(EMPTY) :]
