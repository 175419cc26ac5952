"""Settings of a fit: every command-line flag of ``acnn fit`` is a key of the YAML file, and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from acnn.basis.radial import transform_lengths
from acnn.basis.specification import (
    AngularWeight,
    BasisSpecification,
    BondLength,
    Cutoff,
    Degrees,
    ElementOverride,
    Exponents,
    Formulation,
    JacobiExponents,
    Order,
)
from acnn.basis.strict import Strict, unset
from acnn.data.weights import WeightTable
from acnn.data.yaml_text import load_yaml
from acnn.fit.candidates import Budget
from acnn.fit.messages import keys_at, nearest, sentences, shown
from acnn.solvers import ARD, BLR, LSQR, QR, RRQR, Prior, Solver
from acnn.solvers.ard import parse_threshold
from acnn.solvers.priors import parse_prior

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


class Override(Strict):
    """Settings of one center element that differ from the others'."""

    order: Order | None = Field(None, description="Correlation order.", json_schema_extra=unset("as order"))
    degree: Degrees | None = Field(None, description="Total degree.", json_schema_extra=unset("as degree"))
    wl: AngularWeight | None = Field(
        None, description="Weight w_L of the angular degree.", json_schema_extra=unset("as wl")
    )

    @field_validator("degree", mode="before")
    @classmethod
    def _one_or_listed(cls, value: Any) -> Any:
        return one_or_listed(value)


LARGEST_E0 = 1e7
"""eV, in size: more than all electrons of the heaviest atom."""
E0 = Annotated[float, Field(ge=-LARGEST_E0, le=LARGEST_E0)]


class FitSettings(Strict):
    """What ``acnn fit`` needs to know; units are Å and eV. ``acnn fit --settings`` prints all of them."""

    train: Path = Field(examples=["train.xyz"], description="Training structures, extended XYZ.")
    output: Path = Field(examples=["model.acnn"], description="Model file to write, MODEL.acnn.")
    test: Path | None = Field(None, description="Held-out structures for a second error table.")
    add: Path | None = Field(
        None, description="More training structures; E0 and elements stay those of the training data."
    )
    checkpoint: Path | None = Field(
        None,
        description="File for the factorized equations: a killed fit goes on from there, and what it holds is not "
        "assembled again when more structures are added. Takes 4 p² bytes for p functions.",
    )
    json_file: Path | None = Field(None, alias="json", description="Write basis size, cost and errors as JSON.")
    overwrite: bool = Field(False, description="Replace the model file also where it holds no linear model.")
    kernel: Literal["auto", "cpu", "torch"] | None = Field(
        None,
        description="cpu: the compiled kernel; torch: the reference, slow; auto.",
        json_schema_extra=unset("ACNN_KERNEL, else auto"),
    )
    split: float | None = Field(
        None, gt=0, lt=1, description="Share of every config type to hold out of the training data and test on, 0.1."
    )
    cv: int | None = Field(
        None, ge=2, le=1000, description="Also predict every structure by a fit without its fold, of so many: 5."
    )
    learning_curve: bool = Field(
        False,
        description="Also fit 1/32, 1/16 … of the training data: errors on test or split by training size.",
    )
    select: Literal["evidence", "bic", "cv"] | None = Field(
        None,
        description="Choose order and degree, up to those given, and cutoff: evidence (no test set needed), bic (small "
        "models), or cv (held-out folds). Table and plot show errors and µs/atom of the candidates.",
    )
    select_cutoffs: tuple[Cutoff, ...] | None = Field(
        None,
        min_length=1,
        description="Cutoffs for select in Å, '4.5,5.5'.",
        json_schema_extra=unset("0.85, 1 and 1.15 × cutoff"),
    )
    budget: str | float | None = Field(None, description="Limit for select: functions, 500, or seconds, 120s.")
    seed: int = Field(0, ge=0, lt=2**32, description="Of split, cv and learning_curve, and of the committee.")
    elements: tuple[str, ...] | None = Field(
        None, min_length=1, description="Chemical symbols, 'Ti,Al'.", json_schema_extra=unset("those of the data")
    )
    order: Order = Field(3, description="Correlation order (body order − 1).")
    degree: Degrees = Field(12.0, description="Total degree Σ(n + w_L l): one number, or one per order '14,12,10'.")
    wl: AngularWeight = Field(1.5, description="Weight w_L of the angular degree; larger: fewer angles.")
    cutoff: Cutoff = Field(5.5, description="Cutoff radius in Å.")
    pair_cutoff: Cutoff | None = Field(
        None, description="Cutoff radius of the pair part in Å.", json_schema_extra=unset("as cutoff")
    )
    pair_degree: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Functions in the pair part; 0: none.",
        json_schema_extra=unset("degree of order 1"),
    )
    formulation: Formulation = Field(
        "pure2b",
        description="pure2b: products vanish for a single neighbor, pairs have functions of their own. canonical: "
        "those of order ν vanish for fewer than ν neighbors (a true many-body expansion). self_interacting: plain "
        "products, which vanish for no neighbor only.",
    )
    zbl: bool = Field(False, description="Add screened nuclear repulsion (ZBL) below the bond length.")
    bond_lengths: dict[str, BondLength] = Field(
        {},
        description="r0 in Å of the transform of distances, by element or pair, {H: 1.2, Al-Ti: 2.7}.",
        json_schema_extra=unset("bond lengths, at least 0.35 × cutoff"),
    )
    overrides: dict[str, Override] = Field(
        {}, description="Order, degree and wl of functions centered on single elements, {Al: {degree: 8}}."
    )
    transform: Exponents = Field(
        (2.0, 4.0), description="Exponents p ≤ q of the Agnesi transform of distances, many-body part."
    )
    pair_transform: Exponents = Field((1.0, 3.0), description="Exponents p ≤ q of that of the pair part.")
    jacobi: JacobiExponents = Field((0.0, 0.0), description="α and β of the radial polynomials; 0, 0: Legendre.")
    solver: Literal["blr", "qr", "rrqr", "lsqr", "ard"] = Field(
        "blr",
        description="blr: finds the regularization by maximizing the evidence. ard: as blr, with one prior per "
        "function, and drops functions the data do not support: smaller, faster models. qr: ridge regression with "
        "tikhonov. rrqr: drops directions below rtol. lsqr: iterative, with damp and atol.",
    )
    slack: float | None = Field(
        None,
        ge=1,
        le=1000,
        description="blr: the smoothest coefficients whose residual is so many times that of the most probable ones, "
        "such as 2: less accurate on the data, safer beyond them.",
        json_schema_extra=unset("1"),
    )
    tikhonov: float | None = Field(
        None,
        ge=0,
        le=1e12,
        description="qr: λ of ‖y − Ac‖² + λ‖Γc‖²; larger: smoother, worse on the data.",
        json_schema_extra=unset("0"),
    )
    rtol: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="rrqr: leave out what the data determine less than rtol times the best-determined direction.",
        json_schema_extra=unset("1e-8"),
    )
    damp: float | None = Field(
        None, ge=0, le=1e6, description="lsqr: square root of the λ of tikhonov.", json_schema_extra=unset("1e-5")
    )
    atol: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="lsqr: relative accuracy at which it stops; larger: sooner, smoother.",
        json_schema_extra=unset("1e-8"),
    )
    ard_threshold: str | float | None = Field(
        None,
        description="ard: which functions stay. bic: minimize the Bayesian information criterion; a number: "
        "coefficients so many standard deviations from zero; relevance: 2 of them.",
        json_schema_extra=unset("bic"),
    )
    prior: str = Field(
        "algebraic:4",
        description="Smoothness prior, which holds back functions of large n and l: algebraic:P, γ = Σ(n^P + w_L l^P); "
        "exponential:A, exp(A Σ(n + w_L l)); gaussian:S, exp(S Σ(n² + w_L l²)); identity.",
    )
    committee: int = Field(
        0,
        ge=0,
        le=1000,
        description="Store so many samples of the posterior in the model: acnn evaluate --uncertainty and the ASE "
        "calculator then tell standard deviations. 8 to 32 are usual.",
    )
    repulsion: float = Field(
        0.3,
        ge=0,
        le=1000,
        description="Weight of the restraint to nuclear repulsion (ZBL) of what is closer than any atoms in the data; "
        "0: none.",
    )
    e0: str | dict[str, E0] | None = Field(
        None,
        description="Energies of isolated atoms: isolated (those in the data), lstsq, or values in eV 'Si=-0.8'.",
        json_schema_extra=unset("isolated atoms if there are, else lstsq"),
    )
    weights: Path | dict[str, dict[str, float]] | None = Field(
        None,
        description="Weights by config type, {default: {E: 30, F: 1, V: 1}, liquid: {E: 10}}, or a YAML file of them.",
        json_schema_extra=unset("E 30, F 1, V 1"),
    )
    energy_key: str | None = Field(
        None,
        description="Energy, eV per cell; or several, REF_energy,energy. Usual names are found.",
        json_schema_extra=unset("a usual name"),
    )
    forces_key: str | None = Field(None, description="Forces, eV/Å.", json_schema_extra=unset("a usual name"))
    virial_key: str | None = Field(None, description="Virial −dE/dε, eV.", json_schema_extra=unset("a usual name"))
    stress_key: str | None = Field(
        None, description="Stress, eV/Å³, positive under tension (ASE).", json_schema_extra=unset("a usual name")
    )
    max_force: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Leave out structures with a larger force, eV/Å.",
        json_schema_extra=unset("a force above 1000 eV/Å is an error"),
    )
    drop_nan: bool = Field(
        False, description="Leave out labels that are NaN or infinite, one by one, instead of refusing the data."
    )

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
        if isinstance(self.weights, dict):
            WeightTable.from_mapping(self.weights)
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
            raise ValueError("learning_curve is measured on other structures: give test, or split = 0.1")
        if self.select is None and (self.budget is not None or self.select_cutoffs is not None):
            raise ValueError("budget and select_cutoffs belong to select: choose evidence, bic or cv")
        if self.budget is not None:
            Budget.parse(self.budget)

    def specification(self, elements: tuple[str, ...]) -> BasisSpecification:
        values = {name: getattr(self, name) for name in BasisSpecification.model_fields if hasattr(self, name)} | {
            "elements": elements,
            "degree": self.degree,
            "bond_lengths": transform_lengths(elements, self.cutoff) | self.bond_lengths,
            "overrides": {
                element: ElementOverride(order=o.order, degree=o.degree, wl=o.wl)
                for element, o in self.overrides.items()
            },
        }
        try:
            return BasisSpecification.model_validate(values)
        except ValidationError as error:
            raise SettingsError(sentences(error, BasisSpecification, values)) from error

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
        raise SettingsError(sentences(error, FitSettings, values)) from error


def explicit_energies(e0: str | Mapping[str, float]) -> dict[str, float] | None:
    """E0 by element from "Si=-0.8,O=-1.2" or a mapping; None for the methods "isolated" and "lstsq"."""
    if isinstance(e0, Mapping):
        return {element: float(value) for element, value in e0.items()}
    if e0 in ("isolated", "lstsq"):
        return None
    pairs = [part.split("=") for part in e0.replace(",", " ").split()]
    if pairs and all(len(pair) == 2 and _is_energy(pair[1]) for pair in pairs):
        found = {element: float(value) for element, value in pairs}
        if len(found) == len(pairs):
            return found
    raise ValueError(f"e0 is isolated, lstsq, or energies in eV such as Si=-0.8,O=-1.2, not {shown(e0)}")


def read_mapping(path: Path, example: str) -> dict[str, Any]:
    """The settings in a YAML file; the example is for who wrote something else into it."""
    try:
        values = load_yaml(path.read_text(encoding="utf-8"))
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
            raise SettingsError(f"{path}: unknown key {shown(key)}: did you mean {nearest(key, KEYS)!r}?")
    return named


KEYS = keys_at(FitSettings, [])


def _is_energy(text: str) -> bool:
    try:
        return abs(float(text)) <= LARGEST_E0
    except ValueError:
        return False
