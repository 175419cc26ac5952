"""Network and attention models and ensembles in ASE: as the potential says, in all that the calculator offers."""

from __future__ import annotations

import copy
import pickle

import ase.build
import numpy as np
import pytest
import torch
from ase import units
from ase.md.verlet import VelocityVerlet

from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.io.model_file import save_model
from acnn.models.ensemble import Ensemble
from acnn.testing import evaluate, example_structures, random_network
from ase_calculator import ACNNCalculator

STRUCTURES = example_structures()
ACCURACY = 1e-10
DRIFT = 1e-4
"""eV per atom."""


def ensemble() -> Ensemble:
    return Ensemble([random_network(["Si", "C"], seed) for seed in range(3)])


MODELS = {
    "network": lambda: random_network(["Si", "C"], layers=0),
    "attention": lambda: random_network(["Si", "C"]),
    "longer than the linear part": lambda: random_network(["Si", "C"], cutoff=5.0),
    "ensemble": ensemble,
}


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    return MODELS[request.param]()


@pytest.mark.parametrize("kernel", ["auto", "torch"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_results_are_those_of_the_potential(model, name, kernel):
    atoms = STRUCTURES[name].copy()
    atoms.calc = ACNNCalculator(model, kernel=kernel)
    found = evaluate(model, [atoms])
    scale = ACCURACY * max(1.0, float(found.forces.abs().max()))
    assert atoms.get_potential_energy() == pytest.approx(float(found.energies[0]), abs=scale)
    np.testing.assert_allclose(atoms.get_forces(), found.forces.numpy(), rtol=0, atol=scale)
    if atoms.cell.rank == 3:
        stress = voigt_from_full(stress_from_virial(found.virials[0].numpy(), atoms.get_volume()))
        np.testing.assert_allclose(atoms.get_stress(), stress, rtol=0, atol=scale)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_copies_and_files(model, duplicate, tmp_path):
    atoms = STRUCTURES["alloy"]
    save_model(model, tmp_path / "m.acnn")
    calculator = ACNNCalculator(tmp_path / "m.acnn")
    expected = calculator.get_property("forces", atoms)
    moved = atoms.copy()
    moved.rattle(0.01, seed=3)
    again = duplicate(calculator)
    assert np.array_equal(again.get_property("forces", moved), calculator.get_property("forces", moved))
    assert np.array_equal(again.get_property("forces", atoms), expected)


def test_single_precision(model):
    atoms = STRUCTURES["alloy"]
    double, single = (ACNNCalculator(model, dtype=dtype) for dtype in ("float64", "float32"))
    deviation = np.abs(single.get_property("forces", atoms) - double.get_property("forces", atoms)).max()
    assert 0 < deviation < 1e-4 * np.abs(double.get_property("forces", atoms)).max()


def test_the_energy_is_conserved():
    """A soft attention model: most of its forces are those of the repulsive pairs of its linear part."""
    model = random_network(["Si"])
    with torch.no_grad():
        model.readout.scale *= 0.2
    atoms = ase.build.bulk("Si", cubic=True)
    atoms.calc = ACNNCalculator(model)
    atoms.set_velocities(0.02 * np.random.default_rng(0).normal(size=(len(atoms), 3)))
    dynamics = VelocityVerlet(atoms, timestep=0.5 * units.fs)
    energies = []
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(100)
    assert np.ptp(energies) / len(atoms) < DRIFT


@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_the_committee_of_an_ensemble(kernel):
    model, atoms = ensemble(), STRUCTURES["alloy"].copy()
    calculator = ACNNCalculator(model, committee=True, kernel=kernel)
    atoms.calc = calculator
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    found = calculator.results
    members = [ACNNCalculator(member) for member in model.members()]
    for name, of_mean in (("energy", energy), ("forces", forces), ("stress", stress)):
        of_members = np.array([one.get_property(name, atoms) for one in members])
        plural = {"energy": "committee_energies"}.get(name, f"committee_{name}")
        np.testing.assert_allclose(of_members.mean(axis=0), of_mean, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[plural], of_members, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[f"{name}_std"], of_members.std(axis=0), rtol=0, atol=1e-9)


def test_a_single_model_has_no_committee():
    with pytest.raises(ValueError, match="use acnn ensemble"):
        ACNNCalculator(random_network(["Si"]), committee=True)
