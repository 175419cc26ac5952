"""acnn fit --committee, acnn evaluate --uncertainty."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.dataset import read_dataset
from acnn.io.model_file import load_model
from acnn.neighbors import atomic_graph
from acnn.testing import random_model
from acnn.uncertainty import committee_deviations
from acnn.uncertainty.prediction import predict

FLAGS = ("--order", 2, "--degree", 5, "--cutoff", 4.5, "--e0", "Si=-1.0")


def run(*arguments: str | Path | float) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


def labeled(seed: int) -> Atoms:
    """Silicon with energies, forces and stresses of a model beyond the basis of the fit."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1 + 0.02 * (seed % 3), seed=seed)
    truth = random_model(["Si"], degree=8.0)
    found = truth.pair_gradients(atomic_graph(atoms, truth.cutoff))
    atoms.info |= {"energy_ref": float(found.energies[0]), "virial_ref": found.virials[0].numpy()}
    atoms.arrays["forces_ref"] = found.forces.numpy()
    return atoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uncertainty")
    ase.io.write(folder / "train.xyz", [labeled(k) for k in range(8)])
    ase.io.write(folder / "test.xyz", [labeled(k) for k in range(20, 24)])
    keys = ("--energy-key", "energy_ref", "--forces-key", "forces_ref", "--virial-key", "virial_ref")
    done = run("fit", folder / "train.xyz", "-o", folder / "m.acnn", "--committee", 6, *FLAGS, *keys)
    assert done.exit_code == 0, done.output
    return folder


def test_a_fit_leaves_its_committee_and_noise(folder: Path) -> None:
    model = load_model(folder / "m.acnn")
    assert model.committee is not None
    assert model.committee.shape == (6, model.basis.n_functions)
    assert len(torch.unique(model.committee[:, 0])) == 6
    assert model.noise is not None
    assert model.noise.energy_std(4) == pytest.approx(2 / 30 * model.noise.forces_std())


def test_evaluate_compares_with_the_errors(folder: Path, tmp_path: Path) -> None:
    keys = ("--energy-key", "energy_ref", "--forces-key", "forces_ref", "--virial-key", "virial_ref")
    done = run(
        "evaluate", folder / "m.acnn", folder / "test.xyz", *keys, "--uncertainty", "--json", tmp_path / "e.json"
    )
    assert done.exit_code == 0, done.output
    assert "miscali" in done.output
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["uncertainty"]["forces"]["committee"]["count"] == 4 * 8 * 3
    for quantity, of_quantity in found["uncertainty"].items():
        for figures in of_quantity.values():
            assert figures["rmse"] == pytest.approx(found["total"][f"{quantity}_rmse"])
            assert 0 <= figures["miscalibration"] <= 0.5
        assert of_quantity["committee and noise"]["sharpness"] > of_quantity["committee"]["sharpness"]


def test_the_plot_is_written(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need matplotlib")
    keys = ("--energy-key", "energy_ref", "--forces-key", "forces_ref")
    plot = tmp_path / "u.png"
    done = run("evaluate", folder / "m.acnn", folder / "test.xyz", *keys, "--uncertainty-plot", plot)
    assert done.exit_code == 0, done.output
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_a_model_without_committee_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    done = run("fit", folder / "train.xyz", "-o", tmp_path / "m.acnn", *FLAGS, "--energy-key", "energy_ref")
    assert done.exit_code == 0, done.output
    done = run("evaluate", tmp_path / "m.acnn", folder / "test.xyz", "--energy-key", "energy_ref", "--uncertainty")
    assert done.exit_code == 2
    assert "acnn fit --committee 16" in done.output


def test_predictions_are_those_of_the_committee(folder: Path) -> None:
    model = load_model(folder / "m.acnn")
    dataset = read_dataset(folder / "test.xyz", energy_key="energy_ref", forces_key="forces_ref")
    found = predict(model, dataset)
    assert set(found) == {"energy", "forces"}
    graphs = [atomic_graph(one.atoms, model.cutoff) for one in dataset]
    deviations = [committee_deviations(model, graph) for graph in graphs]
    expected = [1000 / 8 * float(one.energy_std[0]) for one in deviations]
    np.testing.assert_allclose(found["energy"].epistemic, expected)
    np.testing.assert_allclose(
        found["forces"].epistemic, np.concatenate([one.forces_std.reshape(-1) for one in deviations])
    )
    assert np.unique(found["forces"].aleatoric).tolist() == [model.noise.forces_std()]
