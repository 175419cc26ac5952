"""Every command that takes a model takes network and attention models and ensembles."""

from __future__ import annotations

import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.conventions import stress_from_virial
from acnn.io.model_file import load_model, read_header, save_model
from acnn.models.ensemble import Ensemble
from acnn.neighbors import atomic_graph
from acnn.testing import random_crystal, random_network
from acnn.wording import TOTAL
from acnn.workflows.check import check_model
from lammps_plugin.mliap import UnifiedPotential

MODEL_TYPES = ["network", "attention", "ensemble"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """network.acnn, attention.acnn, seeds of it, ensemble.acnn; test.xyz, labeled by attention.acnn."""
    folder = tmp_path_factory.mktemp("model_types")
    save_model(random_network(["Si", "C"], layers=0), folder / "network.acnn")
    attention = random_network(["Si", "C"])
    for name, factor in (("attention", 1.0), ("seed1", 0.9), ("seed2", 1.5)):
        with torch.no_grad():
            attention.readout.out *= factor
        save_model(attention, folder / f"{name}.acnn", {"seed": factor})
    done = run(
        "ensemble",
        *(folder / f"{name}.acnn" for name in ("attention", "seed1", "seed2")),
        "-o",
        folder / "ensemble.acnn",
    )
    assert done.exit_code == 0, done.output
    assert "3 members" in done.output
    ase.io.write(folder / "test.xyz", [labeled(load_model(folder / "attention.acnn"), seed) for seed in range(3)])
    return folder


def labeled(model, seed: int) -> Atoms:
    atoms = random_crystal(["Si", "C"], seed)
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    atoms.info["energy_ref"] = float(found.energies[0])
    atoms.info["stress_ref"] = stress_from_virial(found.virials[0].numpy(), atoms.get_volume())
    atoms.arrays["forces_ref"] = found.forces.numpy()
    return atoms


KEYS = ("--energy-key", "energy_ref", "--forces-key", "forces_ref", "--stress-key", "stress_ref")


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_info(folder, model_type):
    done = run("info", folder / f"{model_type}.acnn")
    assert done.exit_code == 0, done.output
    model = load_model(folder / f"{model_type}.acnn")
    network = model.members()[0] if isinstance(model, Ensemble) else model
    parts = [sum(p.numel() for p in part.parameters()) for part in (network.embedding, network.readout)]
    words = [network.model_type, str(network.embedding.n_invariants), *map(str, [sum(parts), *parts]), "linear part"]
    for word in [
        *words,
        "E0 (eV)",
        str(network.linear.basis.n_functions),
        "kernel",
        f"{network.specification.cutoff:g}",
    ]:
        assert word in done.output, word
    assert ("ensemble of 3" in done.output) == (model_type == "ensemble")


@pytest.mark.parametrize("kernel", ["auto", "torch"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_evaluate(folder, tmp_path, model_type, kernel):
    out = tmp_path / "errors.json"
    done = run("evaluate", folder / f"{model_type}.acnn", folder / "test.xyz", "--json", out, "--kernel", kernel, *KEYS)
    assert done.exit_code == 0, done.output
    rmse = json.loads(out.read_text())[TOTAL]["forces_rmse"]
    assert rmse < 1e-6 if model_type == "attention" else rmse > 1e-3


def test_evaluate_uncertainty(folder, tmp_path):
    out, plot = tmp_path / "errors.json", tmp_path / "u.png"
    done = run(
        *("evaluate", folder / "ensemble.acnn", folder / "test.xyz", "--uncertainty", "--json", out, *KEYS),
        *("--uncertainty-plot", plot),
    )
    assert done.exit_code == 0, done.output
    found = json.loads(out.read_text())["uncertainty"]["forces"]["committee"]
    assert found["sharpness"] > 0
    assert found["spearman"] > 0.5  # one of the members made the labels
    assert plot.stat().st_size > 1000
    refused = run("evaluate", folder / "attention.acnn", folder / "test.xyz", "--uncertainty", *KEYS)
    assert refused.exit_code == 2
    assert "use acnn ensemble" in refused.output


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_report(folder, tmp_path, model_type):
    pytest.importorskip("matplotlib")
    out = tmp_path / "page.html"
    done = run("report", folder / f"{model_type}.acnn", folder / "test.xyz", "-o", out, *KEYS)
    assert done.exit_code == 0, done.output
    page = out.read_text(encoding="utf-8")
    assert "energies and forces" in page
    part = "linear part of the first member" if model_type == "ensemble" else "linear part"
    assert f"{part}: basis functions" in page
    assert ('id="uncertainty"' in page) == (model_type == "ensemble")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_export_to_mliap(folder, tmp_path, model_type, dtype):
    out = tmp_path / "m.mliap.pt"
    done = run("export", folder / f"{model_type}.acnn", "--to", "mliap", "--dtype", dtype, "-o", out)
    assert done.exit_code == 0, done.output
    assert "pair_coeff * * C Si" in done.output
    loaded = torch.load(out, weights_only=False)
    assert isinstance(loaded, UnifiedPotential)
    assert loaded.dtype == dtype
    assert loaded.potential.model_type == model_type


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_export_to_yace_is_refused(folder, tmp_path, model_type):
    done = run("export", folder / f"{model_type}.acnn", "--to", "yace", "-o", tmp_path / "m.yace")
    assert done.exit_code == 2
    assert f"of type {model_type}, not a linear one: use --to mliap" in done.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_check(folder, model_type):
    """Random networks may attract at short distances; all else is sound."""
    results = check_model(load_model(folder / f"{model_type}.acnn"))
    names = {result.name for result in results}
    assert {result.name for result in results if not result.passed and "dimer" not in result.name} == set()
    assert "network: second derivative at its cutoff" in names


def test_check_as_a_command(folder):
    done = run("check", folder / "network.acnn")
    assert done.exit_code in (0, 1), done.output
    assert "checks" in done.output


def test_an_ensemble_remembers_its_members(folder):
    header = read_header(folder / "ensemble.acnn")
    assert [one["file"] for one in header["provenance"]["members"]] == ["attention.acnn", "seed1.acnn", "seed2.acnn"]
    assert header["provenance"]["members"][1]["provenance"] == {"seed": 0.9}


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["attention"], "at least two members, not 1"),
        (["attention", "ensemble"], "ensemble.acnn is already an ensemble"),
        (["attention", "absent"], "no such model file"),
        (["attention", "network", "attention"], "the same model was given twice"),
    ],
)
def test_what_cannot_be_joined(folder, tmp_path, files, says):
    done = run("ensemble", *(folder / f"{name}.acnn" for name in files), "-o", tmp_path / "e.acnn")
    assert done.exit_code == 2
    assert says in done.output
    assert list(tmp_path.iterdir()) == []


def test_members_predict_what_they_did_alone(folder):
    model = load_model(folder / "ensemble.acnn")
    graph = atomic_graph(random_crystal(["Si", "C"], 9), model.cutoff)
    for name, member in zip(("attention", "seed1", "seed2"), model.members(), strict=True):
        alone = load_model(folder / f"{name}.acnn").pair_gradients(graph)
        assert np.array_equal(member.pair_gradients(graph).forces.numpy(), alone.forces.numpy())


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_labels_are_found_under_the_keys_of_the_training_data(folder, tmp_path, command):
    """Also by an ensemble, if its members agree."""
    keys = {"energy_key": "energy_ref", "forces_key": "forces_ref", "stress_key": "stress_ref"}
    attention = load_model(folder / "attention.acnn")
    save_model(attention, tmp_path / "trained.acnn", {"settings": {"data": keys}})
    members = [{"provenance": {"settings": {"data": keys}}}, {"provenance": {"settings": keys}}]
    save_model(load_model(folder / "ensemble.acnn"), tmp_path / "joined.acnn", {"members": members})
    for name in ("trained", "joined"):
        done = run(command, tmp_path / f"{name}.acnn", folder / "test.xyz")
        assert done.exit_code == 0, done.output
        assert "energy ← energy_ref" in done.output
    other = [{"provenance": {"settings": keys}}, {"provenance": {"settings": {"energy_key": "another"}}}]
    save_model(load_model(folder / "ensemble.acnn"), tmp_path / "disagreeing.acnn", {"members": other})
    assert "under a known key" in run(command, tmp_path / "disagreeing.acnn", folder / "test.xyz").output


def test_an_ensemble_of_different_types_warns(folder, tmp_path):
    done = run("ensemble", folder / "network.acnn", folder / "attention.acnn", "-o", tmp_path / "both.acnn")
    assert done.exit_code == 0
    assert "the members are of different types (attention, network)" in done.output
