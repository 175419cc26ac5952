"""The reference of settings names all of them, and its values are the defaults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.yaml_text import load_yaml
from acnn.settings.fit import FitSettings
from acnn.settings.hal import HALSettings
from acnn.settings.messages import section_of
from acnn.settings.reference import changed, meaning, reference
from acnn.settings.train import TrainSettings

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
COMMANDS = {"fit": FitSettings, "train": TrainSettings, "hal": HALSettings}
GIVEN = {
    "fit": {"train": "train.xyz", "output": "model.acnn"},
    "train": {"data": "train.xyz", "output": "model.acnn"},
    "hal": {"structures": "start.xyz", "output": "hal", "reference": {"calculator": "ase.calculators.emt:EMT"}},
}


def keys(settings: type[BaseModel], indent: str = "") -> Iterator[str]:
    for name, field in settings.model_fields.items():
        yield f"{indent}{field.alias or name}:"
        inner = section_of(field)
        if inner is not None and field.annotation == inner and inner.__name__ != "Schedule":
            yield from keys(inner, f"{indent}  ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_setting_is_there_and_is_explained(command: str) -> None:
    _, *blocks = reference(COMMANDS[command], f"acnn {command}").rstrip().split("\n\n")
    lines = [block.splitlines() for block in blocks]
    written = [of_setting[-1].replace("# ", "", 1).partition(":")[0] + ":" for of_setting in lines]
    assert written == list(keys(COMMANDS[command]))
    assert all(of_setting[0].lstrip().startswith("# ") and len(of_setting) > 1 for of_setting in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_reference_as_a_file_says_what_no_file_says(command: str) -> None:
    settings = COMMANDS[command]
    written = load_yaml(reference(settings, "acnn"))
    assert settings.model_validate(written) == settings.model_validate(GIVEN[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_among_the_examples_is_what_the_command_prints(command: str) -> None:
    printed = CliRunner().invoke(app, [command, "--settings"]).output
    assert printed == (EXAMPLES / f"{command}_settings.yaml").read_text(), (
        f"acnn {command} --settings > examples/{command}_settings.yaml"
    )


def test_meanings_have_range_choices_and_defaults() -> None:
    fields = FitSettings.model_fields
    assert meaning(fields["cutoff"]).startswith("Cutoff radius in Å. From 0.5 to 25. Default: by the evidence")
    assert meaning(fields["repulsion"]).endswith("0: none. From 0 to 1000.")
    assert meaning(fields["pair_cutoff"]) == "Cutoff radius of the pair part in Å. From 0.5 to 25. Default: as cutoff."
    assert " From 0, below 1. Default: 0.1 of" in meaning(fields["split"])
    assert " Above 0 " in meaning(fields["max_force"])
    assert "One of evidence, bic, cv." in meaning(fields["select"])
    training = TrainSettings.model_fields["training"].annotation.model_fields  # type: ignore[union-attr]
    assert meaning(training["learning_rate"]).endswith(
        "0.005, for molecules 0.002; 0.001 for a model that continues from another."
    )


def test_help_has_the_default_of_every_flag() -> None:
    told = " ".join(CliRunner().invoke(app, ["fit", "--help"], env={"COLUMNS": "400", "TERM": "dumb"}).output.split())
    for text in (
        "[default: 0.3]",
        "[default: as cutoff]",
        "[default: algebraic:4]",
        "[default: 1e-8]",
        "[default: 0]",
    ):
        assert text in told


@pytest.mark.parametrize("command", COMMANDS)
def test_what_differs_from_the_defaults(command: str) -> None:
    """Of what a model file holds of its settings: nothing where nothing but files is given."""
    tree = COMMANDS[command]
    plain = tree.model_validate(GIVEN[command]).model_dump(mode="json", by_alias=True)
    files = {key for key, _ in changed(tree, plain)}
    named = {
        "fit": {"train", "output"},
        "train": {"data.train", "output.model"},
        "hal": {"structures", "output", "reference.calculator"},
    }
    assert files == named[command]
    more = {
        "fit": {"degree": [8, 6], "order": 2},
        "train": {"linear": {"order": 2}, "training": {"loss": {"energy": 3}}},
        "hal": {"fit": {"order": 2}, "seed": 4},
    }
    given = tree.model_validate({**GIVEN[command], **more[command]}).model_dump(mode="json", by_alias=True)
    found = {key: value for key, value in changed(tree, given) if key not in files}
    assert (
        found
        == {
            "fit": {"degree": [8.0, 6.0], "order": 2},
            "train": {"linear.order": 2, "training.loss.energy.steps": [[0.0, 3.0]]},
            "hal": {"fit.order": 2, "seed": 4},
        }[command]
    )
