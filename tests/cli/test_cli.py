"""The commands as a user types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
import yaml
from ase import Atoms
from typer.testing import CliRunner, Result

from acnn.cli.main import app, loaded
from acnn.data import examples
from acnn.io.model_file import load_model, read_header, save_model
from acnn.settings.fit import KEYS


def run(*arguments: str | Path) -> Result:
    """Run a command on a terminal wide enough that no line is folded."""
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``acnn demo --quick`` leaves behind."""
    folder = tmp_path_factory.mktemp("demo")
    done = run("demo", folder, "--quick")
    assert done.exit_code == 0, done.output
    return folder


def test_demo_leaves_data_model_metrics_plot_and_trajectory(demo: Path) -> None:
    for name in ("train.xyz", "test.xyz", "cual.acnn", "metrics.json", "demo.png", "md.xyz"):
        assert (demo / name).stat().st_size > 0
    frames = ase.io.read(demo / "md.xyz", index=":")
    assert len(frames) == 11
    assert np.ptp([len(frame) for frame in frames]) == 0
    assert not np.allclose(frames[0].positions, frames[-1].positions)


def test_fit_reports_errors_that_evaluate_confirms(demo: Path, tmp_path: Path) -> None:
    arguments = ["fit", demo / "train.xyz", "-o", tmp_path / "m.acnn", "--test", demo / "test.xyz", "--order", 2]
    done = run(*arguments, "--degree", "6,5", "--cutoff", 5.0, "--json", tmp_path / "metrics.json")
    assert done.exit_code == 0, done.output
    assert "errors on test" in done.output
    assert "meV/atom" in done.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["n_basis"] == load_model(tmp_path / "m.acnn").basis.n_functions
    assert metrics["fit_seconds"] > 0
    assert metrics["peak_bytes"] > 1e7
    again = run("evaluate", tmp_path / "m.acnn", demo / "test.xyz", "--json", tmp_path / "e.json")
    assert again.exit_code == 0, again.output
    evaluated = json.loads((tmp_path / "e.json").read_text())
    assert max(evaluated.pop("components")) == "2 elements"
    assert evaluated.keys() == metrics["test"].keys()
    for config_type, row in evaluated.items():
        known = {key: value for key, value in metrics["test"][config_type].items() if value is not None}
        assert {key: value for key, value in row.items() if value is not None} == pytest.approx(known, rel=1e-9)


def test_every_flag_of_fit_is_a_key_of_the_settings_file() -> None:
    parameters = {parameter.name for parameter in loaded("fit").params}
    assert parameters - {"config", "help", "settings", "schema"} <= set(KEYS)


def test_settings_file_gives_the_same_model_as_flags(demo: Path, tmp_path: Path) -> None:
    common = {"order": 2, "degree": [5, 4], "cutoff": 5.0, "wl": 2.0, "prior": "algebraic:2", "e0": "isolated"}
    settings = {"train": str(demo / "train.xyz"), "output": str(tmp_path / "a.acnn"), **common}
    (tmp_path / "fit.yaml").write_text(yaml.safe_dump(settings))
    first = run("fit", "--config", tmp_path / "fit.yaml")
    flags = ["--order", 2, "--degree", "5,4", "--cutoff", 5, "--wl", 2, "--prior", "algebraic:2", "--e0", "isolated"]
    second = run("fit", demo / "train.xyz", "-o", tmp_path / "b.acnn", *flags)
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    a, b = load_model(tmp_path / "a.acnn"), load_model(tmp_path / "b.acnn")
    assert a.basis.specification == b.basis.specification
    assert torch.equal(a.coefficients, b.coefficients)


def test_unknown_settings_key_names_the_nearest(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "fit.yaml").write_text("cutof: 5.0\n")
    done = run("fit", demo / "train.xyz", "-o", tmp_path / "m.acnn", "--config", tmp_path / "fit.yaml")
    assert done.exit_code == 2
    assert "'cutof'" in done.output
    assert "'cutoff'" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--energy-key", "dft_energy"], "REF_energy"),
        (["--order", "7"], "less than or equal to 5"),
        (["--elements", "Cu"], "Al"),
        (["--degree", "8,7"], "order 3 needs 3 total degrees"),
        (["--prior", "rough"], "algebraic"),
        (["--tikhonov", "0.1"], "qr"),
        (["--e0", "Cu=1.0"], "Al"),
        (["--solver", "svd"], "qr"),
        (["--json", "nowhere/metrics.json"], "nowhere"),
    ],
)
def test_a_wrong_flag_is_one_sentence(demo: Path, tmp_path: Path, flags: list[str], sentence: str) -> None:
    done = run("fit", demo / "train.xyz", "-o", tmp_path / "m.acnn", *flags)
    assert done.exit_code == 2
    assert done.output.count("Error") == 1
    assert sentence in done.output
    assert not (tmp_path / "m.acnn").exists()


def test_missing_labels_are_counted_and_least_squares_e0_warns(demo: Path, tmp_path: Path) -> None:
    frames = [f for f in ase.io.read(demo / "train.xyz", index=":") if f.info["config_type"] != "isolated_atom"]
    del frames[0].info["REF_energy"]
    del frames[1].arrays["REF_forces"]
    ase.io.write(tmp_path / "train.xyz", frames)
    done = run("fit", tmp_path / "train.xyz", "-o", tmp_path / "m.acnn", "--order", 1, "--degree", 4)
    assert done.exit_code == 0, done.output
    total = next(line for line in done.output.splitlines() if "total" in line)
    counts = [int(word) for word in total.split() if word.isdigit()]
    assert counts[0] == len(frames)
    assert counts[2:4] == [len(frames) - 1, len(frames) - 1]
    assert "least squares" in done.output
    assert "isolated" in done.output


def test_max_force_leaves_structures_out_and_counts_them(demo: Path, tmp_path: Path) -> None:
    frames = ase.io.read(demo / "train.xyz", index=":")
    frames[3].arrays["REF_forces"][0] = np.nan
    ase.io.write(tmp_path / "train.xyz", frames)
    stopped = run("fit", tmp_path / "train.xyz", "-o", tmp_path / "m.acnn", "--order", 1)
    assert stopped.exit_code == 2
    assert "#3" in stopped.output
    done = run("fit", tmp_path / "train.xyz", "-o", tmp_path / "m.acnn", "--order", 1, "--max-force", 100)
    assert done.exit_code == 0, done.output
    assert "1 structure left out" in done.output
    assert read_header(tmp_path / "m.acnn")["provenance"]["data"]["train"]["left_out"] == 1


def test_evaluate_draws_a_parity_plot(demo: Path, tmp_path: Path) -> None:
    for suffix, signature in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        path = tmp_path / f"parity{suffix}"
        done = run("evaluate", demo / "cual.acnn", demo / "test.xyz", "--plot", path)
        assert done.exit_code == 0, done.output
        assert path.read_bytes().startswith(signature)


def test_info_shows_basis_provenance_and_errors(demo: Path) -> None:
    done = run("info", demo / "cual.acnn")
    assert done.exit_code == 0, done.output
    provenance = read_header(demo / "cual.acnn")["provenance"]
    for text in ("Al, Cu", "errors on test", "blr", "train.xyz"):
        assert text in done.output
    assert provenance["data"]["train"]["sha256"] in re.sub(r"[\s│]", "", done.output)  # on two lines where it is narrow
    table = done.output[done.output.index("settings, other than defaults") :]
    settings = {words[1]: words[3] for words in map(str.split, table.splitlines()) if len(words) > 4}
    assert {key: settings[key] for key in ("order", "degree", "cutoff")} == {
        "order": "2",
        "degree": "6.0",
        "cutoff": "6.0",
    }
    assert "prior" not in settings


def test_check_exits_with_1_where_a_dimer_attracts(demo: Path, tmp_path: Path) -> None:
    model = load_model(demo / "cual.acnn")
    with torch.no_grad():
        for columns in model.basis.pair_columns.values():
            model.coefficients[columns] *= -1
    save_model(model, tmp_path / "attractive.acnn")
    done = run("check", tmp_path / "attractive.acnn")
    assert done.exit_code == 1
    assert "FAIL" in done.output
    assert "dimer" in done.output


def test_check_of_given_structures(demo: Path, tmp_path: Path) -> None:
    ase.io.write(tmp_path / "s.xyz", Atoms("CuAl", positions=[[0, 0, 0], [2.5, 0.3, 0.1]]))
    done = run("check", demo / "cual.acnn", tmp_path / "s.xyz")
    assert "forces = -dE/dx" in done.output
    assert "AlCu" in done.output


@pytest.mark.parametrize("command", ["fit", "evaluate", "info", "check", "demo", "example-data"])
def test_help_teaches(command: str) -> None:
    done = run(command, "--help")
    assert done.exit_code == 0
    assert len(done.output.splitlines()) > 5


def test_missing_model_is_one_sentence(tmp_path: Path) -> None:
    for command in (["info"], ["check"], ["evaluate"]):
        more = [tmp_path / "data.xyz"] if command == ["evaluate"] else []
        done = run(*command, tmp_path / "none.acnn", *more)
        assert done.exit_code == 2
        assert "there is no such model file" in done.output


def test_example_data_is_the_same_for_the_same_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In what takes no molecular dynamics: tests/data tries all."""
    quick = [recipe for recipe in examples.COPPER_ALUMINUM if recipe.config_type in ("rattle", "vacancy")]
    monkeypatch.setattr(examples, "COPPER_ALUMINUM", quick)
    for seed, name in ((3, "a"), (3, "b"), (4, "c")):
        done = run("example-data", "cual", tmp_path / name, "--quick", "--seed", seed)
        assert done.exit_code == 0, done.output
    a, b, c = ((tmp_path / name / "train.xyz").read_bytes() for name in "abc")
    assert a == b != c


def test_example_data_replace_nothing_unasked(tmp_path: Path) -> None:
    mine = tmp_path / "train.xyz"
    mine.write_text("mine")
    for command in (["example-data", "cual", tmp_path], ["demo", tmp_path]):
        done = run(*command, "--quick")
        assert done.exit_code == 2
        assert "--overwrite" in done.output
    assert mine.read_text() == "mine"


def test_brackets_in_names_are_text_not_markup(demo: Path, tmp_path: Path) -> None:
    frames = ase.io.read(demo / "test.xyz", index=":")
    for frame in frames:
        frame.info["config_type"] = "slab[/b]"
    path = tmp_path / "data[old].xyz"
    ase.io.write(path, frames)
    done = run("evaluate", demo / "cual.acnn", path)
    assert done.exit_code == 0, done.output
    assert "slab[/b]" in done.output
    assert "data[old].xyz" in done.output
    missing = run("evaluate", demo / "cual.acnn", tmp_path / "gone[/x].xyz")
    assert missing.exit_code == 2
    assert "gone[/x].xyz" in missing.output


def test_evaluate_does_not_overwrite_its_data(demo: Path) -> None:
    before = (demo / "test.xyz").read_bytes()
    done = run("evaluate", demo / "cual.acnn", demo / "test.xyz", "--json", demo / "test.xyz")
    assert done.exit_code == 2
    assert (demo / "test.xyz").read_bytes() == before


def test_check_of_a_file_that_holds_no_structures_is_one_sentence(demo: Path, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("hello\n")
    done = run("check", demo / "cual.acnn", tmp_path / "hello.txt")
    assert done.exit_code == 2
    assert done.output.startswith("Error:")
    assert "hello.txt" in done.output


def test_version() -> None:
    assert run("--version").output.startswith("acnn 0.")
