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

BY_SETTINGS = ("fit", "train")
"""Their numbers are those of the settings (tests/settings/test_extremes.py)."""


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
            if {int, float} & {kind, *typing.get_args(kind)} and names[0] not in BY_SETTINGS:
                yield names, next(iter(declared[0].param_decls or ()), f"--{name.replace('_', '-')}"), declared[0]


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
