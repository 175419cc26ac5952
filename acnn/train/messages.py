"""What pydantic finds wrong with settings, in sentences."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel


def message(detail: Mapping[str, Any], settings: type[BaseModel] | None = None) -> str:
    """The sentence of one error; with the class of the settings, unknown keys name the nearest."""
    place = [str(part) for part in detail["loc"] if not _is_branch(part)]
    said = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "missing":
        return f"{'.'.join(place)!r} is missing"
    if detail["type"] == "extra_forbidden":
        known = keys_at(settings, place[:-1])
        return f"unknown key {'.'.join(place)!r}: did you mean {nearest(place[-1], known)!r}?" if known else said
    if not place or isinstance(detail["input"], dict):
        return ": ".join([*filter(None, [".".join(place)]), said])
    return f"{'.'.join(place)} = {detail['input']!r}: {said}"


def _is_branch(part: Any) -> bool:
    """Pydantic names the members of a union in the place of an error."""
    return isinstance(part, str) and (part in ("float", "str") or part.startswith(("dict[", "lax-or-strict", "Path")))


def keys_at(settings: type[BaseModel] | None, place: list[str]) -> tuple[str, ...]:
    """Keys of a section; none where it is not one."""
    section: Any = settings
    for name in place:
        inner = section.model_fields[name].annotation if name in section.model_fields else None
        section = next((t for t in (inner, *typing.get_args(inner)) if isinstance(t, type)), None)
        if section is None or not issubclass(section, BaseModel):
            return ()
    if section is None:
        return ()
    return tuple(field.alias or name for name, field in section.model_fields.items())


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word most like this one."""
    return difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
