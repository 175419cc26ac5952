"""Structures of ``acnn report --structures``: numbers, missing labels, and that chemiscope reads them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.metrics import evaluate
from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.report import report_structures
from acnn.testing import random_crystal, random_model, with_random_committee
from acnn.uncertainty.committee import committee_deviations

HOSTILE = '</script>"<b>'


@pytest.fixture(scope="module")
def model() -> LinearACE:
    return with_random_committee(random_model(["Si", "C"], order=2), 3)


@pytest.fixture(scope="module")
def data(model: LinearACE) -> Dataset:
    """Three crystals and a molecule, without the forces of the second and the energy of the third."""
    structures = []
    for k in range(4):
        atoms = random_crystal(["Si", "C"], seed=k)
        atoms.pbc = k < 3
        found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
        energy = float(found.energies[0]) - 0.01 * (k + 1) * len(atoms)
        forces = found.forces.numpy() + np.random.default_rng(k).normal(scale=0.1, size=(len(atoms), 3))
        labels = (None if k == 2 else energy, None if k == 1 else forces, None)
        structures.append(LabeledStructure(atoms, *labels, ("bulk", HOSTILE)[k % 2], Weights(), f"a.xyz #{k}"))
    return Dataset(tuple(structures), "a.xyz", "0" * 64, 0, {})


def content(model: LinearACE, data: Dataset, path: str = "a.json") -> Any:
    return json.loads(report_structures(Path(path), model, {"a.xyz": data}, "si.acnn"))


@pytest.fixture(scope="module")
def found(model: LinearACE, data: Dataset) -> dict[str, Any]:
    return content(model, data)


def values(found: dict[str, Any], name: str) -> np.ndarray:
    return np.array(found["properties"][name]["values"])


def test_structures_are_those_of_the_data(found, data):
    for structure, stored in zip(data, found["structures"], strict=True):
        atoms = structure.atoms
        assert stored["names"] == list(atoms.symbols)
        assert np.transpose([stored[axis] for axis in "xyz"]) == pytest.approx(atoms.positions, abs=1e-5)
        assert np.reshape(stored["cell"], (3, 3)) == pytest.approx(atoms.cell.array, abs=1e-5)


def test_every_structure_and_atom_has_its_values(found, data):
    counts = {"structure": len(data), "atom": data.n_atoms}
    for name, column in found["properties"].items():
        assert len(column["values"]) == counts[column["target"]], name
    centers = [(e["structure"], e["center"]) for e in found["environments"]]
    assert centers == [(k, atom) for k, structure in enumerate(data) for atom in range(len(structure))]


def test_errors_are_those_of_evaluate(found, model, data):
    table = evaluate(model, data)
    energies, forces = values(found, "energy error"), values(found, "force error")
    assert np.sqrt(np.nanmean(energies**2)) == pytest.approx(table.total("energy").rmse, rel=1e-6)
    assert np.sqrt(np.nanmean(forces**2) / 3) == pytest.approx(table.total("forces").rmse, rel=1e-6)
    difference = 1000 * (values(found, "energy predicted") - values(found, "energy label"))
    assert difference == pytest.approx(energies, abs=0.01, nan_ok=True)
    first = data[0]
    predicted = model.pair_gradients(atomic_graph(first.atoms, model.cutoff)).forces.numpy()
    errors = np.linalg.norm(predicted - first.forces, axis=1)
    assert forces[: len(first)] == pytest.approx(errors, rel=1e-6)
    assert values(found, "largest force error")[0] == pytest.approx(errors.max(), rel=1e-6)


def test_site_energies_add_up(found, data):
    first = np.split(values(found, "site energy"), np.cumsum([len(s) for s in data])[:-1])
    sums = [site.mean() for site in first]
    assert sums == pytest.approx(values(found, "energy predicted"), rel=1e-5)


def test_missing_labels_are_unknown(found, data):
    assert np.isnan(values(found, "energy error")).tolist() == [False, False, True, False]
    assert np.isnan(values(found, "force RMSE")).tolist() == [False, True, False, False]


def test_labels_that_no_structure_has_are_left_out(model, data):
    bare = replace(data, structures=tuple(replace(s, forces=None) for s in data))
    found = content(model, bare)
    assert "force predicted" in found["properties"]
    assert not {"force error", "force label", "force RMSE"} & set(found["properties"])
    shown = {axis["property"] for axis in found["settings"]["map"].values()}
    assert shown == {"energy label", "energy error"}


def test_a_committee_adds_standard_deviations(found, model, data):
    spread = committee_deviations(model, atomic_graph(data[0].atoms, model.cutoff))
    n = len(data[0])
    assert values(found, "force σ")[:n] == pytest.approx(spread.force_norm_std.numpy(), rel=1e-6)
    assert values(found, "energy σ")[0] == pytest.approx(1000 * float(spread.energy_std[0]) / n, rel=1e-6)
    alone = content(random_model(["Si", "C"], order=2), data)
    assert not [name for name in alone["properties"] if "σ" in name]


def test_a_molecule_without_a_cell(model):
    atoms = ase.Atoms("SiC", [[0, 0, 0], [0, 0, 1.9]])
    one = LabeledStructure(atoms, None, None, None, "molecule", Weights(), "a.xyz #0")
    (stored,) = content(model, Dataset((one,), "a.xyz", "0" * 64, 0, {}))["structures"]
    assert stored == {"size": 2, "names": ["Si", "C"], "x": [0.0, 0.0], "y": [0.0, 0.0], "z": [0.0, 1.9]}


def test_the_name_decides_on_compression(model, data):
    packed = report_structures(Path("a.json.gz"), model, {"a.xyz": data}, "si.acnn")
    assert gzip.decompress(packed) == report_structures(Path("a.json"), model, {"a.xyz": data}, "si.acnn")
    assert packed == report_structures(Path("a.json.gz"), model, {"a.xyz": data}, "si.acnn")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what notebooks import
def test_chemiscope_reads_it(found, tmp_path, model, data):
    chemiscope = pytest.importorskip("chemiscope", reason='chemiscope is not installed: pip install "acnn[dev]"')
    environments = [(e["structure"], e["center"], e["cutoff"]) for e in found["environments"]]
    made = chemiscope.create_input(
        structures=found["structures"],
        metadata=found["meta"],
        properties=found["properties"],
        environments=environments,
        settings=found["settings"],
    )
    assert json.dumps(made, sort_keys=True) == json.dumps(found, sort_keys=True)
    path = tmp_path / "a.json.gz"
    path.write_bytes(report_structures(path, model, {"a.xyz": data}, "si.acnn"))
    shown = chemiscope.show_input(str(path))
    assert json.loads(shown.value)["properties"].keys() == found["properties"].keys()


def report(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)], env={"COLUMNS": "300", "TERM": "dumb"})


def test_the_command_writes_it(model, tmp_path):
    pytest.importorskip("matplotlib", reason="reports draw with matplotlib")
    save_model(model, tmp_path / "m.acnn", {})
    atoms = random_crystal(["Si", "C"])
    atoms.info |= {"REF_energy": 1.0, "config_type": HOSTILE}
    atoms.write(tmp_path / "a.xyz")
    done = report(tmp_path / "m.acnn", tmp_path / "a.xyz", "--structures", tmp_path / "a.json")
    assert done.exit_code == 0, done.output
    assert "chemiscope" in done.output
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["properties"]["config type"]["values"] == [HOSTILE]
    arguments = (tmp_path / "m.acnn", tmp_path / "a.xyz", "-o", tmp_path / "b.html", "--structures")
    refused = report(*arguments, tmp_path / "b.txt")
    assert refused.exit_code == 2
    assert "name it .json or .json.gz" in refused.output
    again = report(*arguments, tmp_path / "a.json")
    assert again.exit_code == 2
    assert "--overwrite" in again.output
