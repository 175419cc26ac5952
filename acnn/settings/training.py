"""Settings of a training: loss, score, optimizer, learning rate."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from acnn.settings.base import Section
from acnn.settings.schedule import Schedule
from acnn.strict import shown

PANEL = "Training"
LEARNING_RATE, FINE_TUNING_RATE = 0.005, 0.001
Beta = Annotated[float, Field(ge=0, lt=1)]


class LossSettings(Section):
    """The loss, see `acnn.train.loss`; weights are numbers or a `Schedule`."""

    energy: Schedule = Field(
        Schedule(ramp=((0.7, 10.0), (0.8, 100.0))),
        description="Weight of energies: a number, {steps: [[when, weight], …]} or {ramp: [[when, weight], …]}; "
        "up to 1, when is a share of the epochs, beyond an epoch.",
        json_schema_extra=shown(panel=PANEL),
    )
    forces: Schedule = Field(
        Schedule(steps=((0.0, 1.0),)), description="Weight of forces, likewise.", json_schema_extra=shown(panel=PANEL)
    )
    virial: Schedule = Field(
        Schedule(steps=((0.0, 1.0),)), description="Weight of virials, likewise.", json_schema_extra=shown(panel=PANEL)
    )
    kind: Literal["l2", "huber"] = Field("l2", description="l2: squares; huber: absolute values beyond deltas.")
    deltas: dict[Literal["energy", "forces", "virial"], Annotated[float, Field(ge=1e-6, le=1e6)]] = Field(
        {},
        description="Errors at which huber becomes linear, {energy: 0.01, forces: 0.1, virial: 0.05} in eV/atom, eV/Å, "
        "eV/atom.",
        json_schema_extra=shown("these"),
    )

    @model_validator(mode="after")
    def _consistent(self) -> LossSettings:
        if self.deltas and self.kind == "l2":
            raise ValueError("deltas apply only to kind: huber")
        if not any(schedule.largest for schedule in (self.energy, self.forces, self.virial)):
            raise ValueError("one of energy, forces and virial must have a weight in the loss")
        return self


class SelectionSettings(Section):
    """The validation score, lower is better: Σ_q weight_q · MAE_q in meV/atom, meV/Å, meV/atom."""

    measure: Literal["mae", "rmse"] = Field(
        "mae",
        description="mae; or rmse, which is dominated by a few structures with large errors, such as close dimers.",
    )
    energy: float = Field(10.0, ge=0, le=1e6, description="Weight of the energy error, meV/atom.")
    forces: float = Field(1.0, ge=0, le=1e6, description="Weight of the force error, meV/Å.")
    virial: float = Field(0.0, ge=0, le=1e6, description="Weight of the virial error, meV/atom.")

    @model_validator(mode="after")
    def _something_counts(self) -> SelectionSettings:
        if not (self.energy or self.forces or self.virial):
            raise ValueError("one of energy, forces and virial must have a weight in the selection")
        return self


MOST_EPOCHS = 1_000_000


class TrainingSettings(Section):
    """How to train."""

    epochs: int = Field(
        200,
        ge=1,
        le=MOST_EPOCHS,
        description="Passes over the data.",
        json_schema_extra=shown("as many as take 5000 steps (molecules 10 000), but 40 to 200", PANEL),
    )
    batch_atoms: int = Field(
        256,
        ge=1,
        le=1_000_000,
        description="Number of atoms in a batch.",
        json_schema_extra=shown("256; those of 5 molecules, but at least 40", PANEL),
    )
    learning_rate: float | None = Field(
        None,
        ge=1e-30,
        le=1,
        description="Largest learning rate.",
        json_schema_extra=shown(
            f"{LEARNING_RATE}, for molecules 0.002; {FINE_TUNING_RATE} for a model that continues from another",
            PANEL,
        ),
    )
    final_learning_rate: float | None = Field(
        None,
        ge=1e-30,
        le=1,
        description="Learning rate at the last epoch.",
        json_schema_extra=shown("a hundredth of learning_rate"),
    )
    schedule: Literal["cosine", "exponential", "plateau", "constant"] = Field(
        "cosine", description="How the learning rate falls; plateau: when validation errors stop falling."
    )
    warmup: float = Field(
        0.02,
        ge=0,
        le=MOST_EPOCHS,
        description="Number of epochs (up to 1: share of all epochs) in which the learning rate rises from almost 0.",
    )
    plateau_factor: float = Field(
        0.5,
        ge=0.001,
        lt=1,
        description="schedule: plateau: the factor by which the learning rate is multiplied.",
        json_schema_extra=shown("0.5"),
    )
    plateau_wait: int = Field(
        20,
        ge=1,
        le=MOST_EPOCHS,
        description="schedule: plateau: the number of epochs without a better score before that.",
        json_schema_extra=shown("20"),
    )
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="muon, for tables and matrices, with AdamW for the rest; or adamw for all."
    )
    element_correlation: float = Field(
        0.0,
        ge=0,
        le=0.9999,
        description="Correlation of the weights of different elements, as in fits: the larger it is, the more slowly "
        "their differences are learned, and the better are combinations of elements predicted that the data lack; 0: "
        "every element is its own.",
        json_schema_extra=shown("0.9 for crystals that lack combinations of three elements, otherwise 0"),
    )
    weight_decay: float = Field(1e-3, ge=0, le=10, description="Weight decay of the matrices of the readout.")
    betas: tuple[Beta, Beta] = Field((0.9, 0.999), description="β1 and β2 of AdamW.")
    clip: float | None = Field(
        3.0,
        ge=0.1,
        le=1e6,
        description="Gradients longer than this multiple of their running mean norm are shortened to it; null: never.",
    )
    ema: float | None = Field(
        None,
        ge=0,
        le=1 - 1e-6,
        description="Decay per step of the moving average of the weights, which is validated and saved; 0: no average.",
        json_schema_extra=shown("an average over a fiftieth of all steps"),
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=MOST_EPOCHS,
        description="Number of epochs without a better score after which training ends.",
        json_schema_extra=shown("never", panel=PANEL),
    )
    validate_every: int = Field(1, ge=1, le=MOST_EPOCHS, description="Epochs between validations.")
    loss: LossSettings = Field(LossSettings.model_validate({}), description="Weights of the labels.")
    selection: SelectionSettings = Field(
        SelectionSettings.model_validate({}), description="The score that chooses the best epoch."
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Random seed of weights, batches and validation split. The same seed gives the same numbers on a "
        "CPU with the same number of threads; on a GPU, whose sums have no fixed order, runs differ in rounding and "
        "drift apart.",
        json_schema_extra=shown(panel=PANEL),
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Number of CPU threads.",
        json_schema_extra=shown("torch's default", panel=PANEL),
    )
    precision: Literal["float32", "float64"] = Field(
        "float32", description="Floating-point precision of the training.", json_schema_extra=shown(panel=PANEL)
    )
    device: str = Field("cpu", description="cpu, cuda, or cuda:1.", json_schema_extra=shown(panel=PANEL))

    @model_validator(mode="after")
    def _of_the_schedule(self) -> TrainingSettings:
        of_plateau = sorted({"plateau_factor", "plateau_wait"} & self.model_fields_set)
        if of_plateau and self.schedule != "plateau":
            raise ValueError(f"{of_plateau[0]} applies only to schedule: plateau")
        if self.final_learning_rate is not None and self.schedule == "constant":
            raise ValueError("schedule: constant has no final_learning_rate")
        if self.warmup > max(1, self.epochs):
            raise ValueError(f"warmup = {self.warmup:g} is longer than the training, {self.epochs} epochs")
        return self

    def of_validation(self) -> list[str]:
        """Return the given settings that need validation data."""
        given = [name for name in ("selection", "validate_every") if name in self.model_fields_set]
        waiting = ["patience"] if self.patience is not None else []
        return given + waiting + (["schedule: plateau"] if self.schedule == "plateau" else [])

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise ValueError("the device must be cpu, cuda or cuda:0")
        return device

    def decay(self, n_batches: int) -> float:
        """Return the decay of the moving average, given the number of steps per epoch."""
        return max(0.0, 1 - 50 / (self.epochs * n_batches)) if self.ema is None else self.ema

    def rates(self, fine_tuning: bool) -> tuple[float, float]:
        """Return the largest learning rate and the final one."""
        start = self.learning_rate or (FINE_TUNING_RATE if fine_tuning else LEARNING_RATE)
        return start, self.final_learning_rate or 0.01 * start
