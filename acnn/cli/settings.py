"""Command-line options made from settings: their help, their choices, and the flags that print all of them."""

from __future__ import annotations

import enum
import inspect
import json
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape

from acnn.settings.messages import field_at
from acnn.settings.reference import default_text, reference

PRINT_ALL = "Print all settings with their defaults, as a YAML file, and exit."
PRINT_SCHEMA = "Print a JSON schema of the settings file, for editors that complete and check YAML, and exit."
F = TypeVar("F", bound=Callable[..., Any])


def described(settings: type[BaseModel], name: str) -> str:
    """Describe a setting, with its default."""
    field = field_at(settings, name.split("."))
    assert field is not None
    default = default_text(field)
    return escape(f"{field.description}" + (f" [default: {default}]" if default else ""))


def with_settings(
    settings: type[BaseModel], flags: Mapping[str, str] = {}, only: Collection[str] | None = None
) -> Callable[[F], F]:
    """Give a command an option for every setting that has a panel (`acnn.strict.shown`).

    The command gets the options that were given as keywords, by the keys of the settings file.

    Args:
        flags: short flags by key, {"output": "-o"}.
        only: keys of the settings that become options; None for all.
    """

    def decorated(command: F) -> F:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        keyword = inspect.Parameter.KEYWORD_ONLY
        added = [
            inspect.Parameter(key, keyword, default=None, annotation=_option(settings, key, field, flags.get(key)))
            for key, field in _shown(settings)
            if only is None or key in only
        ]

        def run(*positional: Any, **given: Any) -> Any:
            values = {key: v.value if isinstance(v, enum.Enum) else v for key, v in given.items() if v is not None}
            return command(*positional, **values)

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        return typing.cast("F", run)

    return decorated


def printing(settings: type[BaseModel], command: str) -> Callable[[bool], None]:
    """Return the callback for ``--settings`` of a command."""
    return _printing(lambda: reference(settings, command))


def printing_schema(settings: type[BaseModel]) -> Callable[[bool], None]:
    """Return the callback for ``--schema`` of a command."""
    return _printing(lambda: json.dumps(settings.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n")


def _printing(text: Callable[[], str]) -> Callable[[bool], None]:
    def print_text(requested: bool) -> None:
        if requested:
            typer.echo(text(), nl=False)
            raise typer.Exit

    return print_text


def _shown(settings: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the settings that are options, by their keys."""
    for name, field in settings.model_fields.items():
        if isinstance(field.json_schema_extra, dict) and "panel" in field.json_schema_extra:
            yield field.alias or name, field


def _option(settings: type[BaseModel], key: str, field: FieldInfo, short: str | None) -> Any:
    assert isinstance(field.json_schema_extra, dict)
    kind, name = _type(key, field.annotation), f"--{key.replace('_', '-')}"
    names = [name, short] if short else [f"{name}/--no-{name[2:]}"] if kind is bool else [name]
    panel = str(field.json_schema_extra["panel"])
    option = typer.Option(*names, help=described(settings, key), rich_help_panel=panel, show_default=False)
    return Annotated[kind | None, option]


def _type(key: str, annotation: Any) -> Any:
    """Return the type of an option: a number, a path, one of several words, or a text that the settings parse."""
    parts = list(_parts(annotation))
    words = [word for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    if words:
        return enum.Enum(key, {word: word for word in words}, type=str)
    for kind in (tuple, str):
        if any(kind in (part, typing.get_origin(part)) for part in parts):
            return str
    return next((kind for kind in (bool, Path, int, float) if kind in parts), str)


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the types of a union, without their annotations."""
    if typing.get_origin(annotation) is Annotated:
        yield from _parts(typing.get_args(annotation)[0])
    elif typing.get_origin(annotation) in (typing.Union, UnionType):
        for part in typing.get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation
