"""acnn fit --committee --gamma and acnn calibrate: error bars and grades in the model file, in Python and in ASE."""

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
from acnn.data.dataset import LabeledStructure, Weights, read_dataset
from acnn.io.model_file import load_model, read_header, save_model
from acnn.models import Model
from acnn.neighbors import atomic_graph
from acnn.properties import PROPERTIES
from acnn.testing import random_model, random_network
from acnn.uncertainty.committee import committee_deviations
from acnn.uncertainty.conformal import joined, measured_spreads
from acnn.uncertainty.grade import active_set_of, grades
from ase_calculator import ACNNCalculator

FLAGS = ("--order", 2, "--degree", 5, "--cutoff", 4.5, "--e0", "Si=-1.0,C=-2.0", "--repulsion", 0)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": "300", "TERM": "dumb"})


def labeled(seed: int, size: float = 0.1) -> Atoms:
    """Zinc blende with energies, forces and virials of a model beyond the basis of the fit."""
    atoms = bulk("SiC", "zincblende", a=4.6, cubic=True)
    atoms.rattle(size, seed=seed)
    truth = random_model(["Si", "C"], degree=7.0)
    found = truth.pair_gradients(atomic_graph(atoms, truth.cutoff))
    atoms.info |= {"REF_energy": float(found.energies[0]), "REF_virial": found.virials[0].numpy()}
    atoms.arrays["REF_forces"] = found.forces.numpy()
    return atoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate")
    ase.io.write(folder / "train.xyz", [labeled(k) for k in range(40)])
    ase.io.write(folder / "other.xyz", [labeled(k) for k in range(100, 130)])
    for kind in ("posterior", "pops"):
        options = (
            "--committee",
            8,
            "--uncertainty",
            kind,
            "--gamma",
            "--split",
            0.25,
            "--json",
            folder / f"{kind}.json",
        )
        done = run("fit", folder / "train.xyz", "-o", folder / f"{kind}.acnn", *options, *FLAGS)
        assert done.exit_code == 0, done.output
        assert "error bars: 68 % of the errors outside the fit are below σ" in done.output
    save_model(random_network(["Si", "C"], layers=0), folder / "network.acnn")
    return folder


@pytest.mark.parametrize("kind", ["posterior", "pops"])
def test_a_fit_calibrates_itself_by_what_it_held_out(folder: Path, kind: str) -> None:
    model = load_model(folder / f"{kind}.acnn")
    assert model.calibration is not None
    assert model.calibration.scale("forces").count == 10 * 8 * 3
    assert (model.noise is None) == (kind == "pops")
    found = joined(measured_spreads(model, read_dataset(folder / "other.xyz").structures))
    covered = found.covered(model.calibration)["forces"]
    assert covered["q90"].mean() == pytest.approx(0.9, abs=0.08)
    assert covered["std"].mean() == pytest.approx(0.68, abs=0.12)
    stored = json.loads((folder / f"{kind}.json").read_text())
    assert stored["coverage"]["forces"]["q90"] == pytest.approx(0.9, abs=0.1)
    assert "error bars" in run("info", folder / f"{kind}.acnn").output


def test_the_spread_of_pops_is_that_of_the_errors(folder: Path) -> None:
    """That of the posterior is much smaller."""
    scales = {k: load_model(folder / f"{k}.acnn").calibration.scale("forces").std for k in ("posterior", "pops")}
    assert scales["pops"] < 4
    assert scales["posterior"] > 2 * scales["pops"]


def test_ase_has_error_bars_and_grades(folder: Path) -> None:
    model, atoms = load_model(folder / "pops.acnn"), labeled(7)
    calculator = ACNNCalculator(model, committee=True)
    raw = committee_deviations(model, atomic_graph(atoms, model.cutoff))
    bars = model.calibration
    assert calculator.get_property("energy_std", atoms) == pytest.approx(
        bars.scale("energy").std * float(raw.energy_std[0])
    )
    assert calculator.get_property("energy_q90", atoms) == pytest.approx(
        bars.scale("energy").q90 * float(raw.energy_std[0])
    )
    factors = bars.factors("forces", atoms.get_chemical_symbols(), "q90")
    bounds = calculator.get_property("forces_q90", atoms)
    np.testing.assert_allclose(bounds, factors * raw.force_norm_std.numpy(), rtol=1e-10)
    assert calculator.get_property("gamma", atoms).max() < 1.5
    atoms.set_cell(0.85 * atoms.cell, scale_atoms=True)
    assert calculator.get_property("gamma", atoms).min() > 5


def test_without_calibration_there_are_no_bounds(folder: Path) -> None:
    model = load_model(folder / "pops.acnn")
    model.calibration = None
    assert not PROPERTIES["forces_q90"].exists(model)
    model.active_set = None
    assert not PROPERTIES["gamma"].exists(model)
    with pytest.raises(ValueError, match="no active set"):
        grades(model, atomic_graph(labeled(0), model.cutoff))


def test_grades_flag_an_element_or_a_combination_that_the_data_lack() -> None:
    model = random_model(["Si", "C"], order=2, degree=4.0)
    silicon, carbon = bulk("Si", cubic=True), bulk("C", cubic=True)
    structures = [_structure(atoms, seed) for atoms in (silicon, carbon) for seed in range(6)]
    model.active_set = active_set_of(model, structures)
    assert max(float(grades(model, atomic_graph(s.atoms, model.cutoff)).max()) for s in structures) < 1.5
    mixed = bulk("SiC", "zincblende", a=4.6, cubic=True)
    assert float(grades(model, atomic_graph(mixed, model.cutoff)).min()) > 100
    model.active_set = active_set_of(model, structures[:6])
    assert torch.isinf(grades(model, atomic_graph(carbon, model.cutoff))).all()


def _structure(atoms: Atoms, seed: int) -> LabeledStructure:
    rattled = atoms.copy()
    rattled.rattle(0.1, seed=seed)
    return LabeledStructure(rattled, 0.0, None, None, "bulk", Weights(), "x.xyz #0 (bulk)")


def test_calibrate_gives_a_network_committee_bars_and_grades(folder: Path, tmp_path: Path) -> None:
    words = ("calibrate", folder / "network.acnn", folder / "other.xyz", "-o", tmp_path / "n.acnn")
    done = run(*words)
    assert done.exit_code == 2
    assert "acnn calibrate --training" in done.output
    done = run(*words, "--training", folder / "train.xyz", "--members", 5)
    assert done.exit_code == 0, done.output
    model = load_model(tmp_path / "n.acnn")
    graph = atomic_graph(labeled(3), model.cutoff)
    found = committee_deviations(model, graph)
    assert found.forces is not None
    assert found.forces.shape == (5, 8, 3)
    assert read_header(tmp_path / "n.acnn")["provenance"]["coverage"]["forces"]["q90"] == pytest.approx(0.9, abs=0.1)
    assert float(grades(model, graph).max()) < 2


def test_samples_of_the_last_layer_are_energies(folder: Path) -> None:
    """Linear in the features; forces are their derivatives; the kernel and torch agree."""
    model = load_model(folder / "network.acnn")
    graph = atomic_graph(labeled(3), model.cutoff)
    weights = torch.as_tensor(np.random.default_rng(0).normal(size=(3, model.last_layer_size)))
    model.set_last_layer(weights)
    features = model.features(graph)
    for kernel in ("torch", None):
        found = committee_deviations(model, graph, kernel)
        expected = features.values.double() @ weights.T
        torch.testing.assert_close(found.site_energies, expected.T, rtol=1e-7, atol=1e-9)
        for k, own in enumerate(weights):
            torch.testing.assert_close(found.forces[k], features.weighted(own).forces, rtol=1e-6, atol=1e-8)
        energies = committee_deviations(model, graph, kernel, forces=False)
        torch.testing.assert_close(energies.site_energies, found.site_energies, rtol=1e-7, atol=1e-9)


def test_the_sum_of_unit_features_is_the_network(folder: Path) -> None:
    model: Model = load_model(folder / "network.acnn")
    graph = atomic_graph(labeled(3), model.cutoff)
    coefficients = model.features(graph).coefficients
    whole = model.of_features(coefficients).pair_gradients(graph)
    units = torch.eye(len(coefficients), dtype=torch.float64)
    parts = sum(c * model.of_features(u).pair_gradients(graph).forces for c, u in zip(coefficients, units, strict=True))
    torch.testing.assert_close(parts, whole.forces, rtol=1e-7, atol=1e-9)


def test_what_cannot_calibrate_is_refused(folder: Path, tmp_path: Path) -> None:
    done = run("calibrate", folder / "pops.acnn", folder / "train.xyz", "-o", tmp_path / "c.acnn")
    assert done.exit_code == 2
    assert "train.xyz is what pops.acnn was fitted to" in done.output
    plain = tmp_path / "plain.acnn"
    save_model(random_model(["Si", "C"]), plain)
    done = run("calibrate", plain, folder / "other.xyz", "-o", tmp_path / "c.acnn")
    assert done.exit_code == 2
    assert "fit it with acnn fit --committee 16" in done.output


def test_evaluate_compares_error_bars(folder: Path, tmp_path: Path) -> None:
    done = run("evaluate", folder / "pops.acnn", folder / "other.xyz", "--uncertainty", "--json", tmp_path / "e.json")
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "e.json").read_text())["uncertainty"]["forces"]
    assert found["error bars"]["miscalibration"] < 0.08
    assert found["error bars"]["spearman"] == pytest.approx(found["committee"]["spearman"], abs=0.1)
