"""Fits, trainings and evaluations of several files and patterns at once."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.io.model_file import read_header
from acnn.settings.fit import fit_settings
from acnn.settings.train import train_settings


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files")
    for place in range(3):
        frames = []
        for step in range(4):
            atoms = bulk("Cu", cubic=True)
            atoms.rattle(0.1, seed=4 * place + step)
            atoms.calc = EMT()
            atoms.get_forces()
            frames.append(atoms)
        (path / f"run-{place}").mkdir()
        ase.io.write(path / f"run-{place}" / "copper.xyz", frames)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> Path:
    pattern = folder / "run-[12]" / "*.xyz"
    basis = ("--order", 1, "--degree", 4, "--cutoff", 4, "--solver", "qr", "--split", 0)
    done = run("fit", folder / "run-0" / "copper.xyz", pattern, "-o", folder / "cu.acnn", *basis)
    assert done.exit_code == 0, done.output
    return folder / "cu.acnn"


def test_a_fit_takes_files_and_patterns(folder, model):
    train = read_header(model)["provenance"]["data"]["train"]
    assert (train["structures"], train["file"]) == (12, "copper.xyz and 2 more")


def test_an_evaluation_takes_folders(folder, model):
    done = run("evaluate", model, folder / "run-0", folder / "run-2")
    assert done.exit_code == 0, done.output
    assert "errors on copper.xyz and 1 more" in done.output


def test_an_input_among_several_is_not_overwritten(folder):
    file = folder / "run-1" / "copper.xyz"
    done = run("fit", folder / "run-0" / "copper.xyz", folder / "run-1" / "*.xyz", "-o", file, "--overwrite")
    assert done.exit_code == 2
    assert "would overwrite another file of this command" in done.output


def test_settings_files_have_lists():
    files = ["a.xyz", "runs/*/OUTCAR"]
    fit = fit_settings({"train": files, "test": "t.xyz", "output": "m.acnn"})
    assert (fit.train, fit.test) == ((Path("a.xyz"), Path("runs/*/OUTCAR")), (Path("t.xyz"),))
    assert fit.model_dump(mode="json")["train"] == files
    assert fit.model_dump(mode="json")["test"] == "t.xyz"
    train = train_settings({"data": {"train": files, "validation": ["v.xyz"]}, "output": "m.acnn"})
    assert train.data.validation == (Path("v.xyz"),)
    assert train_settings({"data": files, "output": "m.acnn"}).data.train == fit.train
