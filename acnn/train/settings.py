"""Settings of a training, validated: the sections of the YAML file of ``acnn train``."""

from __future__ import annotations

import re
from copy import copy
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from acnn.basis.radial import transform_lengths
from acnn.basis.strict import Strict, unset
from acnn.data.weights import WeightTable
from acnn.fit.messages import nearest, sentences, shown
from acnn.fit.settings import E0, FitSettings, listed
from acnn.models.network_specification import NetworkSpecification
from acnn.train.loss import Deltas
from acnn.train.schedule import LearningRate, Schedule

LEARNING_RATE, FINE_TUNING_RATE = 0.005, 0.001
Beta = Annotated[float, Field(ge=0, lt=1)]
LINEAR_KEYS = (
    *("order", "degree", "wl", "cutoff", "pair_cutoff", "pair_degree", "formulation", "bond_lengths", "overrides"),
    *("transform", "pair_transform", "jacobi", "zbl", "solver", "slack", "tikhonov", "rtol", "damp", "atol"),
    *("ard_threshold", "prior", "repulsion", "kernel"),
)
"""Keys of ``acnn fit`` that the section ``linear`` takes."""
STIFF = {"slack": 2.0, "prior": "algebraic:3"}
"""Of linear parts by solver blr: the network learns what they leave, and beyond the data they go wrong less."""


class Section(Strict):
    """Part of a settings file."""

    model_config = ConfigDict(populate_by_name=True)


def as_in_a_fit(name: str) -> Any:
    """The field of this name of `FitSettings`, which means the same here."""
    return copy(FitSettings.model_fields[name])


class DataSettings(Section):
    """Files and labels."""

    train: Path = Field(examples=["train.xyz"], description="Training structures, extended XYZ.")
    validation: float | Path | None = Field(
        0.1,
        description="A file; or the share of every config type of the training structures that is held out; or null. "
        "Errors on it tell the best epoch.",
    )
    test: Path | None = Field(None, description="Structures for an error table at the end.")
    energy_key: str | None = as_in_a_fit("energy_key")
    forces_key: str | None = as_in_a_fit("forces_key")
    virial_key: str | None = as_in_a_fit("virial_key")
    stress_key: str | None = as_in_a_fit("stress_key")
    max_force: float | None = as_in_a_fit("max_force")
    drop_nan: bool = as_in_a_fit("drop_nan")
    e0: str | dict[str, E0] | None = as_in_a_fit("e0")
    weights: Path | dict[str, dict[str, float]] | None = as_in_a_fit("weights")

    @field_validator("validation")
    @classmethod
    def _share(cls, value: float | Path | None) -> float | Path | None:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError("validation is a file, a share between 0 and 1 such as 0.1, or null")
        return value

    def weight_table(self) -> WeightTable:
        if isinstance(self.weights, Path):
            return WeightTable.from_yaml(self.weights)
        return WeightTable() if self.weights is None else WeightTable.from_mapping(self.weights)


class ModelSettings(NetworkSpecification):
    """A network specification, its elements those of the data if left out."""

    level: Literal["network", "attention"] = Field(
        "attention", description="network is the model without attention layers."
    )
    elements: tuple[str, ...] = Field((), description="Chemical symbols.", json_schema_extra=unset("those of the data"))

    @field_validator("elements", "hidden", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return listed(value)

    @model_validator(mode="after")
    def _level_has_layers(self) -> ModelSettings:
        if "layers" in self.model_fields_set and (self.layers > 0) != (self.level == "attention"):
            raise ValueError(f"a model of level {self.level!r} does not have {self.layers} attention layers")
        return self

    def specification(self, elements: tuple[str, ...]) -> NetworkSpecification:
        """Of a model of these elements."""
        lengths = transform_lengths(elements, self.cutoff) | self.bond_lengths
        fields = self.model_dump(exclude={"level", "elements"}) | {"elements": elements, "bond_lengths": lengths}
        return NetworkSpecification(**fields | ({"layers": 0} if self.level == "network" else {}))

    def differences(self, other: NetworkSpecification) -> list[str]:
        """Keys that were given and are not those of another specification, elements aside."""
        given = self.model_fields_set - {"level", "elements"}
        names = [name for name in sorted(given) if getattr(self, name) != getattr(other, name)]
        wrong_level = "level" in self.model_fields_set and (self.level == "attention") != (other.layers > 0)
        return names + ["level"] * wrong_level


class LossSettings(Section):
    """The loss, see `acnn.train.loss`; weights are numbers or a `Schedule`."""

    energy: Schedule = Field(
        Schedule(ramp=((0.7, 10.0), (0.8, 100.0))),
        description="Weight of energies: a number, {steps: [[when, weight], …]} or {ramp: [[when, weight], …]}; "
        "up to 1, when is a share of the epochs, beyond an epoch.",
    )
    forces: Schedule = Field(Schedule(steps=((0.0, 1.0),)), description="Weight of forces, likewise.")
    virial: Schedule = Field(Schedule(steps=((0.0, 1.0),)), description="Weight of virials, likewise.")
    kind: Literal["l2", "huber"] = Field("l2", description="l2: squares; huber: beyond deltas absolute values.")
    deltas: dict[Literal["energy", "forces", "virial"], Annotated[float, Field(ge=1e-6, le=1e6)]] = Field(
        {},
        description="Where huber goes over, {energy: 0.01, forces: 0.1, virial: 0.05} in eV/atom, eV/Å, eV/atom.",
        json_schema_extra=unset("these"),
    )

    @model_validator(mode="after")
    def _consistent(self) -> LossSettings:
        if self.deltas and self.kind == "l2":
            raise ValueError("deltas belong to kind: huber")
        if not any(schedule.largest for schedule in (self.energy, self.forces, self.virial)):
            raise ValueError("one of energy, forces and virial must have a weight in the loss")
        return self

    def make_deltas(self) -> Deltas:
        usual = {"energy": 0.01, "forces": 0.1, "virial": 0.05}
        return Deltas() if self.kind == "l2" else Deltas(**usual | {str(k): v for k, v in self.deltas.items()})


class SelectionSettings(Section):
    """The score of a validation, the smaller the better: Σ_q weight_q · MAE_q in meV/atom, meV/Å, meV/atom."""

    measure: Literal["mae", "rmse"] = Field(
        "mae",
        description="mae, or rmse, in which a few structures with large errors, such as close dimers, decide.",
    )
    energy: float = Field(10.0, ge=0, le=1e6, description="Weight of the error of energies, meV/atom.")
    forces: float = Field(1.0, ge=0, le=1e6, description="Weight of the error of forces, meV/Å.")
    virial: float = Field(0.0, ge=0, le=1e6, description="Weight of the error of virials, meV/atom.")

    @model_validator(mode="after")
    def _something_counts(self) -> SelectionSettings:
        if not (self.energy or self.forces or self.virial):
            raise ValueError("one of energy, forces and virial must have a weight in the selection")
        return self


MOST_EPOCHS = 1_000_000


class TrainingSettings(Section):
    """How to train."""

    epochs: int = Field(200, ge=1, le=MOST_EPOCHS, description="Passes over the data.")
    batch_atoms: int = Field(256, ge=1, le=1_000_000, description="Atoms of a batch.")
    learning_rate: float | None = Field(
        None,
        ge=1e-30,
        le=1,
        description="Largest learning rate.",
        json_schema_extra=unset(f"{LEARNING_RATE}; {FINE_TUNING_RATE} for a model that goes on from another"),
    )
    final_learning_rate: float | None = Field(
        None,
        ge=1e-30,
        le=1,
        description="Learning rate at the last epoch.",
        json_schema_extra=unset("a hundredth of learning_rate"),
    )
    schedule: Literal["cosine", "exponential", "plateau", "constant"] = Field(
        "cosine", description="How the learning rate falls; plateau: where validation errors no longer do."
    )
    warmup: float = Field(
        0.02,
        ge=0,
        le=MOST_EPOCHS,
        description="Epochs, or up to 1 the share of all, in which the learning rate rises from nearly nothing.",
    )
    plateau_factor: float = Field(
        0.5,
        ge=0.001,
        lt=1,
        description="schedule: plateau: what the learning rate is multiplied with.",
        json_schema_extra=unset("0.5"),
    )
    plateau_wait: int = Field(
        20,
        ge=1,
        le=MOST_EPOCHS,
        description="schedule: plateau: after so many epochs without a better score.",
        json_schema_extra=unset("20"),
    )
    optimizer: Literal["muon", "adamw"] = Field(
        "muon", description="muon, for tables and matrices, with AdamW for the rest; or adamw for all."
    )
    weight_decay: float = Field(1e-3, ge=0, le=10, description="Of the matrices of the fitting network.")
    betas: tuple[Beta, Beta] = Field((0.9, 0.999), description="Of AdamW.")
    clip: float | None = Field(
        3.0,
        ge=0.1,
        le=1e6,
        description="A gradient longer than so many times the running mean of norms is shortened to that; null: never.",
    )
    ema: float | None = Field(
        None,
        ge=0,
        le=1 - 1e-6,
        description="Decay per step of the moving average of the weights, which is what is validated and saved; 0: no "
        "average.",
        json_schema_extra=unset("a memory of a fiftieth of all steps"),
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=MOST_EPOCHS,
        description="Epochs without a better score after which training ends.",
        json_schema_extra=unset("never"),
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
        description="Of weights, batches and validation share. The same seed gives the same numbers on a CPU with the "
        "same number of threads; on a GPU, whose sums have no fixed order, runs differ in rounding and drift apart.",
    )
    threads: int | None = Field(
        None, ge=1, le=1024, description="Of the processor.", json_schema_extra=unset("as torch finds")
    )
    precision: Literal["float32", "float64"] = Field("float32", description="Of numbers in training.")
    device: str = Field("cpu", description="cpu, cuda, or cuda:1.")

    @model_validator(mode="after")
    def _of_the_schedule(self) -> TrainingSettings:
        of_plateau = sorted({"plateau_factor", "plateau_wait"} & self.model_fields_set)
        if of_plateau and self.schedule != "plateau":
            raise ValueError(f"{of_plateau[0]} belongs to schedule: plateau")
        if self.final_learning_rate is not None and self.schedule == "constant":
            raise ValueError("schedule: constant has no final_learning_rate")
        if self.warmup > max(1, self.epochs):
            raise ValueError(f"warmup = {self.warmup:g} is longer than the training, {self.epochs} epochs")
        return self

    def of_validation(self) -> list[str]:
        """Given settings that say something only with validation data."""
        given = [name for name in ("selection", "validate_every") if name in self.model_fields_set]
        waiting = ["patience"] if self.patience is not None else []
        return given + waiting + (["schedule: plateau"] if self.schedule == "plateau" else [])

    @field_validator("device")
    @classmethod
    def _known_device(cls, device: str) -> str:
        if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
            raise ValueError("a device is cpu, cuda or cuda:0")
        return device

    def decay(self, n_batches: int) -> float:
        """Of the moving average, with so many steps per epoch."""
        return max(0.0, 1 - 50 / (self.epochs * n_batches)) if self.ema is None else self.ema

    def rate(self, fine_tuning: bool) -> LearningRate:
        start = self.learning_rate or (FINE_TUNING_RATE if fine_tuning else LEARNING_RATE)
        return LearningRate(
            shape=self.schedule,
            start=start,
            final=self.final_learning_rate or 0.01 * start,
            warmup=self.warmup,
            factor=self.plateau_factor,
            wait=self.plateau_wait,
        )


class OutputSettings(Section):
    """Files to write; those left out stand beside the model under its name."""

    model: Path = Field(examples=["model.acnn"], description="Model file to write, MODEL.acnn.")
    log: Path | None = Field(
        None, description="Losses and errors of every epoch.", json_schema_extra=unset("MODEL.csv")
    )
    checkpoint: Path | None = Field(
        None, description="State after every epoch, for --resume.", json_schema_extra=unset("MODEL.checkpoint")
    )
    plot: Path | None = Field(None, description="The learning curve.", json_schema_extra=unset("MODEL.training.png"))
    json_file: Path | None = Field(None, alias="json", description="Write sizes, seconds and errors as JSON.")

    @property
    def log_file(self) -> Path:
        return self.log or self.model.with_suffix(".csv")

    @property
    def checkpoint_file(self) -> Path:
        return self.checkpoint or self.model.with_suffix(".checkpoint")

    @property
    def plot_file(self) -> Path:
        return self.plot or self.model.with_suffix(".training.png")


class TrainSettings(Section):
    """What ``acnn train`` needs to know; units are Å and eV. ``acnn train --settings`` prints all of them."""

    data: DataSettings = Field(description="Files and labels; train alone may stand here, too.")
    model: ModelSettings = Field(ModelSettings.model_validate({}), description="The network.")
    linear: Path | dict[str, Any] | None = Field(
        {},
        description="The fixed part: a model of acnn fit; or keys of acnn fit for one that is fitted first (its solver "
        f"blr with slack {STIFF['slack']:g} and prior {STIFF['prior']}); or null: E0 and nuclear repulsion alone.",
        json_schema_extra=unset("a small one is fitted, for up to four elements"),
    )
    training: TrainingSettings = Field(TrainingSettings.model_validate({}), description="How to train.")
    start: Path | None = Field(
        None, alias="from", description="A trained model to go on from.", json_schema_extra=unset("a new one")
    )
    output: OutputSettings = Field(description="Files to write; model alone may stand here, too.")

    @field_validator("data", mode="before")
    @classmethod
    def _only_train(cls, value: Any) -> Any:
        return {"train": value} if isinstance(value, str | Path) else value

    @field_validator("output", mode="before")
    @classmethod
    def _only_model(cls, value: Any) -> Any:
        return {"model": value} if isinstance(value, str | Path) else value

    @field_validator("linear")
    @classmethod
    def _known_keys(cls, value: Path | dict[str, Any] | None) -> Path | dict[str, Any] | None:
        for key in value if isinstance(value, dict) else ():
            if key not in LINEAR_KEYS:
                raise ValueError(f"unknown key {shown(key)}: did you mean {nearest(str(key), LINEAR_KEYS)!r}?")
        return value

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
        self.linear_fit(self.model.cutoff)
        rate = self.training.rate(self.start is not None)
        if rate.final > rate.start:
            raise ValueError(
                f"training.final_learning_rate = {rate.final:g} is above training.learning_rate = {rate.start:g}"
            )
        return self

    def linear_fit(self, cutoff: float) -> FitSettings:
        """Settings of the fit of the linear part; its cutoff is that of the network if not given."""
        own = self.linear if isinstance(self.linear, dict) else {}
        own = own if own.get("solver", "blr") != "blr" else STIFF | own
        files = {"train": self.data.train, "output": self.output.model, "e0": self.data.e0}
        values = {"cutoff": cutoff, **own, **files}
        try:
            return FitSettings.model_validate(values)
        except ValidationError as error:
            raise ValueError(f"linear: {sentences(error, FitSettings, values)}") from error
