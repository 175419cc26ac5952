"""Two processes connected by gloo train as one does."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from acnn.io.model_file import load_model
from acnn.models.network import NetworkACE
from acnn.parallel import ALONE, training_ranks
from acnn.parallel.torch_processes import TorchRanks
from acnn.settings.train import TrainSettings
from acnn.train.job import run_training
from acnn.train.log import rows

sys.path.insert(0, str(Path(__file__).parents[1]))
try:
    import warm
finally:
    sys.path.pop(0)

MakeSettings = Callable[..., TrainSettings]


TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost"}


def test_torchrun_says_who_is_who() -> None:
    found = training_ranks("cuda", TORCHRUN)
    assert found == TorchRanks(1, 4, 1, "cuda")
    assert not found.is_first
    assert training_ranks("cpu", {}) is ALONE


def test_launchers_that_train_copies_are_refused() -> None:
    for told in ({"OMPI_COMM_WORLD_SIZE": "4"}, {"PMI_SIZE": "4"}, {"SLURM_STEP_NUM_TASKS": "4"}):
        with pytest.raises(ValueError, match="4 processes were started without torchrun"):
            training_ranks("cpu", told)
        # One torchrun on each node, started by srun.
        assert training_ranks("cpu", told | TORCHRUN | {"RANK": "3", "WORLD_SIZE": "8"}) == TorchRanks(3, 8, 1)
    assert training_ranks("cpu", {"SLURM_STEP_NUM_TASKS": "1"}) is ALONE


def test_a_gpu_that_is_not_there_is_said() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match="torch finds no GPU: choose cpu"):
        ALONE.device("cuda")


def test_a_gpu_beyond_those_that_are_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert ALONE.device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match="the device is cuda:2, but torch finds 2 GPUs: cuda:0 is the first"):
        ALONE.device("cuda:2")


def environment(**more: object) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **{key: str(value) for key, value in more.items()}}


def write_config(settings: TrainSettings, output: Path) -> Path:
    """The settings as a file; those of `make_settings` name their files in full."""
    values = settings.model_dump(mode="json", exclude_unset=True)
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump({**values, "output": str(output)}))
    return path


def test_two_processes_train_as_one(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(training={"precision": "float64", "epochs": 3, "batch_atoms": 7})
    one = run_training(settings).model.weights()
    command = [warm.program("acnn"), "train", str(write_config(settings, tmp_path / "two.acnn"))]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        shared = {"WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": free.getsockname()[1]}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    started = [subprocess.Popen(command, env=environment(RANK=rank, **shared), **pipes) for rank in (0, 1)]
    said = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert "best of 3 epochs" in said[0][0]
    assert said[1][0] == ""
    two = load_model(tmp_path / "two.acnn")
    assert isinstance(two, NetworkACE)
    for name, value in two.weights().items():
        np.testing.assert_allclose(value.numpy(), one[name].numpy(), rtol=1e-7, atol=1e-9, err_msg=name)
    logs = [list(rows(path)) for path in (settings.output.log_file, tmp_path / "two.csv")]
    assert [row["epoch"] for row in logs[1]] == ["1", "2", "3"]
    for a, b in zip(*logs, strict=True):
        assert float(a["loss"]) == pytest.approx(float(b["loss"]), rel=1e-5)
        assert float(a["score"]) == pytest.approx(float(b["score"]), rel=1e-5)


FAILING = """
import os, sys
from acnn.cli.main import app
from acnn.train.trainer import Trainer, TrainingError

run_epoch = Trainer.run_epoch

def fails(trainer):
    if os.environ["RANK"] == "1" and trainer.course.epoch == 1:
        raise TrainingError("the dog ate epoch 2")
    return run_epoch(trainer)

Trainer.run_epoch = fails
app()
"""


def test_an_error_of_one_process_stops_all(make_settings: MakeSettings, tmp_path: Path) -> None:
    config = write_config(make_settings(), tmp_path / "m.acnn")
    (tmp_path / "failing.py").write_text(FAILING)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, str(tmp_path / "failing.py"), "train", str(config)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600)
    assert done.returncode != 0
    assert "rank 1 stops the job: the dog ate epoch 2" in done.stderr
