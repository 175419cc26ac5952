"""What commands replace: nothing that exists unless --overwrite says so, and inputs never."""

from __future__ import annotations

import shutil
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import pytest
import typer
from ase.build import bulk
from typer.models import ArgumentInfo
from typer.testing import CliRunner, Result

from acnn.cli.main import COMMANDS, app, definition
from acnn.io.model_file import load_model, save_model
from acnn.models.ensemble import Ensemble
from acnn.testing import random_model, random_network

EMT = "--calculator ase.calculators.emt:EMT"
ADVICE = "add --overwrite (in Python overwrite=True) or choose another name"
FIT = "--order 1 --degree 3 --cutoff 4"
TRAIN = "data: DATA.xyz\nmodel: {cutoff: 4.0}\noutput: OUTPUT\n"
PROPERTIES = {
    "elastic": "missing.xyz missing.acnn",
    "eos": "missing.xyz missing.acnn",
    "decohesion": "missing.xyz missing.acnn --miller 1,1,1",
    "surface": "missing.xyz missing.acnn --miller 1,1,1",
    "defects": "missing.xyz missing.acnn",
    "dimers": "missing.acnn",
}
"""Commands that compute properties of a structure, and their inputs."""
OUTPUTS = {
    "fit --output": ["fit missing.xyz -o there.acnn"],
    "fit --json": ["fit missing.xyz -o new.acnn --json there.json"],
    "fit": [
        "fit missing.xyz -o there.acnn --select bic --json there.json",
        "fit missing.xyz -o picture.acnn --select bic",
        "fit missing.xyz -o picture.acnn --learning-curve --split 0.1",
        "fit missing.xyz -o there.acnn --checkpoint there.factor",
    ],
    "prune --output": ["prune missing.acnn missing.xyz -o there.acnn --budget 50%"],
    "prune --json": ["prune missing.acnn missing.xyz -o new.acnn --budget 50% --json there.json"],
    "train --output": ["train there.yaml", "train picture.yaml", "train log.yaml"],
    "train --json": ["train new.yaml --json there.json", "train new.yaml --json there.json --resume"],
    "ensemble --output": ["ensemble missing.acnn network.acnn -o there.acnn"],
    "distill --output": ["distill missing.acnn missing.xyz -o there.xyz"],
    "label --output": [f"label missing.xyz -o there.xyz {EMT}"],
    "convert --output": ["convert missing.xyz -o there.xyz"],
    "data split --output": ["data split missing.xyz -o there.xyz --rest new.xyz"],
    "data split --rest": ["data split missing.xyz -o new.xyz --rest there.xyz"],
    "data select --output": ["data select missing.xyz -n 1 -o there.xyz"],
    "data select --rest": ["data select missing.xyz -n 1 -o new.xyz --rest there.xyz"],
    "data stats --plot": ["data stats missing.xyz --plot there.png"],
    "evaluate --output": ["evaluate missing.acnn missing.xyz -o there.xyz"],
    "evaluate --json": ["evaluate missing.acnn missing.xyz --json there.json"],
    "evaluate --plot": ["evaluate missing.acnn missing.xyz --plot there.png"],
    "evaluate --uncertainty-plot": ["evaluate missing.acnn missing.xyz --uncertainty-plot there.png"],
    "report --output": ["report missing.acnn missing.xyz -o there.html", "report there.acnn missing.xyz"],
    "report --structures": ["report missing.acnn missing.xyz -o new.html --structures there.json"],
    "export --output": [
        *("export missing.acnn --to mliap -o there.pt", "export there.acnn --to mliap"),
        *("export missing.acnn --to yace -o there.yace", "export there.acnn --to yace"),
    ],
    "demo folder": ["demo data", "demo results"],
    "example-data folder": ["example-data cual data"],
    "calibrate --output": ["calibrate missing.acnn missing.xyz -o there.acnn"],
    "md --output": ["md missing.xyz missing.acnn -o there"],
    **{f"{name} --json": [f"{name} {given} --json there.json"] for name, given in PROPERTIES.items()},
    **{f"{n} --plot": [f"{n} {PROPERTIES[n]} --plot there.png"] for n in ("elastic", "eos", "decohesion", "dimers")},
    **{f"{n} --output": [f"{n} {PROPERTIES[n]} -o there.xyz"] for n in ("surface", "defects", "dimers")},
    "relax --output": ["relax missing.xyz -m missing.acnn -o there.xyz"],
    "relax --trajectories": ["relax missing.xyz -m missing.acnn -o new.res --trajectories there.json"],
    "phonons --output": ["phonons missing.xyz missing.acnn -o there"],
    "hull --html": ["hull missing.xyz --html there.html"],
    "hull --json": ["hull missing.xyz --json there.json"],
    "pool take --output": ["pool take missing.db -n 1 --for a -o there.xyz"],
    "volumes --json": ["volumes missing.xyz --json there.json"],
    "lammps plot --output": ["lammps plot missing.log -o there.png"],
    "lammps doctor --json": ["lammps doctor --json there.json"],
}
"""By command and what names the file: commands that would replace one, and whose inputs do not exist."""
CONTINUED = {
    *("fit --checkpoint", "prune --checkpoint", "hal --output"),
    *("pool build database", "pool merge database"),
}
READ = {
    *(f"fit {name}" for name in ("train", "--test", "--add", "--config", "--weights")),
    *(f"train {name}" for name in ("config", "--train", "--test", "--weights", "--from", "--linear")),
    *(f"prune {name}" for name in ("model", "train", "--test")),
    *("ensemble models", "distill teacher", "distill data"),
    *(f"label {name}" for name in ("structures", "--reference", "--correction")),
    "convert structures",
    *(f"data {name} structures" for name in ("check", "split", "select", "stats")),
    "data select --model",
    *("evaluate model", "evaluate data", "report model", "report data", "export model"),
    *("calibrate model", "calibrate data", "calibrate --training", "md structure", "md model"),
    *(f"{command} model" for command in (*PROPERTIES, "phonons")),
    *(f"{command} structure" for command in {*PROPERTIES, "phonons"} - {"dimers"}),
    *("relax structures", "relax --model", "hull structures", "volumes structures"),
    *("pool build structures", "pool merge others", "pool take database", "pool stat database"),
    *("hal config", "info model", "check model", "check structures", "lammps run deck", "lammps plot log"),
}
INPUTS = [
    "fit train.xyz -o train.xyz",
    "fit train.xyz -o new.acnn --json train.xyz",
    "prune linear.acnn train.xyz -o linear.acnn --budget 50%",
    "train linear.yaml",
    "ensemble linear.acnn network.acnn -o linear.acnn",
    "hull train.xyz --json train.xyz",
    "relax train.xyz -m linear.acnn -o train.xyz",
    "distill linear.acnn train.xyz -o train.xyz",
    f"label train.xyz -o train.xyz {EMT}",
    "convert train.xyz -o train.xyz",
    "data select train.xyz -n 1 -o train.xyz",
    "evaluate linear.acnn train.xyz --json linear.acnn",
    "report linear.acnn train.xyz -o train.xyz",
    "export linear.acnn --to mliap -o hardlink.pt",
]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models, structures, settings, and files under the names of outputs."""
    folder = tmp_path_factory.mktemp("everything")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_everything()
    return folder


@pytest.fixture(autouse=True)
def folder(everything: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for one test."""
    shutil.copytree(everything, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    Path("hardlink.pt").hardlink_to("linear.acnn")
    return tmp_path


def write_everything() -> None:
    linear, network = random_model(("Cu",), cutoff=4.0), random_network(["Cu"])
    save_model(linear, "linear.acnn")
    save_model(network, "network.acnn")
    save_model(Ensemble([linear, linear]), "ensemble.acnn")
    atoms = bulk("Cu", cubic=True)
    atoms.info["REF_energy"] = -1.0
    ase.io.write("train.xyz", [atoms] * 4)
    for ending in ("acnn", "json", "xyz", "png", "html", "csv", "pt", "yace", "mliap.pt", "checkpoint", "factor"):
        Path(f"there.{ending}").write_bytes(b"precious")
    for name in ("picture.selection.png", "picture.learning.png", "picture.training.png", "data/test.xyz"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(b"precious")
    Path("results").mkdir()
    Path("results/metrics.json").write_bytes(b"precious")
    outputs = {"new": "new.acnn", "picture": "picture.acnn", "log": "{model: new.acnn, log: there.csv}"}
    for name, output in (outputs | {"there": "{model: there.acnn, checkpoint: new.checkpoint}"}).items():
        Path(f"{name}.yaml").write_text(TRAIN.replace("DATA", "missing").replace("OUTPUT", output))
    Path("linear.yaml").write_text(TRAIN.replace("DATA", "train").replace("OUTPUT", "{model: m.acnn, json: train.xyz}"))


def paths() -> Iterator[str]:
    """What all commands take as files and folders."""
    for name in COMMANDS:
        found = definition(name)
        for inner in found.registered_commands if isinstance(found, typer.Typer) else ():
            yield from paths_of(inner.callback, f"{name} {inner.name or inner.callback.__name__}")
        if not isinstance(found, typer.Typer):
            yield from paths_of(found, name)


def paths_of(function: Any, command: str) -> Iterator[str]:
    for name, hint in typing.get_type_hints(function, include_extras=True).items():
        if "pathlib.Path" in str(hint) or hint is Path:
            declared = typing.get_args(hint)[1]
            given = map(str, (declared.default, *(declared.param_decls or ())))
            long = name if isinstance(declared, ArgumentInfo) else f"--{name.replace('_', '-')}"
            yield f"{command} {next((n for n in given if n.startswith('--')), long)}"


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_file_of_every_command_is_known() -> None:
    """A new option that names a file belongs into one of the tables above."""
    assert set(paths()) == {*OUTPUTS, *CONTINUED, *READ} - {"fit"}


@pytest.mark.parametrize("command", [command for commands in OUTPUTS.values() for command in commands])
def test_nothing_is_replaced_unasked(command, folder):
    """It is the first thing that is looked at: nothing is read, since inputs are missing, and nothing written."""
    before = contents(folder)
    done = run(*command.split())
    assert done.exit_code == 2, done.output
    (sentence,) = filter(None, done.output.splitlines())
    assert sentence.startswith("Error: ")
    assert sentence.endswith((f" already exists: {ADVICE}", f" already exist: {ADVICE}"))
    assert any(path.relative_to(folder).as_posix() in sentence for path in before)
    assert contents(folder) == before


def test_all_files_that_exist_are_named():
    done = run("fit", "missing.xyz", "-o", "there.acnn", "--json", "there.json")
    assert f"there.acnn, there.json already exist: {ADVICE}" in done.output


@pytest.mark.parametrize("command", INPUTS)
def test_inputs_are_not_replaced_even_on_demand(command, folder):
    before = contents(folder)
    done = run(*command.split(), "--overwrite")
    assert done.exit_code == 2, done.output
    assert "would overwrite another file of this command: choose another name" in done.output
    assert contents(folder) == before


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (f"fit train.xyz -o there.acnn --json there.json {FIT}", "there.acnn"),
        ("ensemble linear.acnn network.acnn -o there.acnn", "there.acnn"),
        ("distill linear.acnn train.xyz -o there.xyz --copies 1", "there.xyz"),
        (f"label train.xyz -o there.xyz {EMT}", "there.xyz"),
        ("evaluate linear.acnn train.xyz --json there.json", "there.json"),
        ("export linear.acnn --to mliap -o there.pt", "there.pt"),
    ],
)
def test_on_demand_it_is_replaced(command, output, folder):
    done = run(*command.split(), "--overwrite")
    assert done.exit_code == 0, done.output
    assert b"precious" not in (folder / output).read_bytes()
    if output.endswith(".acnn"):
        load_model(folder / output)
    if output.endswith(".xyz"):
        assert ase.io.read(folder / output, ":")


def test_a_fit_continues_what_it_wrote_and_replaces_nothing_else(folder):
    """With a checkpoint, a command that is given again is no other one."""
    again = [*f"fit train.xyz -o new.acnn --json new.json --checkpoint new.factor {FIT}".split()]
    for _ in range(2):
        done = run(*again)
        assert done.exit_code == 0, done.output
    assert "new.acnn, new.json already exist" in run(*again, "--checkpoint", "other.factor").output
    assert "there.json already exists" in run(*again, "--json", "there.json").output
    for other in ("linear.acnn", "network.acnn", "there.acnn"):
        done = run(*again, "-o", other)
        assert done.exit_code == 2
        assert f"{other}, new.json already exist" in done.output
    done = run(*again, "-o", "newer.acnn", "--json", "newer.json")
    assert done.exit_code == 0, done.output
    assert load_model("newer.acnn").basis.specification == load_model("new.acnn").basis.specification


def test_standard_output_takes_what_is_written_once(folder):
    done = run("evaluate", "linear.acnn", "train.xyz", "--json", "/dev/null")
    assert done.exit_code == 0, done.output
    for command in ("fit train.xyz -o /dev/stdout", "fit train.xyz -o new.acnn --checkpoint /dev/null"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "a pipe or a device, but this output must be a file" in done.output


def test_pictures_of_other_endings_are_told_before_the_work(folder):
    Path("picture.yaml").write_text("data: train.xyz\noutput: {model: new.acnn, plot: new.docx}\n")
    for command in ("evaluate linear.acnn train.xyz --plot new.docx", "train picture.yaml"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "new.docx must be a picture, with one of the extensions ." in done.output
        assert "structures" not in done.output


def test_structures_are_written_under_a_name_that_tells_their_format(folder):
    for command in ("distill linear.acnn train.xyz -o new.foo", "label train.xyz -o new.foo --calculator a:B"):
        done = run(*command.split())
        assert done.exit_code == 2
        assert "new.foo would be extended XYZ: name it new.xyz" in done.output
