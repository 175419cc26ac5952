"""`run_training` from files to files; a killed training goes on with the same numbers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import read_dataset
from acnn.evaluation.metrics import evaluate
from acnn.io.model_file import load_model, read_header, save_model
from acnn.locks import LockedError
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.settings.base import SettingsError
from acnn.settings.train import TrainSettings
from acnn.testing import random_model
from acnn.train.checkpoint import TrainingCheckpoint, TrainingCheckpointError
from acnn.train.initialization import Start, new_model
from acnn.train.job import Watcher, run_training
from acnn.train.linear_part import without_functions
from acnn.train.trainer import Course, EpochRecord, Trainer, TrainingError

MakeSettings = Callable[..., TrainSettings]


class Killed(Exception):
    """What a kill is to a test."""


def killer(epoch: int) -> Watcher:
    def on_epoch(record: EpochRecord, course: Course) -> None:
        if record.epoch == epoch:
            raise Killed

    return Watcher(on_epoch=on_epoch)


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "time (s)"} for row in csv.DictReader(file)]


def test_it_writes_model_log_checkpoint_and_metrics(make_settings: MakeSettings, copper: Path, tmp_path: Path) -> None:
    settings = make_settings(output={"json": tmp_path / "m.json"}, data={"test": copper})
    report = run_training(settings)
    metrics = json.loads((tmp_path / "m.json").read_text())
    header = read_header(settings.output.model)
    assert header["model_type"] == metrics["model_type"] == "attention"
    assert metrics["epochs"] == 4
    assert header["provenance"]["settings"]["training"]["batch_atoms"] == 12
    again = evaluate(load_model(settings.output.model), read_dataset(copper).structures).as_dict()
    assert again["total"]["forces_rmse"] == pytest.approx(metrics["test"]["total"]["forces_rmse"], rel=1e-9)
    log = lines(settings.output.log_file)
    assert [row["epoch"] for row in log] == ["1", "2", "3", "4"]
    assert float(log[metrics["best_epoch"] - 1]["score"]) == pytest.approx(metrics["best_score"], rel=1e-4)
    assert {"validation forces RMSE (meV/Å)", "validation forces MAE (meV/Å)"} <= log[0].keys()
    assert report.course.finished


def test_the_best_model_is_saved(make_settings: MakeSettings) -> None:
    """Its errors on the validation structures are those of the best line of the log, before energies level off."""
    settings = make_settings(training={"epochs": 6, "learning_rate": 0.05})
    report = run_training(settings)
    best = lines(settings.output.log_file)[report.course.best_epoch - 1]
    free = load_model(settings.output.model).without_bounds()
    found = evaluate(free, report.datasets["validation"].structures).as_dict()["total"]
    assert found["forces_rmse"] is not None
    assert 1000 * found["forces_rmse"] == pytest.approx(float(best["validation forces RMSE (meV/Å)"]), rel=1e-3)


@pytest.mark.parametrize(("schedule", "optimizer"), [("cosine", "muon"), ("plateau", "muon"), ("cosine", "adamw")])
@pytest.mark.parametrize("epoch", [1, 3])
def test_a_killed_training_goes_on_with_the_same_numbers(
    make_settings: MakeSettings, tmp_path: Path, epoch: int, schedule: str, optimizer: str
) -> None:
    waiting = {"plateau_wait": 1} if schedule == "plateau" else {}
    training = {"schedule": schedule, "optimizer": optimizer, "epochs": 5, **waiting}
    whole = make_settings(training=training, output={"model": tmp_path / "whole.acnn"})
    run_training(whole)
    settings = make_settings(training=training)
    with pytest.raises(Killed):
        run_training(settings, killer(epoch))
    run_training(settings, resume=True)
    assert lines(settings.output.log_file) == lines(whole.output.log_file)
    ends = [TrainingCheckpoint.read(s.output.checkpoint_file) for s in (settings, whole)]
    assert ends[0].course.scores == ends[1].course.scores
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    for name, tensor in ends[0].tensors.items():
        assert torch.equal(tensor, ends[1].tensors[name]), name
    models = [load_model(s.output.model).state_dict() for s in (settings, whole)]
    assert all(torch.equal(value, models[1][name]) for name, value in models[0].items())


def test_a_second_training_at_the_same_time_is_refused(make_settings: MakeSettings) -> None:
    settings, refused = make_settings(training={"epochs": 1}), []

    def second(record: EpochRecord, course: Course) -> None:
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(LockedError, match="is being written by process"):
                run_training(settings, **options)
        refused.append(record.epoch)

    run_training(settings, Watcher(on_epoch=second))
    assert refused == [1]
    assert not list(settings.output.model.parent.glob("*.lock"))


def test_notes_and_warnings_outlive_a_kill(make_settings: MakeSettings, copper: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "bound.xyz", ase.io.read(copper, index="1:"))
    settings = make_settings(data={"train": tmp_path / "bound.xyz"})
    starts: list[Start] = []
    on_start = Watcher(on_start=lambda start, trainer: starts.append(start))
    with pytest.raises(Killed):
        run_training(settings, replace(killer(2), on_start=on_start.on_start))
    run_training(settings, on_start, resume=True)
    before, after = starts
    assert "linear part: order 1" in before.notes[0]
    assert after.notes == [*before.notes, "resumed after epoch 2"]
    assert read_header(settings.output.model)["provenance"]["notes"] == after.notes
    assert len(before.warnings) == 1
    assert "no isolated atom of Cu" in before.warnings[0]
    assert after.warnings == before.warnings


def test_makeshift_reference_energies_are_mended_in_the_file(
    make_settings: MakeSettings, copper: Path, tmp_path: Path
) -> None:
    """What messages name is what acnn train reads, not a flag of acnn fit."""
    bound = ase.io.read(copper, index="1:4")
    ase.io.write(tmp_path / "bound.xyz", bound)
    for atoms in bound:
        del atoms.info["REF_energy"]
    ase.io.write(tmp_path / "forces.xyz", bound)
    for linear in ({"order": 1}, None):
        make = new_model if linear else without_functions
        settings = make_settings(data={"train": tmp_path / "bound.xyz"}, linear=linear)
        found = make(settings, read_dataset(tmp_path / "bound.xyz"), ("Cu",))
        (warning,) = found.warnings
        assert "give data: e0: Cu=… or add isolated-atom structures" in warning
        assert "--e0" not in warning
        with pytest.raises(SettingsError, match=r"no energies to find E0 from: give data: e0: Cu=0"):
            make(settings, read_dataset(tmp_path / "forces.xyz"), ("Cu",))


def test_too_little_memory_is_a_sentence(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(trainer: Trainer) -> EpochRecord:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Trainer, "run_epoch", full)
    with pytest.raises(TrainingError, match=r"lower training\.batch_atoms, now 12; the largest structure has 4 atoms"):
        run_training(make_settings())


def test_a_log_ahead_of_its_checkpoint_is_cut(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with pytest.raises(Killed):
        run_training(settings, killer(2))
    with settings.output.log_file.open("a") as file:
        file.write("3,0.1,unfinished")
    run_training(settings, resume=True)
    assert [row["epoch"] for row in lines(settings.output.log_file)] == ["1", "2", "3", "4"]


def test_a_killed_training_leaves_its_best_model(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with pytest.raises(Killed):
        run_training(settings, killer(3))
    assert load_model(settings.output.model).elements == ("Cu",)


def test_an_unfinished_training_is_not_overwritten_unasked(make_settings: MakeSettings) -> None:
    settings = make_settings()
    with pytest.raises(Killed):
        run_training(settings, killer(2))
    with pytest.raises(TrainingCheckpointError, match=r"holds 2 epochs of an unfinished training: --resume"):
        run_training(settings)
    assert run_training(settings, overwrite=True).course.epoch == 4
    with pytest.raises(FileExistsError, match=r"m\.acnn, .*m\.csv, .*m\.checkpoint already exist: add --overwrite"):
        run_training(settings)  # a finished one


def test_what_is_killed_before_its_first_epoch_leaves_nothing(make_settings: MakeSettings) -> None:
    def killed(start: Start, trainer: Trainer) -> None:
        raise Killed

    settings = make_settings()
    with pytest.raises(Killed):
        run_training(settings, Watcher(on_start=killed))
    assert run_training(settings).course.epoch == 4


def test_a_log_without_a_checkpoint_is_continued_too(make_settings: MakeSettings) -> None:
    """Of a training that was killed between the two."""
    settings = make_settings()
    settings.output.log_file.write_text("epoch,loss,\n1,0.5\n")
    with pytest.raises(FileExistsError, match=r"m\.csv already exists"):
        run_training(settings)
    assert run_training(settings, resume=True).course.epoch == 4
    assert [row["epoch"] for row in lines(settings.output.log_file)] == ["1", "2", "3", "4"]


def test_resume_without_a_checkpoint_begins(make_settings: MakeSettings) -> None:
    settings = make_settings()
    assert run_training(settings, resume=True).course.epoch == 4
    assert run_training(settings, resume=True).course.epoch == 4  # nothing left to do


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"training": {"epochs": 9}}, "training.epochs"),
        ({"model": {"channels": 2}}, "model.channels"),
        ({"data": {"validation": 0.4}}, "data.train"),
        ({"linear": {"pair_degree": 4}}, "linear.pair_degree"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(make_settings: MakeSettings, changes: dict, named: str) -> None:
    with pytest.raises(Killed):
        run_training(make_settings(), killer(2))
    with pytest.raises(TrainingCheckpointError, match=f"another .*{named}"):
        run_training(make_settings(**changes), resume=True)


def test_what_is_no_checkpoint_is_refused(make_settings: MakeSettings) -> None:
    settings = make_settings()
    settings.output.checkpoint_file.write_bytes(b"something else")
    with pytest.raises(TrainingCheckpointError, match="not a checkpoint of acnn train"):
        run_training(settings, resume=True)


def test_training_without_validation_keeps_the_last_epoch(make_settings: MakeSettings) -> None:
    report = run_training(make_settings(data={"validation": None}))
    assert set(report.errors) == {"train"}
    assert report.course.best_epoch == 4


def test_validation_every_other_epoch(make_settings: MakeSettings) -> None:
    report = run_training(make_settings(training={"validate_every": 2}))
    assert [score is None for score in report.course.scores] == [True, False, True, False]


def test_missing_labels_are_not_learned(make_settings: MakeSettings, copper: Path, tmp_path: Path) -> None:
    """Energies without forces, forces without energies, no virials."""
    atoms = ase.io.read(copper, index=":")
    for k, a in enumerate(atoms):
        a.info.pop("REF_virial", None)
        if k % 3 == 1:
            del a.arrays["REF_forces"]
        if k % 3 == 2:
            del a.info["REF_energy"]
    ase.io.write(tmp_path / "some.xyz", atoms)
    report = run_training(make_settings(data={"train": tmp_path / "some.xyz", "forces_key": "REF_forces"}))
    assert math.isfinite(report.course.best or math.nan)
    assert report.errors["train"].as_dict()["total"]["virial_rmse"] is None


def test_a_fitted_linear_model_is_the_start(make_settings: MakeSettings, tmp_path: Path) -> None:
    linear = LinearACE(BasisSpecification(elements=("Cu",), order=2, degree=4, cutoff=4.5), {"Cu": 3.5})
    linear.coefficients.detach().add_(0.01)
    save_model(linear, tmp_path / "linear.acnn")
    report = run_training(make_settings(linear=tmp_path / "linear.acnn"))
    assert torch.equal(report.model.linear.coefficients, linear.coefficients)
    assert report.model.cutoff == 4.5


def test_a_network_has_no_attention(make_settings: MakeSettings) -> None:
    report = run_training(make_settings(model={"type": "network"}, training={"precision": "float64"}))
    assert report.model.model_type == "network"


def test_a_network_is_no_linear_part(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings()
    run_training(settings)
    with pytest.raises(ValueError, match=r"type attention, not a linear one: .* train a network further with 'from'"):
        run_training(make_settings(linear=settings.output.model, output={"model": tmp_path / "n.acnn"}))
    save_model(Ensemble([random_model(("Cu",), seed) for seed in range(2)]), tmp_path / "e.acnn")
    with pytest.raises(ValueError, match="type ensemble, not a linear one: give one of acnn fit"):
        run_training(make_settings(linear=tmp_path / "e.acnn"), overwrite=True)


def test_no_linear_part(make_settings: MakeSettings) -> None:
    report = run_training(make_settings(linear=None))
    assert "linear part: only" not in report.notes[0]  # left out of the settings: fitted
    report = run_training(make_settings().model_copy(update={"linear": None}), overwrite=True)
    assert "linear part: only E0 from isolated atoms" in report.notes[0]
    assert report.model.linear.zbl is not None
    assert not report.model.linear.coefficients.any()


def test_virials_with_a_constant_are_learned_without_it(
    make_settings: MakeSettings, copper: Path, tmp_path: Path
) -> None:
    """As with virials without it, also after a kill, and the model does not contain it."""
    structures = ase.io.read(copper, index=":")
    for atoms in structures[1:]:
        atoms.info["REF_virial"] = atoms.info["REF_virial"] + 2.0 * len(atoms) * np.eye(3).ravel()
    ase.io.write(tmp_path / "pulay.xyz", structures)
    linear = {"order": 2, "degree": 6, "slack": 1}
    plain = run_training(make_settings(linear=linear))
    settings = make_settings(data={"train": tmp_path / "pulay.xyz"}, linear=linear)
    with pytest.raises(Killed):
        run_training(settings, killer(2), overwrite=True)
    pulay = run_training(settings, resume=True)
    assert any("a constant for each element" in doubt for doubt in pulay.doubts)
    assert not any("a constant for each element" in doubt for doubt in plain.doubts)
    errors, expected = (report.errors["train"].as_dict()["total"]["virial_rmse"] for report in (pulay, plain))
    assert errors < 2 * expected + 1
