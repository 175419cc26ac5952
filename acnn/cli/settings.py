"""Command-line options made from settings: their help, their choices, and the flags that print all of them."""

from __future__ import annotations

import enum
import inspect
import json
import keyword
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape

from acnn.settings.messages import field_at
from acnn.settings.reference import default_text, reference
from acnn.settings.schedule import Schedule

PRINT_ALL = "Print all settings with their defaults, as a YAML file, and exit."
PRINT_SCHEMA = "Print a JSON schema of the settings file, for editors that complete and check YAML, and exit."
F = TypeVar("F", bound=Callable[..., Any])


def described(settings: type[BaseModel], name: str) -> str:
    """Describe a setting, with its default."""
    field = field_at(settings, name.split("."))
    assert field is not None
    return explained(field)


def explained(field: FieldInfo) -> str:
    """Return what a setting means, with its default."""
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
        chosen = (option for option in setting_options(settings) if only is None or option.key in only)
        options = {_parameter(option.key): option for option in chosen}
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option.declared(flags))
            for name, option in options.items()
        ]

        def run(*positional: Any, **given: Any) -> Any:
            values = {name: v.value if isinstance(v, enum.Enum) else v for name, v in given.items() if v is not None}
            return command(*positional, **{options[k].key if k in options else k: v for k, v in values.items()})

        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        return typing.cast("F", run)

    return decorated


def settings_option(settings: type[BaseModel], command: str) -> Any:
    """Make the option ``--settings`` of a command."""
    return _printing_option("--settings", PRINT_ALL, lambda: reference(settings, command))


def schema_option(settings: type[BaseModel]) -> Any:
    """Make the option ``--schema`` of a command."""

    def schema() -> str:
        return json.dumps(settings.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"

    return _printing_option("--schema", PRINT_SCHEMA, schema)


def _printing_option(flag: str, help_text: str, text: Callable[[], str]) -> Any:
    def print_text(requested: bool) -> None:
        if requested:
            typer.echo(text(), nl=False)
            raise typer.Exit

    return typer.Option(flag, help=help_text, is_eager=True, callback=print_text)


@dataclass(frozen=True)
class SettingOption:
    """A setting that is an option.

    Attributes:
        key: in the settings file, with the names of its sections: "training.epochs".
    """

    key: str
    field: FieldInfo

    @property
    def flag(self) -> str:
        """Its key within a section of the file, --loss-energy of training.loss.energy."""
        section, _, key = self.key.partition(".")
        name = self._extra.get("flag") or key or section
        return f"--{str(name).replace('_', '-').replace('.', '-')}"

    def declared(self, short: Mapping[str, str] = {}) -> Any:
        """Return the annotation that typer reads."""
        kind, names = _type(self.key, self.field.annotation), [self.flag]
        if self.key in short:
            names.append(short[self.key])
        elif kind is bool:
            names = [f"{self.flag}/--no-{self.flag[2:]}"]
        help_text = explained(self.field) + (f" ({self.key})" if "." in self.key else "")
        option = typer.Option(*names, help=help_text, rich_help_panel=str(self._extra["panel"]), show_default=False)
        return Annotated[kind | None, option]

    @property
    def _extra(self) -> dict[str, Any]:
        assert isinstance(self.field.json_schema_extra, dict)
        return self.field.json_schema_extra


def setting_options(settings: type[BaseModel], sections: str = "") -> Iterator[SettingOption]:
    """Yield the settings that have a panel, those of sections, too."""
    for name, field in settings.model_fields.items():
        key, kind = f"{sections}{field.alias or name}", field.annotation
        if isinstance(field.json_schema_extra, dict) and "panel" in field.json_schema_extra:
            yield SettingOption(key, field)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_options(kind, f"{key}.")


def _parameter(key: str) -> str:
    """Return a name for a parameter of a function."""
    name = key.replace(".", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def _type(key: str, annotation: Any) -> Any:
    """Return the type of an option: a number, a path, one of several words, or a text that the settings parse."""
    parts = list(_parts(annotation))
    words = [word for part in parts if typing.get_origin(part) is Literal for word in typing.get_args(part)]
    if Schedule in parts:
        return float
    if any(Path in typing.get_args(part) for part in parts):
        return Path
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
