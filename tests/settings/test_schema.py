"""What editors are told is what the commands accept: examples and short forms validate, mistakes do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from acnn.settings.fit import FitSettings
from acnn.settings.train import TrainSettings

EXAMPLES = Path(__file__).parents[2] / "examples"
TRAINING = {"data": {"train": "a.xyz"}, "output": "a.acnn"}


def errors(settings: type[BaseModel], values: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(settings.model_json_schema(by_alias=True))
    return [error.message for error in validator.iter_errors(values)]


@pytest.mark.parametrize(("settings", "command"), [(FitSettings, "fit"), (TrainSettings, "train")])
@pytest.mark.parametrize("kind", ["", "_settings"])
def test_examples_validate(settings: type[BaseModel], command: str, kind: str) -> None:
    text = (EXAMPLES / f"{command}{kind}.yaml").read_text(encoding="utf-8")
    assert errors(settings, yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"data": "a.xyz"},
        {"output": {"model": "a.acnn"}},
        {"linear": "linear.acnn"},
        {"linear": None},
        {"training": {"loss": {"energy": 3, "forces": {"ramp": [[0, 1], [0.5, 2]]}}}},
    ],
)
def test_short_and_long_forms_validate(changes: dict[str, Any]) -> None:
    assert errors(TrainSettings, TRAINING | changes) == []
    TrainSettings.model_validate(TRAINING | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"data": 3},
        {"model": {"level": "attention"}},
        {"training": {"epochs": 0}},
        {"training": {"loss": {"energy": "x"}}},
    ],
)
def test_mistakes_do_not(changes: dict[str, Any]) -> None:
    assert errors(TrainSettings, TRAINING | changes)
