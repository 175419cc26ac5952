"""The table of properties, and who reads it: the ASE calculator and files of predictions."""

from __future__ import annotations

from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.calculator import PropertyNotImplementedError
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.evaluation.properties import Evaluation, Property, volume_of
from acnn.io.model_file import save_model
from acnn.models.active_set import ActiveSet
from acnn.models.calibration import ErrorBars, Scale
from acnn.models.features import columns_by_element
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.properties import PROPERTIES, results
from acnn.testing import example_structures, random_model, with_random_committee
from ase_calculator import ACNNCalculator

STRUCTURES = example_structures()
MEMBERS = 3


def with_committee() -> LinearACE:
    """With everything that properties need."""
    model = with_random_committee(random_model(["Si", "C"]), MEMBERS)
    scales = {"all": Scale(2.0, 3.0, 10), "C": Scale(1.5, 2.0, 200)}
    model.calibration = ErrorBars({"energy": scales, "forces": scales, "stress": scales})
    sizes = [len(columns) for columns in columns_by_element(model.basis)]
    model.active_set = ActiveSet([torch.eye(size, dtype=torch.float64) for size in sizes])
    return model


def evaluated(model: LinearACE, atoms: ase.Atoms) -> Evaluation:
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    return Evaluation(model, found, volume_of(atoms))


@pytest.mark.parametrize("name", PROPERTIES)
def test_shapes_and_units_are_those_of_the_table(name: str) -> None:
    of, atoms = PROPERTIES[name], STRUCTURES["triclinic"]
    sizes = {"atoms": len(atoms), "members": MEMBERS}
    value = of.of(evaluated(with_committee(), atoms))
    assert np.shape(value) == tuple(sizes.get(axis, axis) for axis in of.axes)
    assert isinstance(value, float) or value.dtype == np.float64
    assert of.unit in ("eV", "eV/Å", "eV/Å³", "1")


def test_names_are_keys() -> None:
    assert all(name == of.name for name, of in PROPERTIES.items())


@pytest.mark.parametrize("name", [name for name, of in PROPERTIES.items() if of.of_sites])
def test_those_of_sites_need_no_other_sites(name: str) -> None:
    """Atoms whose neighbors are the same have the same value, however many there are beside them."""
    model, atoms = with_committee(), STRUCTURES["alloy"]
    one, many = (PROPERTIES[name].of(evaluated(model, of)) for of in (atoms, atoms * (2, 1, 1)))
    np.testing.assert_allclose(many, np.concatenate([one, one]), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", [name for name, of in PROPERTIES.items() if of.adds])
def test_those_that_add_are_linear_in_the_model(name: str) -> None:
    atoms = STRUCTURES["triclinic"]
    parts = [random_model(["Si", "C"], seed) for seed in (1, 2)]
    energies = {e: sum(part.e0.energies[e] for part in parts) for e in parts[0].elements}
    whole = LinearACE(parts[0].basis, energies, parts[0].coefficients + parts[1].coefficients)
    one, two, both = (PROPERTIES[name].of(evaluated(model, atoms)) for model in (*parts, whole))
    np.testing.assert_allclose(both, one + two, rtol=1e-9, atol=1e-10)


def test_what_a_cell_or_a_model_does_not_have_is_left_out() -> None:
    everything = {of.group for of in PROPERTIES.values()}
    molecule = results(evaluated(with_committee(), STRUCTURES["molecule"]), everything)
    assert set(molecule) == {name for name, of in PROPERTIES.items() if not of.of_volume}
    plain = results(evaluated(random_model(["Si", "C"]), STRUCTURES["alloy"]), everything)
    assert set(plain) == {name for name, of in PROPERTIES.items() if of.group in ("mechanics", "stresses")}


def test_one_evaluation_and_one_of_the_committee(monkeypatch: pytest.MonkeyPatch) -> None:
    model, calls = with_committee(), []
    monkeypatch.setattr(model, "pair_gradients", _counted(model.pair_gradients, calls, "model"))
    monkeypatch.setattr(model, "committee_of", _counted(model.committee_of, calls, "committee"))
    calculator = ACNNCalculator(model)
    for name in PROPERTIES:
        calculator.get_property(name, STRUCTURES["alloy"])
    assert calls == ["model", "committee"]


def _counted(function, calls, name):  # type: ignore[no-untyped-def]
    def counted(*arguments):  # type: ignore[no-untyped-def]
        calls.append(name)
        return function(*arguments)

    return counted


# --- a property is one entry ------------------------------------------------------------------------------------------


def coordination(evaluation: Evaluation) -> np.ndarray:
    """Neighbors within the cutoff."""
    return np.bincount(evaluation.graph.pair_i, minlength=evaluation.graph.n_centers).astype(float)


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Property:
    made = Property("coordination", "", ("atoms",), coordination, group="coordination", of_sites=True)
    monkeypatch.setitem(PROPERTIES, made.name, made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(with_committee(), tmp_path / "m.acnn")
    for name in ("alloy", "molecule"):
        atoms = STRUCTURES[name].copy()
        atoms.info["REF_energy"] = -1.0
        ase.io.write(tmp_path / "x.xyz", atoms, append=True)
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


def test_ase_has_it(entry: Property) -> None:
    atoms = STRUCTURES["alloy"]
    calculator = ACNNCalculator(random_model(["Si", "C"]), skin=0.0)
    calculator.get_property("energy", atoms)
    assert entry.name not in calculator.results
    expected = np.bincount(atomic_graph(atoms, calculator.potential.cutoff).pair_i)
    np.testing.assert_array_equal(calculator.get_property(entry.name, atoms), expected)
    with pytest.raises(PropertyNotImplementedError):
        calculator.get_property("dipole", atoms)


def test_files_have_it(entry: Property, folder: Path) -> None:
    words = ("evaluate", folder / "m.acnn", folder / "x.xyz", "-o", folder / "p.xyz")
    done = run(*words, "--properties", "coordination,energy,stress,energies_std")
    assert done.exit_code == 0, done.output
    alloy, molecule = ase.io.read(folder / "p.xyz", ":")
    calculator = ACNNCalculator(folder / "m.acnn", skin=0.0)
    for name in ("coordination", "energies_std"):
        np.testing.assert_allclose(alloy.arrays[f"acnn_{name}"], calculator.get_property(name, alloy), atol=1e-8)
    assert alloy.info["acnn_energy"] == pytest.approx(calculator.get_property("energy", alloy))
    np.testing.assert_allclose(alloy.info["acnn_stress"], calculator.get_property("stress", alloy), atol=1e-8)
    assert "acnn_stress" not in molecule.info
    assert molecule.info["REF_energy"] == -1.0
    assert "acnn_forces" not in molecule.arrays


def test_predictions_are_not_taken_for_labels(folder: Path) -> None:
    assert run("evaluate", folder / "m.acnn", folder / "x.xyz", "-o", folder / "p.xyz").exit_code == 0
    frames = ase.io.read(folder / "p.xyz", ":")
    assert all({"acnn_energies", "acnn_forces"} <= frame.arrays.keys() for frame in frames)
    for name in ("x", "p"):
        done = run("evaluate", folder / "m.acnn", folder / f"{name}.xyz", "--json", folder / f"{name}.json")
        assert done.exit_code == 0, done.output
        assert "acnn_" not in done.output
    assert (folder / "p.json").read_text() == (folder / "x.json").read_text()


def test_what_there_is_not_is_told(folder: Path) -> None:
    words = ("evaluate", folder / "m.acnn", folder / "x.xyz")
    done = run(*words, "-o", folder / "p.xyz", "--properties", "energy,charge")
    assert done.exit_code == 2
    assert "no property 'charge' for a file: choose from energy, free_energy, energies, forces" in done.output
    save_model(random_model(["Si", "C"]), folder / "m.acnn")
    done = run(*words, "-o", folder / "p.xyz", "--properties", "energy_std")
    assert done.exit_code == 2
    assert not (folder / "p.xyz").exists()
    assert run(*words, "--properties", "energy").exit_code == 2
    assert run(*words, "-o", folder / "x.xyz", "--overwrite").exit_code == 2
