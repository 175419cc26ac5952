"""Settings of a training, validated: the sections of the YAML file of ``acnn train``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from acnn.basis.radial import transform_lengths
from acnn.data.weights import WeightTable
from acnn.fit.settings import FitSettings
from acnn.models.network_specification import NetworkSpecification
from acnn.train.loss import Deltas
from acnn.train.messages import message, nearest
from acnn.train.schedule import LearningRate, Schedule

LEARNING_RATE, FINE_TUNING_RATE = 0.005, 0.001
LINEAR_KEYS = (
    *("order", "degree", "wl", "cutoff", "pair_cutoff", "pair_degree", "formulation", "bond_lengths", "overrides"),
    *("transform", "pair_transform", "jacobi", "zbl", "solver", "slack", "tikhonov", "rtol", "damp", "atol"),
    *("ard_threshold", "prior", "repulsion", "kernel"),
)
"""Keys of ``acnn fit`` that the section ``linear`` takes."""
STIFF = {"slack": 2.0, "prior": "algebraic:3"}
"""Of linear parts by solver blr: the network learns what they leave, and beyond the data they go wrong less."""


class Section(BaseModel):
    """Part of a settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DataSettings(Section):
    """Files and labels.

    Attributes:
        train: structures, extended XYZ.
        validation: a file; or the share of every config type of the training structures that is held out; or None.
        test: for an error table at the end.
        energy_key, forces_key, virial_key, stress_key, max_force, e0, weights: as for ``acnn fit``.
    """

    train: Path
    validation: float | Path | None = 0.1
    test: Path | None = None
    energy_key: str | None = None
    forces_key: str | None = None
    virial_key: str | None = None
    stress_key: str | None = None
    max_force: float | None = Field(None, gt=0)
    e0: str | dict[str, float] | None = None
    weights: Path | dict[str, dict[str, float]] | None = None

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
    """A network specification, its elements those of the data if left out.

    Attributes:
        level: ``network`` is the model without attention layers.
    """

    elements: tuple[str, ...] = ()
    level: Literal["network", "attention"] = "attention"

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
    """The loss, see `acnn.train.loss`.

    Attributes:
        energy, forces, virial: weights w: a number, {steps: [[when, w], …]} or {ramp: [[when, w], …]}; up to 1,
            ``when`` is a share of the epochs, beyond an epoch.
        kind: l2, or huber with ``deltas`` in eV/atom, eV/Å, eV/atom.
    """

    energy: Schedule = Schedule(ramp=((0.7, 10.0), (0.8, 100.0)))
    forces: Schedule = Schedule(steps=((0.0, 1.0),))
    virial: Schedule = Schedule(steps=((0.0, 1.0),))
    kind: Literal["l2", "huber"] = "l2"
    deltas: dict[Literal["energy", "forces", "virial"], float] = {}

    @model_validator(mode="after")
    def _consistent(self) -> LossSettings:
        if self.deltas and self.kind == "l2":
            raise ValueError("deltas belong to kind: huber")
        if any(delta <= 0 for delta in self.deltas.values()):
            raise ValueError("deltas are larger than 0")
        if not any(schedule.largest for schedule in (self.energy, self.forces, self.virial)):
            raise ValueError("one of energy, forces and virial must have a weight in the loss")
        return self

    def make_deltas(self) -> Deltas:
        usual = {"energy": 0.01, "forces": 0.1, "virial": 0.05}
        return Deltas() if self.kind == "l2" else Deltas(**usual | {str(k): v for k, v in self.deltas.items()})


class SelectionSettings(Section):
    """The score of a validation, the smaller the better: Σ_q weight_q · MAE_q in meV/atom, meV/Å, meV/atom.

    Attributes:
        measure: mae, or rmse, in which a few structures with large errors, such as close dimers, decide.
    """

    measure: Literal["mae", "rmse"] = "mae"
    energy: float = Field(10.0, ge=0)
    forces: float = Field(1.0, ge=0)
    virial: float = Field(0.0, ge=0)


class TrainingSettings(Section):
    """How to train.

    Attributes:
        batch_atoms: atoms of a batch.
        learning_rate: largest one; default 0.005, and 0.001 for a model that goes on from another.
        final_learning_rate: at the last epoch, default a hundredth of it.
        schedule, warmup, plateau_factor, plateau_wait: see `LearningRate`.
        optimizer: muon, for tables and matrices (`acnn.train.muon`) with AdamW for the rest; or adamw for all.
        betas: of AdamW.
        weight_decay: of the matrices of the fitting network.
        clip: a gradient longer than so many times the running mean of norms is shortened to that, in which outliers
            count little; None: never.
        ema: decay per step of the moving average of the weights, which is what is validated and saved; 0: no average;
            None: a memory of a fiftieth of all steps.
        patience: epochs without a better score after which training ends; None: never.
        validate_every: epochs between validations.
        seed: of weights, batches and validation share. The same seed gives the same numbers on a CPU with the same
            number of threads; on a GPU, whose sums have no fixed order, two runs differ in rounding and drift apart.
        threads: of the processor; None: as torch finds.
    """

    epochs: int = Field(200, ge=1)
    batch_atoms: int = Field(256, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    final_learning_rate: float | None = Field(None, gt=0)
    schedule: Literal["cosine", "exponential", "plateau", "constant"] = "cosine"
    warmup: float = Field(0.02, ge=0)
    plateau_factor: float = Field(0.5, gt=0, lt=1)
    plateau_wait: int = Field(20, ge=1)
    optimizer: Literal["muon", "adamw"] = "muon"
    weight_decay: float = Field(1e-3, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = Field(3.0, gt=0)
    ema: float | None = Field(None, ge=0, lt=1)
    patience: int | None = Field(None, ge=1)
    validate_every: int = Field(1, ge=1)
    loss: LossSettings = LossSettings.model_validate({})
    selection: SelectionSettings = SelectionSettings.model_validate({})
    seed: int = Field(0, ge=0, lt=2**32)
    threads: int | None = Field(None, ge=1)
    precision: Literal["float32", "float64"] = "float32"
    device: str = "cpu"

    @model_validator(mode="after")
    def _of_the_schedule(self) -> TrainingSettings:
        of_plateau = sorted({"plateau_factor", "plateau_wait"} & self.model_fields_set)
        if of_plateau and self.schedule != "plateau":
            raise ValueError(f"{of_plateau[0]} belongs to schedule: plateau")
        if self.final_learning_rate is not None and self.schedule == "constant":
            raise ValueError("schedule: constant has no final_learning_rate")
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
            final=min(start, self.final_learning_rate or 0.01 * start),
            warmup=self.warmup,
            factor=self.plateau_factor,
            wait=self.plateau_wait,
        )


class OutputSettings(Section):
    """Files to write; those left out stand beside the model under its name."""

    model: Path
    log: Path | None = None
    checkpoint: Path | None = None
    plot: Path | None = None
    json_file: Path | None = Field(None, alias="json")

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
    """What ``acnn train`` needs to know; units are Å and eV. See ``acnn train --help`` and examples/train.yaml.

    Attributes:
        linear: the fixed part: a model of ``acnn fit``; or keys of ``acnn fit`` for one that is fitted first, by
            default a small one, as `STIFF` says, for up to four elements; None: E0 and nuclear repulsion alone.
        start: a trained model to go on from (``from`` in the file).
    """

    data: DataSettings
    output: OutputSettings
    model: ModelSettings = ModelSettings.model_validate({})
    linear: Path | dict[str, Any] | None = {}
    training: TrainingSettings = TrainingSettings.model_validate({})
    start: Path | None = Field(None, alias="from")

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
                raise ValueError(f"unknown key {key!r}: did you mean {nearest(key, LINEAR_KEYS)!r}?")
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
        return self

    def linear_fit(self, cutoff: float) -> FitSettings:
        """Settings of the fit of the linear part; its cutoff is that of the network if not given."""
        own = self.linear if isinstance(self.linear, dict) else {}
        own = own if own.get("solver", "blr") != "blr" else STIFF | own
        files = {"train": self.data.train, "output": self.output.model, "e0": self.data.e0}
        try:
            return FitSettings.model_validate({"cutoff": cutoff, **own, **files})
        except ValidationError as error:
            raise ValueError("linear: " + "; ".join(message(detail) for detail in error.errors())) from error
