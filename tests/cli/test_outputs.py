"""What commands replace: their own models, tables and plots; never inputs, and nothing else unasked."""

from __future__ import annotations

from pathlib import Path

import ase.io
import pytest
from ase.build import bulk
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.io.model_file import load_model, save_model
from acnn.models.ensemble import Ensemble
from acnn.testing import random_model, random_network

TRAIN = "data: train.xyz\nmodel: {cutoff: 4.0}\noutput: OUTPUT\n"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A linear, a network and an ensemble model, and structures."""
    monkeypatch.chdir(tmp_path)
    linear, network = random_model(("Cu",), cutoff=4.0), random_network(["Cu"])
    save_model(linear, "linear.acnn")
    save_model(network, "network.acnn")
    save_model(Ensemble([linear, linear]), "ensemble.acnn")
    atoms = bulk("Cu", cubic=True)
    atoms.info["REF_energy"] = -1.0
    ase.io.write("train.xyz", [atoms] * 4)
    ase.io.write("precious.xyz", [atoms])
    Path("precious.pt").write_bytes(b"precious")
    Path("precious.csv").write_bytes(b"x,y\n1,2\n")
    for kind in ("linear", "network", "ensemble", "nothing"):
        Path(f"{kind}.yaml").write_text(TRAIN.replace("OUTPUT", f"{kind}.acnn"))
    Path("nothing.acnn").write_bytes(b"something else")
    Path("csv.yaml").write_text(TRAIN.replace("OUTPUT", "{model: new.acnn, log: precious.csv}"))
    return tmp_path


REFUSED = [
    *(f"fit train.xyz -o {name}.acnn" for name in ("network", "ensemble", "nothing")),
    "fit train.xyz -o new.acnn --json precious.xyz",
    *(f"train {name}.yaml" for name in ("linear", "ensemble", "nothing", "csv")),
    *(f"ensemble linear.acnn network.acnn -o {name}" for name in ("nothing.acnn", "precious.xyz")),
    "distill linear.acnn train.xyz -o precious.xyz",
    "label train.xyz -o precious.xyz --calculator ase.calculators.emt:EMT",
    "evaluate linear.acnn train.xyz --json precious.xyz",
    "evaluate linear.acnn train.xyz --plot network.acnn",
    "report linear.acnn train.xyz -o precious.xyz",
    "export linear.acnn --to mliap -o precious.pt",
    "lammps doctor --json network.acnn",
]
INPUTS = [
    "fit train.xyz -o train.xyz --overwrite",
    "fit train.xyz -o new.acnn --json train.xyz",
    "ensemble linear.acnn network.acnn -o linear.acnn --overwrite",
    "distill linear.acnn train.xyz -o train.xyz --overwrite",
    "label train.xyz -o train.xyz --calculator ase.calculators.emt:EMT --overwrite",
    "evaluate linear.acnn train.xyz --json linear.acnn",
    "report linear.acnn train.xyz -o train.xyz",
    "export linear.acnn --to mliap -o linear.acnn --overwrite",
]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("command", REFUSED)
def test_what_a_command_has_not_made_it_does_not_replace(command, folder):
    before = contents(folder)
    done = run(*command.split())
    assert done.exit_code == 2, done.output
    assert "already exists" in done.output
    assert "choose another name" in done.output
    assert contents(folder) == before


@pytest.mark.parametrize("command", INPUTS)
def test_inputs_are_not_replaced_even_on_demand(command, folder):
    before = contents(folder)
    done = run(*command.split())
    assert done.exit_code == 2, done.output
    assert contents(folder) == before


def test_on_demand_it_is_replaced(folder):
    done = run("ensemble", "linear.acnn", "network.acnn", "-o", "nothing.acnn", "--overwrite")
    assert done.exit_code == 0, done.output
    assert len(load_model(folder / "nothing.acnn").members()) == 2
    flags = ("--calculator", "ase.calculators.emt:EMT", "--overwrite")
    assert run("label", "train.xyz", "-o", "precious.xyz", *flags).exit_code == 0
    assert len(ase.io.read("precious.xyz", ":")) == 4


def test_what_a_command_has_made_it_replaces_unasked(folder):
    for degree in (3, 4):
        flags = ("--order", 1, "--degree", degree, "--cutoff", 4, "--json", "m.json")
        done = run("fit", "train.xyz", "-o", "linear.acnn", *flags)
        assert done.exit_code == 0, done.output
        assert load_model("linear.acnn").basis.specification.degree == degree
    done = run("ensemble", "linear.acnn", "network.acnn", "-o", "ensemble.acnn")
    assert done.exit_code == 0, done.output
    assert [member.model_type for member in load_model("ensemble.acnn").members()] == ["linear", "attention"]


def test_standard_output_takes_what_is_written_once(folder):
    done = run("evaluate", "linear.acnn", "train.xyz", "--json", "/dev/null")
    assert done.exit_code == 0, done.output
    for command in ("fit train.xyz -o /dev/stdout", "fit train.xyz -o new.acnn --checkpoint /dev/null"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "a pipe or a device, but this output must be a file" in done.output


def test_pictures_of_other_endings_are_told_before_the_work(folder):
    Path("picture.yaml").write_text(TRAIN.replace("OUTPUT", "{model: new.acnn, plot: new.docx}"))
    for command in ("evaluate linear.acnn train.xyz --plot new.docx", "train picture.yaml"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "new.docx is to be a picture, which ends in ." in done.output
        assert "structures" not in done.output


def test_structures_are_written_under_a_name_that_tells_their_format(folder):
    for command in ("distill linear.acnn train.xyz -o new.foo", "label train.xyz -o new.foo --calculator a:B"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "new.foo would be extended XYZ: name it new.xyz" in done.output
