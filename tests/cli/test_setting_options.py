"""Options that are settings: a flag, its key in the YAML file and the Python argument have the same name."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from acnn.cli import fit, train
from acnn.cli.main import app
from acnn.cli.settings import SettingOption, setting_options
from acnn.settings.base import SettingsError
from acnn.settings.fit import FitSettings
from acnn.settings.messages import field_at
from acnn.settings.train import TrainSettings

READERS = {"fit": (FitSettings, fit, "read_settings"), "train": (TrainSettings, train, "read_train_settings")}
OPTIONS = [(command, option) for command, (tree, *_) in READERS.items() for option in setting_options(tree)]
EXAMPLES: dict[Any, Any] = {int: 3, float: 0.5, str: "word"}
PYTHON_CANNOT = {"json": "json_file", "from": "start"}
"""Names that Python or pydantic have already."""


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=lambda of: getattr(of, "key", of))
def test_a_flag_sets_its_key(command: str, option: SettingOption, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, Any]] = []

    def read(config: Any, given: dict[str, Any]) -> None:
        found.append({key: value for key, value in given.items() if value is not None})
        raise SettingsError("enough")

    monkeypatch.setattr(READERS[command][1], READERS[command][2], read)
    kind = typing.get_args(typing.get_args(option.declared())[0])[0]
    value = True if kind is bool else next(iter(kind)).value if hasattr(kind, "__members__") else None
    value = EXAMPLES.get(kind, "some.file") if value is None else value
    arguments = [command, *(["c.yaml"] if command == "train" else []), option.flag, *([] if value is True else [value])]
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 2
    ((key, given),) = found[0].items()
    assert key == option.key
    assert str(given) == str(value)


@pytest.mark.parametrize("command", READERS)
def test_flags_are_keys(command: str) -> None:
    """Within their section; -o is the key ``output``, where the file of the model may stand alone."""
    tree, options = READERS[command][0], [option for of, option in OPTIONS if of == command]
    assert len({option.flag for option in options}) == len(options) > 20
    for option in options:
        assert field_at(tree, option.key.split(".")) is option.field
        _, *rest = option.key.split(".")
        words = "output" if option.key == "output.model" else "-".join(rest) or option.key
        assert option.flag == f"--{words.replace('_', '-')}"


def python_names(tree: type[BaseModel]) -> typing.Iterator[tuple[str, str]]:
    for name, field in tree.model_fields.items():
        yield field.alias or name, name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from python_names(field.annotation)


@pytest.mark.parametrize("tree", [FitSettings, TrainSettings])
def test_keys_are_attributes_in_python(tree: type[BaseModel]) -> None:
    names = list(python_names(tree))
    assert names
    assert {(key, name) for key, name in names if key != name} == set(PYTHON_CANNOT.items()) & set(names)


def test_choices_and_panels_are_in_the_help() -> None:
    told = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).output
    for text in ("─ Data ─", "─ Model ─", "─ Training ─", "float32|float64", "network|attention", "(training.epochs)"):
        assert text in told
