"""What the command line makes of errors: one sentence, an exit status, and a traceback where it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.io.model_file import save_model
from acnn.testing import random_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(random_model(("Cu",), cutoff=4.0), tmp_path / "m.acnn")
    return tmp_path / "m.acnn"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


def broken(*arguments: object) -> None:
    {}["x"]


@pytest.mark.parametrize("place", ["load_model", "_kernel_table"])
def test_a_bug_is_told_with_its_place_and_versions(model, place, monkeypatch):
    monkeypatch.setattr(f"acnn.cli.info.{place}", broken)
    done = run("info", model)
    assert done.exit_code == 70
    assert "Error: this is a bug in acnn: KeyError: 'x' (in acnn/cli/info.py:" in done.output
    assert "torch" in done.output
    assert "Traceback" not in done.output


def test_a_bug_after_the_command_has_done_its_work_is_one_too(tmp_path, model, monkeypatch):
    monkeypatch.setattr("acnn.cli.check.check_model", lambda *arguments: [])
    monkeypatch.setattr("acnn.cli.check._table", broken)
    done = run("check", model)
    assert done.exit_code == 70
    assert "this is a bug in acnn" in done.output


@pytest.mark.parametrize("words", [("--traceback", "info"), ("info", "--traceback")])
def test_a_traceback_is_shown_on_demand_wherever_the_option_stands(words, tmp_path, monkeypatch):
    monkeypatch.setenv("ACNN_TRACEBACK", "0")  # the option sets it; undone after the test
    done = run(*words, tmp_path / "none.acnn")
    assert done.exit_code == 2
    assert "Traceback (most recent call last)" in done.output
    assert "none.acnn: there is no such model file" in done.output


def test_the_option_is_for_acnn_alone(monkeypatch):
    monkeypatch.setenv("ACNN_TRACEBACK", "0")
    done = run("lammps", "run", "none.in", "--dry-run", "--", "--traceback")
    assert "Traceback" not in done.output
    assert "--traceback" in run("--help").output


def test_an_interrupted_command_has_the_status_of_one(model, monkeypatch):
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("acnn.cli.info.load_model", interrupted)
    done = run("info", model)
    assert done.exit_code == 130
    assert "interrupted" in done.output


def test_usage_errors_stay_what_they_are(model):
    done = run("info", model, "--no-such-option")
    assert done.exit_code == 2
    assert "No such option" in done.output
    assert run("no-such-command").exit_code == 2
    assert run("--version").exit_code == 0


def test_output_that_cannot_be_printed_is_escaped(model):
    done = CliRunner(charset="ascii").invoke(app, ["info", str(model)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "cutoff (\\xc5)" in done.output
    done = CliRunner().invoke(app, ["info", os.fsdecode(os.fsencode(model.parent) + b"/\xff.acnn")])
    assert done.exit_code == 2
    assert "\\udcff.acnn: there is no such model file" in done.output.replace("\n", "")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    ("words", "unbuffered"),
    [(["info", "MODEL"], ""), (["fit", "--settings"], "1"), *((["--help"], b) for b in ("", "1")), (["--version"], "")],
)
def test_a_full_disk_under_the_output_is_a_sentence(model, words, unbuffered):
    command = [sys.executable, "-m", "acnn", *(str(model) if word == "MODEL" else word for word in words)]
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment)
    assert done.stderr == "Error: standard input or output: No space left on device\n"
    assert done.returncode == 2


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize(("words", "unbuffered"), [(["fit", "--settings"], ""), (["--help"], "1")])
def test_who_reads_no_more_is_told_nothing(words, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as pipe:
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        command = [sys.executable, "-m", "acnn", *words]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, env=environment)
    assert (done.returncode, done.stderr) == (1, "")
