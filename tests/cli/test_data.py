"""The commands acnn data: check, split, select, stats."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data import read_dataset
from acnn.data.frames import read_frames
from acnn.data.labeled_structure import LabeledStructure
from acnn.data.weights import Weights
from acnn.io.model_file import save_model
from acnn.testing import evaluate, random_model
from acnn.workflows.structure_selection import WAYS, features_model, select_structures


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silicon in two config types, labeled by a random model."""
    path = tmp_path_factory.mktemp("data")
    model, rng = random_model(("Si",), order=2, degree=5.0, cutoff=4.0), np.random.default_rng(0)
    frames = []
    for place in range(20):
        atoms = bulk("Si", a=5.43 + 0.02 * (place % 5))
        atoms.positions += rng.normal(scale=0.1, size=(2, 3))
        found = evaluate(model, [atoms])
        atoms.info = {
            "REF_energy": float(found.energies[0]),
            "config_type": "hot" if place % 2 else "cold",
            "id": place,
        }
        atoms.arrays["REF_forces"] = found.forces.numpy()
        frames.append(atoms)
    ase.io.write(path / "si.xyz", frames)
    for atoms in frames:
        atoms.info, _ = {"id": atoms.info["id"]}, atoms.arrays.pop("REF_forces")
    ase.io.write(path / "bare.xyz", frames)
    save_model(model, path / "si.acnn")
    return path


def ids(path: Path) -> list[int]:
    return [int(frame.atoms.info["id"]) for frame in read_frames(path)]


def test_clean_data_pass(folder):
    done = run("data", "check", folder / "si.xyz")
    assert done.exit_code == 0, done.output
    assert "no faults" in done.output


def test_faults_are_printed_with_status_one(folder, tmp_path):
    frames = ase.io.read(folder / "si.xyz", ":")
    ase.io.write(tmp_path / "twice.xyz", [*frames, frames[3]])
    done = run("data", "check", tmp_path / "twice.xyz")
    assert done.exit_code == 1
    assert "duplicates: 1 structure there already: twice.xyz #3 (hot) = twice.xyz #20 (hot)" in done.output


def test_a_split_keeps_all_structures_and_shares_of_types(folder, tmp_path):
    words = ("data", "split", folder / "si.xyz", "-o", tmp_path / "a.xyz", "--rest", tmp_path / "b.xyz", "--share", 0.2)
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert sorted(ids(tmp_path / "a.xyz") + ids(tmp_path / "b.xyz")) == list(range(20))
    assert [row.structures for row in read_dataset(tmp_path / "b.xyz").summary()] == [2, 2]
    assert run(*words).exit_code == 2
    assert run(*words, "--overwrite").exit_code == 0


@pytest.mark.parametrize("by", WAYS)
def test_structures_are_chosen_with_and_without_labels(folder, tmp_path, by):
    for source in ("si.xyz", "bare.xyz"):
        output, rest = tmp_path / f"chosen-{source}", tmp_path / f"rest-{source}"
        done = run("data", "select", folder / source, "-n", 6, "--by", by, "-o", output, "--rest", rest)
        assert done.exit_code == 0, done.output
        assert len(ids(output)) == 6
        assert sorted(ids(output) + ids(rest)) == list(range(20))
    assert ids(tmp_path / "chosen-si.xyz") == ids(tmp_path / "chosen-bare.xyz")
    assert len(read_dataset(tmp_path / "chosen-si.xyz")) == 6


def test_the_features_of_a_model_can_be_used(folder, tmp_path):
    output = tmp_path / "chosen.xyz"
    done = run("data", "select", folder / "si.xyz", "-n", 3, "--model", folder / "si.acnn", "-o", output)
    assert done.exit_code == 0, done.output
    assert len(ids(output)) == 3


def test_too_many_is_a_sentence(folder, tmp_path):
    done = run("data", "select", folder / "si.xyz", "-n", 21, "-o", tmp_path / "x.xyz")
    assert done.exit_code == 2
    assert "21 structures cannot be chosen of 20" in done.output


@pytest.mark.parametrize("by", ["fps", "cur", "gamma"])
def test_a_structure_unlike_the_others_is_chosen_first(by):
    def structure(atoms: Atoms) -> LabeledStructure:
        return LabeledStructure(atoms, None, None, None, "", Weights(), "")

    rng, structures = np.random.default_rng(1), []
    for _ in range(12):
        atoms = bulk("Si")
        atoms.positions += rng.normal(scale=0.01, size=(2, 3))
        structures.append(structure(atoms))
    structures[5] = structure(bulk("Si", "fcc", 3.9))
    assert 5 in select_structures(structures, 2, by, features_model(["Si"]))


def test_statistics_and_their_plot(folder, tmp_path):
    done = run("data", "stats", folder / "si.xyz", "--plot", tmp_path / "si.png")
    assert done.exit_code == 0, done.output
    for words in ("energy above E0", "Si–Si distance", "force", f"wrote {tmp_path / 'si.png'}"):
        assert words in done.output.replace("\n", "")
    assert (tmp_path / "si.png").read_bytes()[:4] == b"\x89PNG"
