"""All settings of a command as a settings file: the meaning, range and default of each.

Settings without a default, and those whose default depends on others, are commented out.
"""

from __future__ import annotations

import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import annotated_types as bounds
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from acnn.settings.messages import section_of

WIDTH = 118
WORDS = {bounds.Ge: ("ge", "from"), bounds.Gt: ("gt", "above"), bounds.Le: ("le", "to"), bounds.Lt: ("lt", "below")}


def reference(settings: type[BaseModel], command: str) -> str:
    """Return a settings file that is equivalent to an empty one, except for settings without a default."""
    return "\n".join([f"# All settings of {command}, with their defaults.", *_lines(settings, "")]) + "\n"


def _lines(section: type[BaseModel], indent: str) -> Iterator[str]:
    for key, field in ((field.alias or name, field) for name, field in section.model_fields.items()):
        yield ""
        yield from textwrap.wrap(meaning(field), WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        inner = section_of(field) if isinstance(field.annotation, type) else None
        if inner is not None and not _is_value(inner):
            yield f"{indent}{key}:"
            yield from _lines(inner, f"{indent}  ")
        else:
            value = default(field)
            yield f"{indent}# {key}:" if value is None else f"{indent}{key}: {value}"


def meaning(field: FieldInfo) -> str:
    """Describe a setting: its meaning, its range, and what applies without it."""
    unset = _unset(field)
    parts = [str(field.description), _choices(field), _limits(field), f"Default: {unset}." if unset else ""]
    return " ".join([*filter(None, parts), *["Must be given."] * field.is_required()])


def default(field: FieldInfo) -> str | None:
    """Return the default as it is written, or an example if a value must be given; None if it is derived."""
    value = field.examples[0] if field.examples else field.default
    if _unset(field) or value in (None, PydanticUndefined):
        return None
    plain = to_jsonable_python(value, exclude_none=True)
    return yaml.safe_dump(plain, default_flow_style=True, width=10**6).removesuffix("\n").removesuffix("\n...")


def changed(settings: type[BaseModel], values: Mapping[str, Any], sections: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what differs from the defaults, by dotted keys, of settings as JSON holds them."""
    for name, field in settings.model_fields.items():
        key, kind = field.alias or name, field.annotation
        value, standard = values.get(key), to_jsonable_python(field.get_default(), fallback=str)
        if isinstance(kind, type) and issubclass(kind, BaseModel) and not _is_value(kind):
            yield from changed(kind, value or {}, f"{sections}{key}.")
        elif isinstance(value, Mapping) and isinstance(standard, Mapping):
            yield from ((f"{sections}{key}.{k}", v) for k, v in value.items() if v not in (None, standard.get(k)))
        elif value not in (None, standard):
            yield f"{sections}{key}", value


def default_text(field: FieldInfo) -> str | None:
    """Return the default in words."""
    return _unset(field) or (None if field.is_required() or field.default is False else default(field))


def _unset(field: FieldInfo) -> str | None:
    extra = field.json_schema_extra
    return str(extra["unset"]) if isinstance(extra, dict) and "unset" in extra else None


def _is_value(section: type[BaseModel]) -> bool:
    """Return whether no key of a section has a default, as in a schedule."""
    return all(field.default is None for field in section.model_fields.values())


def _choices(field: FieldInfo) -> str:
    alternatives = [field.annotation, *typing.get_args(field.annotation)]
    words = [str(word) for a in alternatives if typing.get_origin(a) is Literal for word in typing.get_args(a)]
    described = all(f"{word}:" in str(field.description) for word in words)
    return "" if described else f"One of {', '.join(words)}."


def _limits(field: FieldInfo) -> str:
    """Describe the bounds of the numbers in a setting."""
    found = [text for metadata in (field.metadata, *_metadata(field.annotation)) for text in _bounds(metadata)]
    text = " ".join(dict.fromkeys(found))
    return f"{text[0].upper()}{text[1:]}.".replace(" below", ", below") if text else ""


def _metadata(annotation: Any) -> Iterator[Sequence[Any]]:
    """Yield the metadata of all parts of an annotation."""
    yield getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation) if typing.get_origin(annotation) is not Literal else ():
        yield from _metadata(part)


def _bounds(metadata: Sequence[Any]) -> Iterator[str]:
    for entry in (entry for item in metadata for entry in getattr(item, "metadata", [item])):
        if type(entry) in WORDS:
            name, word = WORDS[type(entry)]
            limit = getattr(entry, name)
            yield f"{word} {limit}" if isinstance(limit, int) else f"{word} {limit:g}"
