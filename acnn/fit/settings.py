"""Settings of a fit: every command-line flag of ``acnn fit`` is a key of the YAML file, and the other way round."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from acnn.basis.radial import transform_lengths
from acnn.basis.specification import BasisSpecification, ElementOverride, Formulation
from acnn.data.weights import WeightTable
from acnn.fit.iterative import LSQR
from acnn.fit.priors import Prior, parse_prior
from acnn.fit.relevance import ARD, parse_threshold
from acnn.fit.selection import Budget
from acnn.fit.solution import Solver
from acnn.fit.solvers import BLR, QR, RRQR

SOLVERS: dict[str, Callable[..., Solver]] = {"blr": BLR, "qr": QR, "rrqr": RRQR, "lsqr": LSQR, "ard": ARD}
SOLVER_OPTIONS = {  # setting: its solver, and the parameter there
    "slack": ("blr", "slack"),
    "tikhonov": ("qr", "regularization"),
    "rtol": ("rrqr", "rtol"),
    "damp": ("lsqr", "damp"),
    "atol": ("lsqr", "atol"),
    "ard_threshold": ("ard", "threshold"),
}


class SettingsError(ValueError):
    """Settings that cannot be used, said in one sentence."""


def listed(value: Any) -> Any:
    """The parts of a text, or a number, as a tuple."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return (value,) if isinstance(value, int | float) else value


def one_or_listed(value: Any) -> Any:
    """A text as a tuple of its parts, or as its only one."""
    parts = listed(value) if isinstance(value, str) else value
    return parts[0] if isinstance(value, str) and len(parts) == 1 else parts


class Override(BaseModel):
    """Settings of one center element that differ from the others'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: int | None = Field(None, ge=1, le=5)
    degree: float | tuple[float, ...] | None = None
    wl: float | None = Field(None, gt=0)

    @field_validator("degree", mode="before")
    @classmethod
    def _one_or_listed(cls, value: Any) -> Any:
        return one_or_listed(value)


class FitSettings(BaseModel):
    """What ``acnn fit`` needs to know; units are Å and eV. See ``acnn fit --help``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: Path
    output: Path
    test: Path | None = None
    add: Path | None = None
    checkpoint: Path | None = None
    split: float | None = Field(None, gt=0, lt=1)
    cv: int | None = Field(None, ge=2)
    learning_curve: bool = False
    select: Literal["evidence", "bic", "cv"] | None = None
    select_cutoffs: tuple[float, ...] | None = None
    budget: str | float | None = None
    seed: int = Field(0, ge=0)
    elements: tuple[str, ...] | None = None
    order: int = Field(3, ge=1, le=5)
    degree: float | tuple[float, ...] = 12.0
    wl: float = Field(1.5, gt=0)
    cutoff: float = Field(5.5, gt=0)
    pair_cutoff: float | None = Field(None, gt=0)
    pair_degree: int | None = Field(None, ge=0)
    formulation: Formulation = "pure2b"
    bond_lengths: dict[str, float] = {}
    overrides: dict[str, Override] = {}
    transform: tuple[float, float] = (2.0, 4.0)
    pair_transform: tuple[float, float] = (1.0, 3.0)
    jacobi: tuple[float, float] = (0.0, 0.0)
    zbl: bool = False
    solver: Literal["blr", "qr", "rrqr", "lsqr", "ard"] = "blr"
    slack: float | None = Field(None, ge=1, allow_inf_nan=False)
    tikhonov: float | None = Field(None, ge=0)
    rtol: float | None = Field(None, ge=0, lt=1)
    damp: float | None = Field(None, ge=0)
    atol: float | None = Field(None, ge=0, lt=1)
    ard_threshold: str | float | None = None
    prior: str = "algebraic:4"
    committee: int = Field(0, ge=0)
    repulsion: float = Field(0.3, ge=0)
    e0: str | dict[str, float] | None = None
    weights: Path | dict[str, dict[str, float]] | None = None
    energy_key: str | None = None
    forces_key: str | None = None
    virial_key: str | None = None
    stress_key: str | None = None
    max_force: float | None = Field(None, gt=0)
    kernel: Literal["auto", "cpu", "torch"] | None = None
    json_file: Path | None = Field(None, alias="json")

    @field_validator("elements", "select_cutoffs", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """ "Ti,Al" as a list, and one alone, too."""
        return listed(value)

    @field_validator("degree", mode="before")
    @classmethod
    def _one_or_listed(cls, value: Any) -> Any:
        """ "12" as a number, "12,12,8" as a list."""
        return one_or_listed(value)

    @model_validator(mode="after")
    def _consistent(self) -> FitSettings:
        parse_prior(self.prior, self.wl)
        for option, (solver, _) in SOLVER_OPTIONS.items():
            if getattr(self, option) is not None and self.solver != solver:
                raise ValueError(f"{option} belongs to solver {solver}, and the solver is {self.solver}")
        if self.ard_threshold is not None:
            parse_threshold(self.ard_threshold)
        if self.e0 is not None:
            explicit_energies(self.e0)
        if self.virial_key and self.stress_key:
            raise ValueError("give virial_key or stress_key, not both")
        self._check_validation()
        return self

    def _check_validation(self) -> None:
        if self.cv and self.learning_curve:
            raise ValueError("cv and learning_curve are two ways to cut the training data: give one of them")
        if self.checkpoint and (self.cv or self.learning_curve):
            raise ValueError("a checkpoint holds all equations in one factor: leave it out, or cv and learning_curve")
        if self.learning_curve and not (self.test or self.split):
            raise ValueError("a learning curve is measured on other structures: give test, or split = 0.1")
        if self.select is None and (self.budget is not None or self.select_cutoffs is not None):
            raise ValueError("budget and select_cutoffs belong to select: choose evidence, bic or cv")
        if self.budget is not None:
            Budget.parse(self.budget)
        if self.select_cutoffs is not None and not all(cutoff > 0 for cutoff in self.select_cutoffs):
            raise ValueError("select_cutoffs are distances in Å, larger than zero")

    def specification(self, elements: tuple[str, ...]) -> BasisSpecification:
        return BasisSpecification(
            elements=elements,
            order=self.order,
            total_degree=self.degree,
            wl=self.wl,
            cutoff=self.cutoff,
            pair_cutoff=self.pair_cutoff,
            pair_degree=self.pair_degree,
            formulation=self.formulation,
            bond_lengths=transform_lengths(elements, self.cutoff) | self.bond_lengths,
            overrides={
                element: ElementOverride(order=o.order, total_degree=o.degree, wl=o.wl)
                for element, o in self.overrides.items()
            },
            transform=self.transform,
            pair_transform=self.pair_transform,
            jacobi=self.jacobi,
        )

    def make_solver(self) -> Solver:
        given = {
            parameter: getattr(self, option)
            for option, (solver, parameter) in SOLVER_OPTIONS.items()
            if solver == self.solver and getattr(self, option) is not None
        }
        if "threshold" in given:
            given["threshold"] = parse_threshold(given["threshold"])
        return SOLVERS[self.solver](**given)

    def make_prior(self) -> Prior:
        return parse_prior(self.prior, self.wl)

    def weight_table(self) -> WeightTable:
        if self.weights is None:
            return WeightTable()
        if isinstance(self.weights, Path):
            return WeightTable.from_yaml(self.weights)
        return WeightTable.from_mapping(self.weights)


def read_settings(path: Path | None, given: Mapping[str, Any]) -> FitSettings:
    """Settings from a YAML file (or none), overridden by what was given on the command line."""
    values = _read_yaml(path) if path else {}
    values.update({key: value for key, value in given.items() if value is not None})
    for key in ("train", "output"):
        if key not in values:
            raise SettingsError(f"{key!r} is missing: acnn fit TRAIN.xyz -o MODEL.acnn")
    try:
        return FitSettings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("; ".join(dict.fromkeys(map(_sentence, error.errors())))) from error


def explicit_energies(e0: str | Mapping[str, float]) -> dict[str, float] | None:
    """E0 by element from "Si=-0.8,O=-1.2" or a mapping; None for the methods "isolated" and "lstsq"."""
    if isinstance(e0, Mapping):
        return {element: float(value) for element, value in e0.items()}
    if e0 in ("isolated", "lstsq"):
        return None
    pairs = [part.split("=") for part in e0.replace(",", " ").split()]
    if pairs and all(len(pair) == 2 and _is_number(pair[1]) for pair in pairs):
        return {element: float(value) for element, value in pairs}
    raise ValueError(f"e0 is isolated, lstsq, or energies in eV such as Si=-0.8,O=-1.2, not {e0!r}")


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """The settings in a YAML file; the example is for who wrote something else into it."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no settings file {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must map settings to values, such as {example!r}")
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def _read_yaml(path: Path) -> dict[str, Any]:
    named = read_mapping(path, "cutoff: 5.5")
    for key in named:
        if key not in KEYS:
            likely = difflib.get_close_matches(key, KEYS, n=1, cutoff=0.0)[0]
            raise SettingsError(f"{path}: unknown key {key!r}: did you mean {likely!r}?")
    return named


KEYS = tuple(field.alias or name for name, field in FitSettings.model_fields.items())


def _sentence(detail: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in detail["loc"][: 3 if detail["loc"][:1] == ("overrides",) else 1])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"{place} = {detail['input']!r}: unknown key{_nearest_override(str(detail['loc'][-1]), place)}"
    return f"{place} = {detail['input']!r}: {message}" if place else message


def _nearest_override(name: str, place: str) -> str:
    if not place.startswith("overrides."):
        return ""
    return f": did you mean {difflib.get_close_matches(name, Override.model_fields, n=1, cutoff=0.0)[0]!r}?"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
