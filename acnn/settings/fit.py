"""Settings of a fit: every flag of ``acnn fit`` is a key of the YAML file, and vice versa."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from acnn.basis.specification import PANEL as BASIS
from acnn.basis.specification import AngularWeight, Cutoff, Degrees, Order
from acnn.settings.base import Section, SettingsError, read_mapping, validated
from acnn.settings.data import Files, FittedLabelSettings
from acnn.settings.linear import LinearSettings
from acnn.settings.messages import brief, keys_at, nearest
from acnn.settings.solver import PANEL as REGRESSION
from acnn.strict import listed, shown

OPTIONS, VALIDATION = "Options", "Validation and choice of the basis"
HELD_OUT_SHARE = 0.1


@dataclass(frozen=True)
class Budget:
    """Limits of a search: functions of a candidate and its µs per atom and core, and seconds of the whole search."""

    functions: float = math.inf
    microseconds: float = math.inf
    seconds: float = math.inf

    @classmethod
    def parse(cls, text: str | float) -> Budget:
        """Parse "500" functions, "5us" per atom, "120s", or several of them, "5us,120s"."""
        parts = [part.strip().replace("µs", "us").replace("μs", "us") for part in str(text).split(",")]
        limits: dict[str, float] = {}
        for part in parts:
            kind = "microseconds" if part.endswith("us") else "seconds" if part.endswith("s") else "functions"
            value = _positive(part.removesuffix("s").removesuffix("u") if kind != "functions" else part)
            if value is None or kind in limits:
                raise ValueError(
                    "a budget is a number of functions, 500, a time per atom, 5us, a time of the search, 120s, or "
                    f"several of them, '5us,120s', not {brief(text)}"
                )
            limits[kind] = value
        return cls(**limits)


def _positive(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number > 0 else None


class FileSettings(Section):
    """Files to read and write."""

    train: Files = Field(
        examples=["train.xyz"],
        description="Training structures: files of any format that ASE reads, folders, or patterns in quotes, "
        "'runs/*/OUTCAR'.",
    )
    output: Path = Field(
        examples=["model.acnn"],
        description="Model file to write, MODEL.acnn.",
        json_schema_extra=shown(panel=OPTIONS),
    )
    test: Files | None = Field(
        None, description="Held-out structures for a second error table.", json_schema_extra=shown(panel=OPTIONS)
    )
    add: Files | None = Field(
        None,
        description="More training structures; E0 and elements remain those of the training data.",
        json_schema_extra=shown(panel=OPTIONS),
    )
    checkpoint: Path | None = Field(
        None,
        description="File for the factorized equations: an interrupted fit continues from it, and its structures are "
        "not assembled again when others are added. Takes 4 p² bytes for p functions.",
        json_schema_extra=shown(panel=OPTIONS),
    )
    json_file: Path | None = Field(
        None,
        alias="json",
        description="Write basis size, cost and errors as JSON.",
        json_schema_extra=shown(panel=OPTIONS),
    )
    overwrite: bool = Field(
        False,
        description="Replace existing output files.",
        json_schema_extra=shown(panel=OPTIONS),
    )


class ValidationSettings(Section):
    """How to test a model, and how to choose a basis."""

    split: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Share of every config type that is predicted by a fit without it; the model is then fitted to all "
        "data. The only structures of their kind are never held out. 0: none.",
        json_schema_extra=shown("0.1 of 10 structures and more, unless test, cv or checkpoint is given", VALIDATION),
    )
    cv: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Also predict every structure with a fit without its fold; the number of folds: 5.",
        json_schema_extra=shown(panel=VALIDATION),
    )
    learning_curve: bool = Field(
        False,
        description="Also fit 1/32, 1/16 … of the training data: errors on test, or on what is held out, by size.",
        json_schema_extra=shown(panel=VALIDATION),
    )
    select: Literal["evidence", "bic", "cv"] | None = Field(
        None,
        description="Choose cutoff, order, degrees of the orders, up to those given, and w_L: evidence (no test set "
        "needed), bic (small models), or cv (held-out folds). Table and plot show errors and µs/atom of the "
        "candidates.",
        json_schema_extra=shown(panel=VALIDATION),
    )
    select_cutoffs: tuple[Cutoff, ...] | None = Field(
        None,
        min_length=1,
        description="Cutoffs for select in Å, '4.5,5.5'.",
        json_schema_extra=shown("0.85, 1 and 1.15 × cutoff, or as without select if no basis is given", VALIDATION),
    )
    budget: str | float | None = Field(
        None,
        description="Limits for select: functions, 500, µs per atom and core on this machine, 5us, and seconds of the "
        "search, 120s, or several, '5us,120s'.",
        json_schema_extra=shown(panel=VALIDATION),
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Random seed of split, cv, learning_curve and the committee.",
        json_schema_extra=shown(panel=VALIDATION),
    )

    @field_validator("select_cutoffs", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return listed(value)

    @model_validator(mode="after")
    def _of_select(self) -> ValidationSettings:
        if self.cv and (self.learning_curve or self.split):
            other = "learning_curve" if self.learning_curve else "split"
            raise ValueError(f"cv and {other} divide the training data in different ways: give one of them")
        if self.select is None and (self.budget is not None or self.select_cutoffs is not None):
            raise ValueError("budget and select_cutoffs apply only with select: choose evidence, bic or cv")
        if self.budget is not None:
            Budget.parse(self.budget)
        return self


OPEN = "by the evidence, if none of order, degree and wl is given; otherwise"


class FitSettings(FittedLabelSettings, LinearSettings, ValidationSettings, FileSettings):
    """All settings of ``acnn fit``, in Å and eV; ``acnn fit --settings`` prints them."""

    order: Order | None = Field(  # type: ignore[assignment]
        None, description="Correlation order (body order − 1).", json_schema_extra=shown(f"{OPEN} 3", BASIS)
    )
    degree: Degrees | None = Field(  # type: ignore[assignment]
        None,
        description="Total degree Σ(n + w_L l): one number, or one per order '14,12,10'.",
        json_schema_extra=shown(f"{OPEN} 12", BASIS),
    )
    wl: AngularWeight | None = Field(  # type: ignore[assignment]
        None,
        description="Weight w_L of the angular degree; larger: fewer angles.",
        json_schema_extra=shown(f"{OPEN} 1.5", BASIS),
    )
    cutoff: Cutoff | None = Field(  # type: ignore[assignment]
        None, description="Cutoff radius in Å.", json_schema_extra=shown(f"{OPEN} 5.5", BASIS)
    )

    elements: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Chemical symbols, 'Ti,Al'.",
        json_schema_extra=shown("those of the data", BASIS),
    )
    virial_offset: Literal["auto", "fit", "none"] = Field(
        "auto",
        description="Virials that differ from what the energies say by a constant per atom of each element, as Pulay "
        "stress makes them: fit: determine the constants, which the model does not contain; none: take virials as they "
        "are; auto: fit where the evidence demands it.",
        json_schema_extra=shown(panel=REGRESSION),
    )
    committee: int = Field(
        0,
        ge=0,
        le=1000,
        description="Store this many samples of the posterior in the model, from which acnn evaluate --uncertainty and "
        "the ASE calculator compute standard deviations. 8 to 32 are usual.",
        json_schema_extra=shown(panel=REGRESSION),
    )

    uncertainty: Literal["posterior", "pops"] = Field(
        "posterior",
        description="What the committee samples. posterior: coefficients as uncertain as the data leave them; "
        "pops: coefficients that fit single equations exactly, which reflect that no coefficients fit all of them.",
        json_schema_extra=shown(panel=REGRESSION),
    )
    gamma: bool = Field(
        False,
        description="Store the sites that span the training data, from which the ASE calculator and LAMMPS compute "
        "extrapolation grades γ: above 1 an atom is outside the data, above 10 far outside.",
        json_schema_extra=shown(panel=REGRESSION),
    )

    @field_validator("elements", mode="before")
    @classmethod
    def _elements_listed(cls, value: Any) -> Any:
        """Take "Ti,Al" as a list."""
        return listed(value)

    @model_validator(mode="after")
    def _uncertainty_of_a_committee(self) -> FitSettings:
        if self.uncertainty != "posterior" and not self.committee:
            raise ValueError(f"uncertainty {self.uncertainty} needs a committee: give committee 16, for example")
        return self

    @model_validator(mode="after")
    def _files_of_the_validation(self) -> FitSettings:
        if self.checkpoint and (self.split or self.cv or self.learning_curve):
            raise ValueError(
                "a checkpoint holds all equations in one factor, so it cannot be combined with split, cv or "
                "learning_curve"
            )
        if self.learning_curve and not (self.test or self.held_out_share):
            raise ValueError("learning_curve needs held-out structures: give test, or another split than 0")
        return self

    @property
    def basis_is_open(self) -> bool:
        """Whether the data decide on order, degrees and w_L."""
        return (
            all(value is None for value in (self.order, self.degree, self.wl, self.pair_cutoff)) and not self.overrides
        )

    @property
    def criterion(self) -> str | None:
        """By which a basis is chosen; None if it is given."""
        return self.select or ("evidence" if self.basis_is_open else None)

    @property
    def held_out_share(self) -> float:
        """Share of the training data to hold out."""
        if self.split is not None:
            return self.split
        return 0.0 if self.test or self.cv or self.checkpoint else HELD_OUT_SHARE

    @property
    def selection_plot(self) -> Path | None:
        """Beside the model."""
        return self.output.with_suffix(".selection.png") if self.select else None

    @property
    def learning_plot(self) -> Path | None:
        """Beside the model."""
        return self.output.with_suffix(".learning.png") if self.learning_curve else None


KEYS = keys_at(FitSettings, [])


def read_settings(path: Path | None, given: Mapping[str, Any]) -> FitSettings:
    """Read settings from a YAML file (or none), overridden by those given on the command line."""
    values = read_mapping(path, "cutoff: 5.5") if path else {}
    for key in values:
        if key not in KEYS:
            raise SettingsError(f"{path}: unknown key {brief(key)}: did you mean {nearest(key, KEYS)!r}?")
    values.update({key: value for key, value in given.items() if value is not None})
    for key in ("train", "output"):
        if key not in values:
            raise SettingsError(f"{key!r} is missing: acnn fit TRAIN.xyz -o MODEL.acnn")
    return fit_settings(values)


def fit_settings(values: FitSettings | Mapping[str, Any]) -> FitSettings:
    """Return validated settings.

    Raises:
        SettingsError: what is wrong, in a sentence.
    """
    settings: FitSettings = validated(FitSettings, values)
    return settings
