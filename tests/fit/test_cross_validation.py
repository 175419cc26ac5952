"""Errors on structures a fit has not seen: those of fits made without them."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.dataset import Dataset, read_dataset
from acnn.data.splits import folds, growing, holdout, replaceable
from acnn.evaluation.metrics import ErrorTable, evaluate
from acnn.fit.job import run_fit
from acnn.fit.linear import chosen, fit_linear
from acnn.fit.report import FitReport
from acnn.settings.base import SettingsError
from acnn.settings.fit import read_settings
from acnn.solvers import BLR, AlgebraicPrior
from acnn.wording import CROSS_VALIDATION, HELD_OUT

SMALL = {"order": 2, "degree": 5, "cutoff": 4.5, "e0": "Cu=0", "repulsion": 0}
ERROR = {"rel": 1e-5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    ase.io.write(folder / "train.xyz", [copper(k, "hot" if k % 3 else "cold") for k in range(20)] + [atom()])
    ase.io.write(folder / "test.xyz", [copper(100 + k, "hot") for k in range(4)])
    return folder


def copper(seed: int, config_type: str) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.6)
    atoms.rattle(0.15 if config_type == "hot" else 0.05, seed=seed)
    atoms.calc = EMT()
    atoms.info = {"REF_energy": atoms.get_potential_energy(), "config_type": config_type}
    atoms.arrays["REF_forces"] = atoms.get_forces()
    atoms.calc = None
    return atoms


def atom() -> Atoms:
    return Atoms("Cu", info={"REF_energy": 0.0, "config_type": "isolated_atom"})


def run(folder: Path, **settings: object) -> FitReport:
    files = {"train": folder / "train.xyz", "output": folder / "m.acnn", "overwrite": True}
    return run_fit(read_settings(None, {**files, **SMALL, **settings}))


def by_hand(report: FitReport, train: list, test: list) -> dict[str, float]:
    specification = report.fit.model.basis.specification
    fit = fit_linear(specification, train, {"Cu": 0.0}, BLR(), AlgebraicPrior())
    return evaluate(fit.model, test).as_dict()["total"]


@pytest.fixture(scope="module")
def data(folder: Path) -> Dataset:
    return read_dataset(folder / "train.xyz")


def same(found: dict, expected: dict) -> None:
    for quantity in ("energy", "forces"):
        assert found[f"{quantity}_rmse"] == pytest.approx(expected[f"{quantity}_rmse"], **ERROR)
        assert found[f"{quantity}_count"] == expected[f"{quantity}_count"]


def test_cross_validation_predicts_every_structure_by_a_fit_without_it(folder, data):
    report = run(folder, cv=4, seed=3)
    parts, tables = folds(data.structures, 4, 3), []
    for fold in range(4):
        fit = fit_linear(
            report.fit.model.basis.specification,
            chosen(data.structures, parts != fold),
            {"Cu": 0.0},
            BLR(),
            AlgebraicPrior(),
        )
        tables.append(evaluate(fit.model, chosen(data.structures, parts == fold)))
    same(report.errors[CROSS_VALIDATION].as_dict()["total"], ErrorTable.merged(tables).as_dict()["total"])
    whole = run(folder)  # the model is that of all structures
    assert report.fit.solution.log_evidence == pytest.approx(whole.fit.solution.log_evidence, rel=1e-8)


@pytest.mark.parametrize(("given", "share"), [({"split": 0.25, "seed": 1}, 0.25), ({}, 0.1)])
def test_what_is_held_out_is_predicted_by_a_fit_without_it_and_in_the_model(folder, data, given, share):
    report = run(folder, **given)
    held = holdout(data.structures, share, report.settings.seed, among=replaceable(data.structures))
    expected = by_hand(report, chosen(data.structures, ~held), chosen(data.structures, held))
    same(report.errors[HELD_OUT].as_dict()["total"], expected)
    assert report.held_out_note == ""
    whole = run(folder, split=0)
    assert HELD_OUT not in whole.errors
    assert report.fit.n_rows == whole.fit.n_rows
    assert report.fit.solution.log_evidence == pytest.approx(whole.fit.solution.log_evidence, rel=1e-8)


def test_why_nothing_is_held_out(folder, data):
    assert "a checkpoint keeps all equations" in run(folder, checkpoint=folder / "all.factor").held_out_note
    few = folder / "few.xyz"
    ase.io.write(few, ase.io.read(folder / "train.xyz", ":9"))
    report = run(folder, train=few)
    assert "9 structures, which are fewer than 10" in report.held_out_note
    assert HELD_OUT not in report.errors
    assert run(folder, train=few, split=0.2).errors[HELD_OUT].as_dict()["total"]["energy_count"] == 1
    kinds = folder / "kinds.xyz"
    ase.io.write(kinds, [copper(k, f"kind {min(k, 8)}") for k in range(12)])
    assert "only ones of their config type" in run(folder, train=kinds).held_out_note
    assert run(folder, test=folder / "test.xyz").held_out_note == ""


def test_a_learning_curve_without_test_data_predicts_what_no_fit_of_it_has_seen(folder, data):
    report = run(folder, learning_curve=True)
    held = holdout(data.structures, 0.1, among=replaceable(data.structures))
    same(report.learning_curve[-1], report.errors[HELD_OUT].as_dict()["total"])
    assert report.learning_curve[-1]["structures"] == len(data) - held.sum()
    half = chosen(data.structures, ~held)
    half = chosen(half, growing(half) < 5)
    same(report.learning_curve[-2], by_hand(report, half, chosen(data.structures, held)))
    assert report.fit.n_rows > report.learning_curve[-1]["equations"]


def test_a_learning_curve_ends_at_the_fit_of_all(folder, data):
    report = run(folder, test=folder / "test.xyz", learning_curve=True)
    curve = report.learning_curve
    assert curve[-1]["structures"] == len(data)
    same(curve[-1], report.errors["test"].as_dict()["total"])
    half = chosen(data.structures, growing(data.structures) < 5)
    same(curve[-2], by_hand(report, half, list(read_dataset(folder / "test.xyz"))))
    assert curve[-2]["structures"] == len(half) == 11  # ten and the atom


def test_the_command_shows_candidates_and_curves(folder):
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    output = folder / "cli.acnn"
    arguments = ["fit", str(folder / "train.xyz"), "-o", str(output), "--json", str(folder / "cli.json")]
    arguments += ["--order", "2", "--degree", "8", "--cutoff", "4.5", "--e0", "Cu=0"]
    arguments += ["--select", "evidence", "--select-cutoffs", "4.5,5", "--split", "0.2", "--learning-curve"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "chosen by evidence" in done.stdout
    assert "learning curve" in done.stdout
    told = json.loads((folder / "cli.json").read_text())
    (best,) = [c for c in told["selection"] if c["is_chosen"]]
    assert best["evidence"] == max(c["evidence"] for c in told["selection"])
    assert {c["cutoff"] for c in told["selection"]} == {4.5, 5.0}
    assert best["n_functions"] == told["n_basis"]
    for name in ("cli.selection.png", "cli.learning.png"):
        assert (folder / name).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cv": 3, "learning_curve": True, "split": 0.1}, "in different ways"),
        ({"cv": 3, "split": 0.1}, "in different ways"),
        ({"cv": 3, "checkpoint": "f"}, "a checkpoint holds all equations"),
        ({"split": 0.1, "checkpoint": "f"}, "a checkpoint holds all equations"),
        ({"learning_curve": True, "split": 0}, "needs held-out structures"),
        ({"budget": "100"}, "apply only with select"),
        ({"select": "evidence", "budget": "much"}, "a budget is"),
        ({"select": "luck"}, "select = 'luck'"),
    ],
)
def test_settings_that_contradict_each_other(folder, settings, says):
    with pytest.raises(SettingsError, match=says):
        run(folder, **settings)
