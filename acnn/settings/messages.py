"""Validation errors of pydantic as sentences."""

from __future__ import annotations

import difflib
import reprlib
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

MOST_SHOWN = 60
"""Characters of a value in a message."""
MOST_KEYS = 20
"""Sections with at most this many keys have all of them named."""
ALIKE = 0.6
"""Similarity from which a word counts as a misspelling of another."""
INPUT = "Input should be "
TYPES = {"path_type": "a path", "model_type": "a mapping of settings", "dict_type": "a mapping"}
"""What pydantic requires, by its name of the error, where its own words are those of Python."""


def sentences(error: ValidationError, settings: type[BaseModel], values: Any) -> str:
    """Describe all errors in the values, one sentence for each setting."""
    found: dict[tuple[str, ...], list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        found.setdefault(tuple(_place(detail, values)), []).append(detail)
    inside = {place[:depth] for place in found for depth in range(1, len(place))}
    of_others = [place for place, details in found.items() if place in inside and all(map(_is_of_type, details))]
    for place in of_others:  # in a union, another of its types was meant
        del found[place]
    return "; ".join(_sentence(place, details, settings) for place, details in found.items())


def _sentence(place: Sequence[str], details: Sequence[ErrorDetails], settings: type[BaseModel]) -> str:
    """Describe the errors of one setting; several details come from a union, whose other types may be irrelevant."""
    name, detail = (
        ".".join(part[:MOST_SHOWN] for part in place),
        next((d for d in details if not _is_of_type(d)), details[0]),
    )
    if detail["type"] == "missing":
        return f"{name!r} is missing"
    if detail["type"] == "extra_forbidden":
        return f"unknown key {brief(name)}{_belongs(place, settings)}"
    text = str(detail["msg"]).removeprefix("Value error, ")
    if not place or (isinstance(detail["input"], dict) and not _is_of_type(detail)):
        return f"{name}: {text}" if name else text
    field = field_at(settings, place)
    if _is_of_type(detail):
        text = INPUT + _wanted(details, field)
    return f"{name} = {brief(detail['input'])}: {text}{_meaning(field)}"


def _wanted(details: Sequence[ErrorDetails], field: FieldInfo | None) -> str:
    """Return everything that is allowed in place of a value of a wrong type."""
    kinds = [TYPES.get(detail["type"], detail["msg"].removeprefix(INPUT)) for detail in details]
    if field is not None and type(None) in typing.get_args(field.annotation):
        kinds.append("null")
    *others, last = dict.fromkeys(kinds)
    return f"{', '.join(others)} or {last}" if others else last


def _is_of_type(detail: ErrorDetails) -> bool:
    return detail["type"].endswith("_type")


def _place(detail: ErrorDetails, values: Any) -> list[str]:
    """Return the keys that lead to an error; pydantic also names members of unions and indices of list items."""
    place = []
    for part in detail["loc"]:
        if isinstance(values, Mapping) and part in values:
            place.append(str(part))
            values = values[part]
        elif isinstance(values, list | tuple) and isinstance(part, int) and part < len(values):
            values = values[part]
    return [*place, str(detail["loc"][-1])] if detail["type"] == "missing" else place


def _meaning(field: FieldInfo | None) -> str:
    """Return the first words of the description of a setting."""
    words = (field.description or "").split(". ")[0].split(": ")[0].split(", {")[0].rstrip(".") if field else ""
    return f" ({words[0].lower()}{words[1:]})" if words else ""


def _belongs(place: Sequence[str], settings: type[BaseModel]) -> str:
    """Say where an unknown key belongs, or suggest another one."""
    key, here = place[-1][:MOST_SHOWN], ".".join(place[:-1])
    known = keys_at(settings, place[:-1])
    by_section = {"": keys_at(settings, []), **dict(_sections(settings))}
    homes = [section for section, keys in by_section.items() if key in keys and section != here]
    if homes:
        return f": {key} belongs {_places(homes)}"
    if not known:
        return ""
    everywhere = {k: s for s, keys in by_section.items() for k in keys if s != here}
    likely, other = (difflib.get_close_matches(key, words, n=1, cutoff=ALIKE) for words in (known, everywhere))
    if likely:
        return f": did you mean {likely[0]!r}?"
    if other:
        return f": did you mean {other[0]!r}, which belongs {_places([everywhere[other[0]]])}?"
    if len(known) > MOST_KEYS:
        return f": did you mean {nearest(key, known)!r}?"
    return f": the keys of {here or 'the file'} are {', '.join(known)}"


def _places(sections: Sequence[str]) -> str:
    return " or ".join("to no section, but at the top" if not s else f"into section {s}" for s in sections)


def _sections(settings: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Yield every section by its dotted name, with its keys."""
    for name, field in settings.model_fields.items():
        inner, dotted = section_of(field), f"{prefix}{field.alias or name}"
        if inner is not None:
            yield dotted, keys_at(inner, [])
            yield from _sections(inner, f"{dotted}.")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a setting that is a section, or a mapping from names to sections."""
    parts: list[Any] = [field.annotation, *typing.get_args(field.annotation)]
    classes = [part for part in parts if isinstance(part, type) and typing.get_origin(part) is None]
    found = [part for part in classes if issubclass(part, BaseModel)]
    return found[0] if found else None


def keys_at(settings: type[BaseModel], place: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of a section; empty if it is not one."""
    field = field_at(settings, place)
    section = settings if not place else None if field is None else section_of(field)
    return () if section is None else tuple(f.alias or name for name, f in section.model_fields.items())


def field_at(settings: type[BaseModel], place: Sequence[str]) -> FieldInfo | None:
    """Return the setting at a place."""
    section: type[BaseModel] | None = settings
    field: FieldInfo | None = None
    for name in place:
        if section is None:
            return None
        fields = {f.alias or key: f for key, f in section.model_fields.items()}
        if name in fields:
            field = fields[name]
            section = section_of(field)
    return field


def nearest(word: str, known: Sequence[str]) -> str:
    """Return the known word most like this one."""
    return difflib.get_close_matches(word[:MOST_SHOWN], known, n=1, cutoff=0.0)[0]


def brief(value: Any) -> str:
    """Return a value as it is written, shortened."""
    short = reprlib.Repr()
    short.maxstring = short.maxlong = short.maxother = MOST_SHOWN
    short.maxlevel = 3
    return short.repr(value)
