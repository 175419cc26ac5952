"""Help of options that are settings, and ``--settings``, which prints all there are."""

from __future__ import annotations

from collections.abc import Callable

import typer
from pydantic import BaseModel
from rich.markup import escape

from acnn.fit.messages import field_at
from acnn.fit.settings_reference import default_text, reference

PRINT_ALL = "Print all settings with their defaults, as a YAML file, and end."


def described(settings: type[BaseModel], name: str) -> str:
    """What a setting means, with its default."""
    field = field_at(settings, name.split("."))
    assert field is not None
    default = default_text(field)
    return escape(f"{field.description}" + (f" [default: {default}]" if default else ""))


def printing(settings: type[BaseModel], command: str) -> Callable[[bool], None]:
    """What ``--settings`` of a command does."""

    def print_settings(asked: bool) -> None:
        if asked:
            typer.echo(reference(settings, command), nl=False)
            raise typer.Exit

    return print_settings
