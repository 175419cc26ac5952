"""Numbers among the options of all commands: each has a range, and what is outside of it is told, NaN, too."""

from __future__ import annotations

import math
import typing
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from acnn.cli.main import COMMANDS, app, definition
from acnn.settings.data import PANEL

BY_SETTINGS = ("fit", "train")
"""Their numbers are those of the settings (tests/settings/test_extremes.py), as are the labels of other commands."""


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in COMMANDS:
        found = definition(name)
        for inner in found.registered_commands if isinstance(found, typer.Typer) else ():
            yield (name, inner.name or inner.callback.__name__.replace("_", "-")), inner.callback
        if not isinstance(found, typer.Typer):
            yield (name,), found


def numeric_options() -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """Command, option, and what it was declared with."""
    for names, function in commands():
        for name, hint in typing.get_type_hints(function, include_extras=True).items():
            kind, *declared = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (hint,)
            if {int, float} & {kind, *typing.get_args(kind)} and not is_setting(names[0], declared[0]):
                yield names, next(iter(declared[0].param_decls or ()), f"--{name.replace('_', '-')}"), declared[0]


def is_setting(command: str, declared: Any) -> bool:
    return command in BY_SETTINGS or declared.rich_help_panel == PANEL


NUMERIC = [pytest.param(*found, id=" ".join([*found[0], found[1]])) for found in numeric_options()]


def test_there_are_such_options() -> None:
    assert len(NUMERIC) >= 10


@pytest.mark.parametrize(("names", "option", "declared"), NUMERIC)
def test_every_number_has_a_range(names: tuple[str, ...], option: str, declared: Any) -> None:
    assert -math.inf < declared.min < declared.max < math.inf


@pytest.mark.parametrize(("names", "option", "declared"), NUMERIC)
def test_what_is_no_such_number_is_told(names: tuple[str, ...], option: str, declared: Any) -> None:
    for value in ("1e300", "nan", "1:30"):
        given = [*names, option, value] if option == "-n" else [*names, f"{option}={value}"]
        done = CliRunner().invoke(app, [*given, *["x"] * 3], env={"COLUMNS": "200", "TERM": "dumb"})
        assert done.exit_code == 2, done.output
        assert "Traceback" not in done.output
        assert option in done.output, done.output


@pytest.mark.parametrize("command", ["distill", "evaluate", "report"])
@pytest.mark.parametrize("value", ["1e300", "nan", "0", "-1"])
def test_labels_are_checked_before_anything_is_read(command: str, value: str) -> None:
    given = [command, f"--max-force={value}", "x", "y", "-o", "z.xyz"]
    done = CliRunner().invoke(app, given, env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 2, done.output
    assert "max_force" in done.output
