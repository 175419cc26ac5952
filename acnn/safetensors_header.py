"""What acnn says of itself in the header of a safetensors file: JSON under a key of its own."""

from __future__ import annotations

import json
from typing import Any


def safetensors_header(content: bytes, key: str) -> Any:
    """What JSON holds under a metadata key of a safetensors file.

    The file starts with the length of its header, little-endian, 8 bytes; metadata are strings.

    Raises:
        KeyError: there is no such key.
        UnicodeDecodeError, json.JSONDecodeError: it is no safetensors file, or a truncated one.
    """
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"][key])
