"""Standard deviations in ASE: those of the members as calculators of their own, asked for or always there."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.mixing import LinearCombinationCalculator
from ase.io import Trajectory

from acnn.io.model_file import save_model
from acnn.properties import PROPERTIES
from acnn.testing import example_structures, random_crystal, random_model, with_random_committee
from ase_calculator import ACNNCalculator

ACCURACY = 1e-9
STRUCTURES = example_structures()
WITHOUT_STRESS = ("energy_std", "energies_std", "forces_std", "committee_energies", "committee_forces")


@pytest.fixture(scope="module")
def model():
    return with_random_committee(random_model(["Si", "C"]), 4)


def spread(values, mean):
    return np.sqrt(((np.array(values) - mean) ** 2).mean(axis=0))


@pytest.mark.parametrize("kernel", ["auto", "torch"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_results_are_those_of_the_members(model, name, kernel):
    atoms = STRUCTURES[name].copy()
    atoms.calc = ACNNCalculator(model, committee=True, kernel=kernel)
    atoms.get_forces()
    found = atoms.calc.results
    calculators = [ACNNCalculator(model.member(k)) for k in range(4)]
    energies = [c.get_property("energy", atoms) for c in calculators]
    sites = [c.get_property("energies", atoms) for c in calculators]
    forces = [c.get_property("forces", atoms) for c in calculators]
    close = {"rtol": ACCURACY, "atol": ACCURACY}
    np.testing.assert_allclose(found["committee_energies"], energies, **close)
    np.testing.assert_allclose(found["committee_forces"], forces, **close)
    np.testing.assert_allclose(found["energy_std"], spread(energies, found["energy"]), **close)
    np.testing.assert_allclose(found["energies_std"], spread(sites, found["energies"]), **close)
    np.testing.assert_allclose(found["forces_std"], spread(forces, found["forces"]), **close)
    if atoms.cell.rank == 3:
        stresses = [c.get_property("stress", atoms) for c in calculators]
        np.testing.assert_allclose(found["committee_stress"], stresses, **close)
        np.testing.assert_allclose(found["stress_std"], spread(stresses, found["stress"]), **close)
    else:
        assert "stress_std" not in found


def test_without_committee_results_wait_until_they_are_asked_for(model):
    atoms = random_crystal(["Si", "C"])
    atoms.calc = ACNNCalculator(model)
    atoms.get_forces()
    assert "forces_std" not in atoms.calc.results
    found = atoms.calc.get_property("forces_std", atoms)
    assert found.shape == (len(atoms), 3)
    assert atoms.calc.get_property("energy_std", atoms) > 0
    atoms.rattle(0.05, seed=1)
    atoms.get_forces()
    assert "forces_std" not in atoms.calc.results
    assert not np.allclose(atoms.calc.get_property("forces_std", atoms), found)


def test_results_belong_to_the_structure(model):
    atoms = random_crystal(["Si", "C"])
    atoms.calc = ACNNCalculator(model, committee=True)
    before = atoms.get_potential_energy(), atoms.calc.results["energy_std"]
    atoms.rattle(0.1, seed=2)
    after = atoms.get_potential_energy(), atoms.calc.results["energy_std"]
    assert before != after
    assert atoms.calc.results["committee_energies"] == pytest.approx(
        ACNNCalculator(model, committee=True).get_property("committee_energies", atoms)
    )


def test_stress_needs_a_cell(model):
    atoms = random_crystal(["Si", "C"])
    atoms.set_cell(None)
    atoms.pbc = False
    calculator = ACNNCalculator(model, committee=True)
    with pytest.raises(PropertyNotImplementedError, match="a cell with a volume"):
        calculator.get_property("stress_std", atoms)
    assert calculator.get_property("energy_std", atoms) > 0
    assert set(WITHOUT_STRESS) <= set(calculator.results)
    assert "stress_std" not in calculator.results


def test_a_model_without_committee(model):
    plain = random_model(["Si", "C"])
    with pytest.raises(ValueError, match="acnn fit --committee 16"):
        ACNNCalculator(plain, committee=True)
    with pytest.raises(PropertyNotImplementedError):
        ACNNCalculator(plain).get_property("energy_std", random_crystal(["Si", "C"]))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_have_the_committee(model, duplicate):
    atoms = random_crystal(["Si", "C"])
    calculator = ACNNCalculator(model, committee=True)
    expected = calculator.get_property("forces_std", atoms)
    again = duplicate(calculator)
    assert again.committee
    atoms.rattle(0.02, seed=3)
    assert not np.allclose(again.get_property("forces_std", atoms), expected)
    np.testing.assert_allclose(
        again.get_property("forces_std", atoms), calculator.get_property("forces_std", atoms), rtol=1e-12, atol=1e-15
    )


def test_files_and_trajectories(model, tmp_path):
    save_model(model, tmp_path / "m.acnn")
    atoms = random_crystal(["Si", "C"])
    atoms.calc = ACNNCalculator(tmp_path / "m.acnn", committee=True)
    energy = atoms.get_potential_energy()
    assert atoms.calc.results["energy_std"] > 0
    with Trajectory(tmp_path / "t.traj", "w") as trajectory:
        trajectory.write(atoms)
    atoms.write(tmp_path / "t.xyz")
    with Trajectory(tmp_path / "t.traj") as trajectory:
        assert trajectory[0].get_potential_energy() == energy


@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, -1.0]])
def test_combinations_of_calculators_add_no_standard_deviations(model, weights):
    """Nor members of committees of three and four, which has no meaning."""
    other = random_model(["Si", "C"], seed=1)
    other.set_committee(other.coefficients * other.coefficients.new_tensor([[0.9], [1.0], [1.1]]))
    atoms = random_crystal(["Si", "C"])
    parts = [ACNNCalculator(m, committee=True) for m in (model, other)]
    atoms.calc = LinearCombinationCalculator(parts, weights)
    energies = [part.get_property("energy", atoms) for part in parts]
    assert atoms.get_potential_energy() == pytest.approx(np.dot(weights, energies))
    assert not set(atoms.calc.results) & {name for name, of in PROPERTIES.items() if of.group == "committee"}
    for name in ("energy_std", "committee_energies"):
        with pytest.raises(PropertyNotImplementedError):
            atoms.calc.get_property(name, atoms)
