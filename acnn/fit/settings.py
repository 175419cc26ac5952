"""Settings of a fit: every command-line flag of ``acnn fit`` is a key of the YAML file, and the other way round."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.data.weights import WeightTable
from acnn.fit.priors import Prior, parse_prior
from acnn.fit.solvers import BLR, QR, Solver


class SettingsError(ValueError):
    """Settings that cannot be used, said in one sentence."""


class Override(BaseModel):
    """Settings of one center element that differ from the others'."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order: int | None = Field(None, ge=1, le=5)
    degree: float | tuple[float, ...] | None = None
    wl: float | None = Field(None, gt=0)


class FitSettings(BaseModel):
    """What ``acnn fit`` needs to know; units are Å and eV. See ``acnn fit --help``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: Path
    output: Path
    test: Path | None = None
    add: Path | None = None
    checkpoint: Path | None = None
    elements: tuple[str, ...] | None = None
    order: int = Field(3, ge=1, le=5)
    degree: float | tuple[float, ...] = 12.0
    wl: float = Field(1.5, gt=0)
    cutoff: float = Field(5.5, gt=0)
    pair_cutoff: float | None = Field(None, gt=0)
    pair_degree: int | None = Field(None, ge=0)
    formulation: Literal["pure2b", "self_interacting"] = "pure2b"
    bond_lengths: dict[str, float] = {}
    overrides: dict[str, Override] = {}
    transform: tuple[float, float] = (2.0, 4.0)
    pair_transform: tuple[float, float] = (1.0, 3.0)
    jacobi: tuple[float, float] = (0.0, 0.0)
    zbl: bool = False
    solver: Literal["blr", "qr"] = "blr"
    tikhonov: float = Field(0.0, ge=0)
    prior: str = "algebraic:4"
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

    @field_validator("elements", "degree", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """ "Ti,Al" and "12,12,8" as lists."""
        if isinstance(value, str):
            parts = [part for part in value.replace(",", " ").split() if part]
            return parts[0] if len(parts) == 1 and _is_number(parts[0]) else tuple(parts)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> FitSettings:
        parse_prior(self.prior, self.wl)
        if self.tikhonov > 0 and self.solver != "qr":
            raise ValueError("tikhonov belongs to solver qr; blr finds the regularization by itself")
        if self.e0 is not None:
            explicit_energies(self.e0)
        if self.virial_key and self.stress_key:
            raise ValueError("give virial_key or stress_key, not both")
        return self

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
            bond_lengths=self.bond_lengths,
            overrides={
                element: ElementOverride(order=o.order, total_degree=o.degree, wl=o.wl)
                for element, o in self.overrides.items()
            },
            transform=self.transform,
            pair_transform=self.pair_transform,
            jacobi=self.jacobi,
        )

    def make_solver(self) -> Solver:
        return QR(self.tikhonov) if self.solver == "qr" else BLR()

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


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"there is no settings file {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path} is not readable YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must map settings to values, such as 'cutoff: 5.5'")
    named = {str(key).replace("-", "_"): value for key, value in values.items()}
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
