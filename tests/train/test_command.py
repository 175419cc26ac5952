"""``acnn train`` as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.cli.training_display import training_plot
from acnn.io.model_file import load_model
from acnn.train.log import TrainingLog

SMALL = {"cutoff": 4.0, "channels": 2, "l_max": 1, "radial_functions": 4, "heads": 2, "hidden": [4]}


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture
def config(copper: Path, tmp_path: Path) -> Path:
    """Five lines."""
    settings = {
        "data": {"train": str(copper), "validation": 0.25, "test": str(copper)},
        "model": SMALL,
        "training": {"epochs": 3, "batch_atoms": 16},
        "output": str(tmp_path / "cu.acnn"),
    }
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_train_evaluate_and_info(config: Path, copper: Path, tmp_path: Path) -> None:
    done = run("train", config, "--json", tmp_path / "j.json", "--seed", 1)
    assert done.exit_code == 0, done.output
    for text in ("linear part: order 2", "epoch 3/3", "meV/atom", "meV/Å", "errors on validation", "errors on test"):
        assert text in done.output
    assert re.search(r"epoch 3/3  loss \S+  MAE [\d.]+ meV/atom, [\d.]+ meV/Å", done.output)
    for name in ("cu.acnn", "cu.csv", "cu.checkpoint", "cu.training.png", "j.json"):
        assert (tmp_path / name).stat().st_size > 0
    again = run("evaluate", tmp_path / "cu.acnn", copper, "--json", tmp_path / "e.json")
    assert again.exit_code == 0, again.output
    metrics, evaluated = (json.loads((tmp_path / name).read_text()) for name in ("j.json", "e.json"))
    assert evaluated["total"]["forces_rmse"] == pytest.approx(metrics["test"]["total"]["forces_rmse"], rel=1e-6)


def test_flags_and_set_change_settings(config: Path, tmp_path: Path) -> None:
    changes = ["--set", "model.type=network", "--set", "training.loss.energy=3", "--set", "data.test=null"]
    done = run("train", config, "-o", tmp_path / "other.acnn", "--epochs", 1, *changes)
    assert done.exit_code == 0, done.output
    assert load_model(tmp_path / "other.acnn").model_type == "network"
    assert "errors on test" not in done.output


def test_mpirun_is_refused(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    done = run("train", config)
    assert done.exit_code == 2
    assert "use torchrun --nproc-per-node 2 -m acnn train" in done.output
    assert not (tmp_path / "cu.acnn").exists()


def test_a_finished_training_without_its_log_makes_no_plot(config: Path, tmp_path: Path) -> None:
    assert run("train", config, "--epochs", 1).exit_code == 0
    for name in ("cu.csv", "cu.training.png"):
        (tmp_path / name).unlink()
    done = run("train", config, "--epochs", 1, "--resume")
    assert done.exit_code == 0, done.output
    assert "cu.training.png" not in done.output
    assert not (tmp_path / "cu.training.png").exists()


def test_a_log_without_an_epoch_makes_no_plot(tmp_path: Path) -> None:
    TrainingLog(tmp_path / "empty.csv", epoch=1)
    assert not training_plot(tmp_path / "empty.csv", tmp_path / "empty.png")
    assert not (tmp_path / "empty.png").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "model.chanels=3"], "Error: unknown key 'model.chanels': did you mean 'channels'?"),
        (["--set", "epochs"], "--set takes NAME=VALUE"),
        (["--from", "missing.acnn"], "there is no such model file"),
        (["--device", "abacus"], "training.device = 'abacus': the device must be cpu, cuda or cuda:0"),
    ],
)
def test_mistakes_are_a_sentence(config: Path, arguments: list[str], sentence: str) -> None:
    done = run("train", config, *arguments)
    assert done.exit_code == 2
    assert sentence in done.output
    assert "Traceback" not in done.output


def test_help_teaches() -> None:
    done = run("train", "--help")
    for text in ("lines of settings", "--resume", "--from", "--set", "torchrun"):
        assert text in done.output
