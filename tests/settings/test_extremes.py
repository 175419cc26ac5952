"""Every setting of fits and trainings alone, at its extremes and in odd types: a sentence that names it, or it works.

The settings are found in the classes themselves, so that a new one is tried, too.
"""

from __future__ import annotations

import json
import math
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import ase.io
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from acnn.basis.specification import ElementOverride
from acnn.fit.job import run_fit
from acnn.fit.report import FitReport
from acnn.settings.base import SettingsError
from acnn.settings.fit import FitSettings, read_settings
from acnn.settings.linear import LinearPartSettings
from acnn.settings.messages import section_of
from acnn.settings.solver import SOLVER_OPTIONS
from acnn.settings.train import TrainSettings, train_settings

LONGEST_SENTENCE = 600
NUMBERS = [0, -1, 1e-300, 1e300, 10**12, math.inf, -math.inf, math.nan, 1000, True]
TEXTS = ["1:30", "1e3", "nan", "", " ", "x" * 100_000, "["]
NESTED: list[Any] = [
    [],
    [[]],
    [1, [2]],
    [1e-300] * 3,
    [math.inf],
    ["Cu"] * 10_000,
    {},
    {"Cu": 1e-12},
    {"Cu": {"order": 9}},
]
ODD = [*NUMBERS, *TEXTS, *NESTED, {"x" * 100_000: 1}, None]


def deep() -> list[Any]:
    """As deep as a file of YAML may be."""
    value: list[Any] = []
    for _ in range(200):
        value = [value]
    return value


class Setting(NamedTuple):
    """A setting by its dotted name."""

    name: str
    field: FieldInfo


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    for name, field in model.model_fields.items():
        dotted, inner = f"{prefix}{field.alias or name}", section_of(field)
        yield Setting(dotted, field)
        if inner is not None and field.annotation == inner:
            yield from settings_of(inner, f"{dotted}.")


def bounds(field: FieldInfo) -> list[float]:
    """Limits of the numbers in a setting."""
    found: list[float] = []

    def look(metadata: Any) -> None:
        for entry in (entry for item in metadata for entry in getattr(item, "metadata", [item])):
            found.extend(getattr(entry, kind) for kind in ("ge", "gt", "le", "lt") if hasattr(entry, kind))

    def walk(annotation: Any) -> None:
        look(getattr(annotation, "__metadata__", ()))
        for part in typing.get_args(annotation) if typing.get_origin(annotation) is not Literal else ():
            walk(part)

    look(field.metadata)
    walk(field.annotation)
    return found


def nested(name: str, value: Any) -> dict[str, Any]:
    """{"training": {"epochs": 1}} from "training.epochs"."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: merged(base[key], more[key])
        for key in base
        if isinstance(base[key], dict) and isinstance(more.get(key), dict)
    }
    return base | more | both


FIT = {"train": "t.xyz", "output": "m.acnn"}
OF_FIT = list(settings_of(FitSettings))
OF_OVERRIDES = [Setting(f"overrides.Cu.{one.name}", one.field) for one in settings_of(ElementOverride)]
OF_TRAINING = [one for one in settings_of(TrainSettings) if one.name not in ("data", "output")]
OF_LINEAR = [Setting(f"linear.{one.name}", one.field) for one in settings_of(LinearPartSettings)]


COMPANIONS: dict[str, dict[str, Any]] = {
    **{option: {"solver": solver} for option, (solver, _) in SOLVER_OPTIONS.items()},
    "select_cutoffs": {"select": "bic"},
    "budget": {"select": "bic"},
    "learning_curve": {"split": 0.5},
    "plateau_factor": {"training": {"schedule": "plateau"}},
    "plateau_wait": {"training": {"schedule": "plateau"}},
    "final_learning_rate": {"training": {"learning_rate": 1.0}},
    "deltas": {"training": {"loss": {"kind": "huber"}}},
}
"""What a setting needs to mean something."""
TOO_LONG = {"degree": 8, "cutoff": 8, "pair_cutoff": 8, "select_cutoffs": 0, "cv": 0, "split": 0}
"""Values above these are not run; they are only a matter of time."""


def with_companions(base: dict[str, Any], setting: Setting) -> dict[str, Any]:
    section, _, option = setting.name.rpartition(".")
    companions = COMPANIONS.get(option, {})
    return merged(base, nested(section, companions) if section == "linear" else companions)


def tried(read: Any, base: dict[str, Any], setting: Setting, value: Any) -> Any:
    """The settings, or None where a sentence names the setting."""
    try:
        return read(merged(with_companions(base, setting), nested(setting.name, value)))
    except SettingsError as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) < LONGEST_SENTENCE
        assert setting.name.split(".")[-1].removeprefix("ard_") in said, said
        return None


def read_fit(values: dict[str, Any]) -> FitSettings:
    return read_settings(None, values)


@pytest.mark.parametrize("setting", [*OF_FIT, *OF_OVERRIDES], ids=lambda s: s.name)
def test_odd_values_of_a_fit_are_told(setting: Setting) -> None:
    for value in [*ODD, deep()]:
        tried(read_fit, FIT, setting, value)


@pytest.mark.parametrize("setting", [*OF_TRAINING, *OF_LINEAR], ids=lambda s: s.name)
def test_odd_values_of_a_training_are_told(setting: Setting) -> None:
    base = {"data": {"train": "t.xyz"}, "output": {"model": "m.acnn"}}
    for value in [*ODD, deep()]:
        tried(train_settings, base, setting, value)


def limits(setting: Setting) -> list[Any]:
    """Numbers at the limits of a setting, alone and as a pair; those that only take long are left out."""
    most = TOO_LONG.get(setting.name.split(".")[-1], math.inf)
    return [value for n in dict.fromkeys(bounds(setting.field)) if n <= most for value in (n, [n, n])]


def works(run: Any) -> None:
    """It runs without a number that is none, and without a warning of arithmetic; or a sentence says why not."""
    said = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            run()
        except (ValueError, OSError) as error:
            said = str(error)
    assert "\n" not in said
    assert len(said) < LONGEST_SENTENCE


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rattled cells labeled by EMT."""
    path, rng = tmp_path_factory.mktemp("copper") / "cu.xyz", np.random.default_rng(0)
    structures = []
    for _ in range(2):
        atoms = bulk("Cu", "fcc", 3.6) * (2, 1, 1)
        atoms.positions += rng.normal(scale=0.05, size=(2, 3))
        computed = atoms.copy()
        computed.calc = EMT()
        atoms.info["REF_energy"] = computed.get_potential_energy()
        atoms.arrays["REF_forces"] = computed.get_forces()
        structures.append(atoms)
    ase.io.write(path, structures)
    return path


NUMERIC_OF_FIT = [one for one in [*OF_FIT, *OF_OVERRIDES] if limits(one)]


@pytest.mark.parametrize("setting", NUMERIC_OF_FIT, ids=lambda s: s.name)
def test_extremes_that_a_fit_accepts_work(setting: Setting, copper: Path, tmp_path: Path) -> None:
    base = {"train": copper, "output": tmp_path / "m.acnn", "order": 2, "degree": 4, "cutoff": 3.0, "e0": "Cu=0"}
    for value in limits(setting):
        settings = tried(read_fit, base, setting, value)
        if settings is not None:
            works(lambda s=settings: require_finite(run_fit(s)))


def require_finite(report: FitReport) -> None:
    assert torch.isfinite(report.fit.model.coefficients).all()
    json.dumps(report.metrics(), allow_nan=False)
