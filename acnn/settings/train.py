"""Settings of a training: the sections of the YAML file of ``acnn train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from acnn.settings.base import Section, put_at, read_mapping, validated
from acnn.settings.data import PANEL as DATA
from acnn.settings.data import Files, FittedLabelSettings
from acnn.settings.linear import STIFF, LinearPartSettings
from acnn.settings.network import ModelSettings
from acnn.settings.output import OutputSettings
from acnn.settings.training import TrainingSettings
from acnn.strict import shown


class DataFiles(Section):
    """Structures to train on, to validate with, and to test with."""

    train: Files = Field(
        examples=["train.xyz"],
        description="Training structures: a file, a folder, a pattern such as runs/*/OUTCAR, or a list of them.",
        json_schema_extra=shown(panel=DATA),
    )
    validation: float | Files | None = Field(
        0.1,
        description="Files; or the share of every config type of the training structures to hold out; or null. "
        "Validation errors determine the best epoch.",
    )
    test: Files | None = Field(
        None, description="Structures for an error table at the end.", json_schema_extra=shown(panel=DATA)
    )

    @field_validator("validation")
    @classmethod
    def _share(cls, value: float | tuple[Path, ...] | None) -> float | tuple[Path, ...] | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("validation must be a file, a share between 0 and 1 such as 0.1, or null")
        return value


class DataSettings(FittedLabelSettings, DataFiles):
    """Files and labels."""


class TrainSettings(Section):
    """All settings of ``acnn train``, in Å and eV; ``acnn train --settings`` prints them."""

    data: DataSettings = Field(description="Files and labels; or just the file of train.")
    model: ModelSettings = Field(ModelSettings.model_validate({}), description="The network.")
    linear: Path | LinearPartSettings | None = Field(
        LinearPartSettings.model_validate({}),
        description="The fixed part: a model of acnn fit; or keys of acnn fit for one that is fitted first (by default "
        f"solver blr with slack {STIFF['slack']:g} and prior {STIFF['prior']}); or null: E0 and nuclear repulsion.",
        json_schema_extra=shown(
            "from the data: an accurate one where it leaves under 3 % of the forces of crystals; otherwise, for up to "
            "four elements, a stiff one, and null beyond",
            panel="Options",
        ),
    )
    training: TrainingSettings = Field(TrainingSettings.model_validate({}), description="How to train.")
    start: Path | None = Field(
        None,
        alias="from",
        description="A trained model to continue from, also with new elements, at a lower learning rate.",
        json_schema_extra=shown("a new one", panel="Options"),
    )
    output: OutputSettings = Field(description="Files to write; or just the file of model.")

    @field_validator("data", mode="before", json_schema_input_type=Path | list[Path] | DataSettings)
    @classmethod
    def _only_train(cls, value: Any) -> Any:
        return {"train": value} if isinstance(value, str | Path | list) else value

    @field_validator("output", mode="before", json_schema_input_type=Path | OutputSettings)
    @classmethod
    def _only_model(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _consistent(self) -> TrainSettings:
        if self.start is not None and "linear" in self.model_fields_set:
            raise ValueError("a model that is trained further keeps its linear part: leave out 'linear' or 'from'")
        of_validation = self.training.of_validation()
        if self.data.validation is None and of_validation:
            raise ValueError(
                f"training.{of_validation[0]} needs validation errors: give data.validation, a file or a share such as "
                "0.1, or leave it out"
            )
        start, final = self.training.rates(self.start is not None)
        if final > start:
            raise ValueError(f"training.final_learning_rate = {final:g} is above training.learning_rate = {start:g}")
        return self

    @property
    def linear_part(self) -> LinearPartSettings:
        """Settings of the fit of the linear part; its cutoff is that of the network by default."""
        own = self.linear if isinstance(self.linear, LinearPartSettings) else LinearPartSettings.model_validate({})
        return own if own.cutoff else own.model_copy(update={"cutoff": self.model.cutoff})


def read_train_settings(path: Path, given: Mapping[str, Any]) -> TrainSettings:
    """Read settings from a YAML file, overridden by others with dotted names: {"training.epochs": 10}."""
    values = read_mapping(path, "data: train.xyz")
    for name, value in given.items():
        put_at(values, name, value, {"data": "train", "output": "model"})
    return train_settings(values)


def train_settings(values: TrainSettings | Mapping[str, Any]) -> TrainSettings:
    """Validate settings.

    Raises:
        SettingsError: they are invalid; the message is one sentence per setting.
    """
    settings: TrainSettings = validated(TrainSettings, values)
    return settings
