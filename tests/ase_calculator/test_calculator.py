"""The calculator is the potential, whatever was computed before; and ASE's tools run on it."""

from __future__ import annotations

import copy
import multiprocessing
import operator
import pickle
import warnings

import ase.build
import numpy as np
import pytest
import torch
from ase import units
from ase.calculators.calculator import PropertyNotImplementedError, all_changes
from ase.filters import FrechetCellFilter
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS

from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.io.model_file import ModelFileError, save_model
from acnn.kernels.potentials import CompiledPotential
from acnn.testing import (
    FLOAT32_ENERGY_TOLERANCE,
    FLOAT32_FORCE_TOLERANCE,
    REDUCTION_TOLERANCE,
    evaluate,
    example_structures,
    random_crystal,
    random_model,
    relative_deviation,
)
from ase_calculator import ACNNCalculator

STRUCTURES = example_structures()
PROPERTIES = ("energy", "free_energy", "energies", "forces", "stress", "stresses")


@pytest.fixture(scope="module")
def model():
    return random_model(["Si", "C"])


@pytest.fixture
def evaluations(model, monkeypatch):
    """Graphs the model was evaluated for."""
    graphs = []
    inner = model.pair_gradients
    monkeypatch.setattr(
        model, "pair_gradients", lambda graph, kernel=None: graphs.append(graph) or inner(graph, kernel), raising=False
    )
    return graphs


def results(atoms):
    names = PROPERTIES if atoms.cell.rank == 3 else PROPERTIES[:4]
    return {name: atoms.calc.get_property(name, atoms) for name in names}


def assert_same(found, expected, tolerance=0.0):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1.0, np.abs(value).max(initial=0.0))
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


def fresh(model, atoms):
    """Results of a new calculator without a skin."""
    again = atoms.copy()
    again.calc = ACNNCalculator(model, skin=0.0)
    return results(again)


# --- results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skin", [0.0, 0.5])
@pytest.mark.parametrize("name", STRUCTURES)
def test_results_are_those_of_the_potential(model, name, skin):
    atoms = STRUCTURES[name].copy()
    atoms.calc = ACNNCalculator(model, skin=skin)
    found, volume = evaluate(model, [atoms]), atoms.cell.volume
    energy = float(found.energies[0])
    expected = {
        "energy": energy,
        "free_energy": energy,
        "energies": found.site_energies.numpy(),
        "forces": found.forces.numpy(),
    }
    if atoms.cell.rank == 3:
        expected["stress"] = voigt_from_full(stress_from_virial(found.virials[0].numpy(), volume))
        expected["stresses"] = voigt_from_full(stress_from_virial(found.atomic_virials.numpy(), volume))
    assert_same(results(atoms), expected, REDUCTION_TOLERANCE)


def test_results_are_plain_float64(model):
    for dtype in ("float32", "float64"):
        atoms = STRUCTURES["alloy"].copy()
        atoms.calc = ACNNCalculator(model, dtype=dtype)
        found = results(atoms)
        assert type(found["energy"]) is float
        assert type(found["free_energy"]) is float
        for name, shape in [("energies", (8,)), ("forces", (8, 3)), ("stress", (6,)), ("stresses", (8, 6))]:
            assert type(found[name]) is np.ndarray
            assert (found[name].dtype, found[name].shape) == (np.float64, shape)


def test_stresses_of_atoms_add_up_to_the_stress(model):
    atoms = STRUCTURES["triclinic"].copy()
    atoms.calc = ACNNCalculator(model)
    np.testing.assert_allclose(atoms.get_stresses().sum(axis=0), atoms.get_stress(), atol=1e-14)
    assert np.abs(atoms.get_stress()).min() > 1e-6


def test_one_evaluation_gives_everything(model, evaluations):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    for _ in range(2):
        results(atoms)
        atoms.get_potential_energies()
    assert len(evaluations) == 1
    atoms.positions[0, 0] += 0.01
    atoms.get_stresses()
    results(atoms)
    assert len(evaluations) == 2


def test_a_reset_evaluates_again(model, evaluations):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    energy = atoms.get_potential_energy()
    atoms.calc.reset()
    assert (atoms.calc.atoms, atoms.calc.results) == (None, {})
    assert atoms.get_potential_energy() == energy
    assert len(evaluations) == 2


def test_what_the_model_does_not_see_changes_nothing(model, evaluations):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    atoms.get_forces()
    atoms.set_initial_magnetic_moments(np.ones(len(atoms)))
    atoms.set_velocities(np.ones((len(atoms), 3)))
    atoms.get_forces()
    assert len(evaluations) == 1


def test_the_caller_cannot_change_the_results(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    forces = atoms.get_forces()
    forces += 1.0
    np.testing.assert_allclose(atoms.get_forces(), forces - 1.0)


def test_a_direct_calculation_replaces_the_last(model):
    first, second = STRUCTURES["alloy"].copy(), STRUCTURES["bulk"].copy()
    calculator = ACNNCalculator(model)
    energy = calculator.get_property("energy", first)
    calculator.calculate(second)
    assert calculator.results["energy"] == pytest.approx(fresh(model, second)["energy"], abs=1e-10)
    assert calculator.get_property("energy", first) == energy
    assert calculator.get_property("energy", second) != energy


def test_float32_is_close_and_leaves_the_model_alone(model):
    atoms = STRUCTURES["alloy"].copy()
    double = fresh(model, atoms)
    atoms.calc = ACNNCalculator(model, dtype="float32")
    single = results(atoms)
    assert abs(single["energy"] - double["energy"]) < FLOAT32_ENERGY_TOLERANCE * abs(double["energy"])
    error = np.abs(single["forces"] - double["forces"]).max()
    assert 0 < error < FLOAT32_FORCE_TOLERANCE * np.abs(double["forces"]).max()
    assert model.coefficients.dtype == torch.float64


def test_a_model_file_gives_the_same(model, tmp_path):
    save_model(model, tmp_path / "model.acnn")
    atoms = STRUCTURES["alloy"].copy()
    for path in (tmp_path / "model.acnn", str(tmp_path / "model.acnn")):
        atoms.calc = ACNNCalculator(path)
        assert_same(results(atoms), fresh(model, atoms), REDUCTION_TOLERANCE)


def test_no_atoms(model):
    atoms = ase.Atoms(calculator=ACNNCalculator(model))
    assert atoms.get_potential_energy() == 0
    assert atoms.get_forces().shape == (0, 3)
    assert atoms.get_potential_energies().shape == (0,)


def test_torch_is_left_as_it_was(model):
    def state():
        return torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), torch.initial_seed()

    before = state()
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, dtype="float32")
    results(atoms)
    assert state() == before


# --- neighbor lists ------------------------------------------------------------------------------------------------


def thermalize(atoms, temperature):
    """Momenta of the Maxwell-Boltzmann distribution (K)."""
    random = np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.set_momenta(random * np.sqrt(atoms.get_masses()[:, None] * units.kB * temperature))


def trajectory(model, skin, steps=120):
    atoms = STRUCTURES["bulk"].copy()
    atoms.calc = ACNNCalculator(model, skin=skin)
    thermalize(atoms, 1500)
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=1.0 * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_potential_energy()))
    dynamics.run(steps)
    return np.array(energies), atoms


def test_a_skin_changes_nothing_but_the_number_of_searches(model):
    with_skin, moved = trajectory(model, skin=0.5)
    without, expected = trajectory(model, skin=0.0)
    np.testing.assert_allclose(with_skin, without, rtol=0, atol=1e-9)
    np.testing.assert_allclose(moved.positions, expected.positions, rtol=0, atol=1e-9)
    assert expected.calc.neighbor_searches == len(without)
    assert 1 < moved.calc.neighbor_searches < len(without) / 5


@pytest.mark.parametrize(("strain", "shift"), [(0.0, 0.2), (0.02, 0.0), (0.015, 0.1)])
@pytest.mark.parametrize("name", ["alloy", "triclinic", "one-atom cell", "slab", "wire"])
def test_no_pair_is_missed_in_a_random_walk(model, name, strain, shift):
    """Atoms and cell wander; strong enough that pairs outside the skin come inside the cutoff."""
    rng = np.random.default_rng(1)
    atoms = STRUCTURES[name].copy()
    reference = atoms.copy()
    atoms.calc = ACNNCalculator(model, skin=0.5)
    for _ in range(25):
        deformation = np.eye(3) + strain * rng.normal(size=(3, 3))
        atoms.set_cell(reference.cell @ deformation, scale_atoms=True)
        atoms.positions += shift * rng.normal(size=atoms.positions.shape) / np.sqrt(3)
        assert_same(results(atoms), fresh(model, atoms), 1e-11)
    if shift == 0.2 and len(atoms) > 1:
        assert atoms.calc.neighbor_searches > 3


@pytest.mark.parametrize(("approach", "searches"), [(0.24, 1), (0.26, 2)])
def test_two_atoms_may_each_move_half_a_skin(model, approach, searches):
    atoms = ase.Atoms("Si2", [[0, 0, 0], [0, 0, model.cutoff + 0.51]], calculator=ACNNCalculator(model, skin=0.5))
    assert not atoms.get_forces().any()
    atoms.positions += [[0, 0, approach], [0, 0, -approach]]
    assert atoms.get_forces().any() == (atoms.get_distance(0, 1) < model.cutoff)
    assert atoms.calc.neighbor_searches == searches


def test_the_model_sees_no_pair_of_the_skin_unless_it_takes_them(model, evaluations, monkeypatch):
    monkeypatch.setattr(model, "takes_longer_pairs", False)
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, skin=1.0)
    atoms.get_forces()
    (graph,) = evaluations
    assert graph.n_pairs == evaluate(model, [atoms]).graph.n_pairs
    assert float(torch.linalg.vector_norm(graph.pair_vectors, dim=1).max()) < model.cutoff


@pytest.mark.parametrize("kernel", ["torch", "auto"])
@pytest.mark.parametrize("name", STRUCTURES)
def test_pairs_of_the_skin_change_nothing(model, name, kernel):
    """Neither the energies, nor forces and stresses, which are sums over pairs."""
    found = []
    for skin in (0.0, 1.5):
        atoms = STRUCTURES[name].copy()
        atoms.calc = ACNNCalculator(model, skin=skin, kernel=kernel)
        found.append(results(atoms))
    for quantity, expected in found[0].items():
        assert relative_deviation(found[1][quantity], expected, 1e-2) < 1e-12, quantity


def test_small_strains_keep_the_list(model):
    atoms = STRUCTURES["alloy"].copy()
    cell = atoms.cell.copy()
    atoms.calc = ACNNCalculator(model, skin=0.5)
    for strain in (0.0, 0.01, -0.01, 0.02):
        atoms.set_cell(cell * (1 + strain), scale_atoms=True)
        assert_same(results(atoms), fresh(model, atoms), 1e-11)
    assert atoms.calc.neighbor_searches == 1
    atoms.set_cell(cell * 0.8, scale_atoms=True)
    assert_same(results(atoms), fresh(model, atoms), 1e-11)
    assert atoms.calc.neighbor_searches == 2


def test_a_uniform_translation_beyond_the_skin_searches_again(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, skin=0.5)
    energy = atoms.get_potential_energy()
    atoms.positions += 0.24
    atoms.wrap()
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=1e-10)


def change_cell(atoms):
    atoms.set_cell(atoms.cell * [1.02, 1, 1])


def change_species(atoms):
    atoms.numbers[0] = 20 - atoms.numbers[0]


def change_pbc(atoms):
    atoms.pbc = (True, False, True)


def swap_species(atoms):
    atoms.numbers = atoms.numbers[::-1]


def remove_atom(atoms):
    del atoms[2]


def add_atom(atoms):
    atoms += ase.Atoms("C", [[1.0, 0.9, 1.1]])


@pytest.mark.parametrize("change", [change_cell, change_species, change_pbc, swap_species, remove_atom, add_atom])
def test_changes_between_calls_count(model, change):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, skin=0.5)
    before = atoms.get_potential_energy()
    change(atoms)
    after = results(atoms)
    assert abs(after["energy"] - before) > 1e-6
    assert_same(after, fresh(model, atoms), REDUCTION_TOLERANCE)


def test_one_calculator_for_several_structures(model):
    calculator = ACNNCalculator(model)
    for atoms in [*STRUCTURES.values(), *STRUCTURES.values()]:
        shared = atoms.copy()
        shared.calc = calculator
        assert_same(results(shared), fresh(model, shared), REDUCTION_TOLERANCE)


# --- copies --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda c: pickle.loads(pickle.dumps(c))])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_copies_give_identical_results(model, duplicate, dtype):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, dtype=dtype, skin=0.3)
    expected = results(atoms)
    again = duplicate(atoms.calc)
    assert (again.skin, again.dtype, again.device) == (0.3, dtype, torch.device("cpu"))
    assert torch.equal(again.potential.coefficients, model.coefficients)
    assert_same({name: again.get_property(name, atoms) for name in PROPERTIES}, expected)
    other = atoms.copy()
    other.calc = again
    other.rattle(0.01)
    atoms.positions = other.positions
    np.testing.assert_allclose(
        other.get_forces(), atoms.get_forces(), rtol=0, atol=1e-5 if dtype == "float32" else 1e-12
    )


def test_a_copy_is_independent(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(copy.deepcopy(model))
    energy = atoms.get_potential_energy()
    again = copy.deepcopy(atoms.calc)
    atoms.calc.potential.coefficients.detach().zero_()
    again.calculate(atoms)
    assert again.results["energy"] == pytest.approx(energy, abs=1e-10)


def test_a_pickle_carries_the_results_and_a_safetensors_model(model, evaluations):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    atoms.get_forces()
    content = pickle.dumps(atoms)
    assert b"__metadata__" in content
    assert b"torch" not in content
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.get_forces(), atoms.get_forces())
    assert again.calc.neighbor_searches == 0


def test_a_potential_without_a_file_format_cannot_be_pickled():
    class Other(CompiledPotential):
        elements, cutoff = ("Si",), 3.0

    with pytest.raises(TypeError, match="a Other cannot be saved as a model file"):
        pickle.dumps(ACNNCalculator(Other()))


@pytest.mark.slow
def test_other_processes_give_the_same(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        forces = pool.apply(operator.methodcaller("get_forces"), (atoms,))
    np.testing.assert_allclose(forces, atoms.get_forces(), rtol=0, atol=1e-12)


# --- dynamics and relaxation ---------------------------------------------------------------------------------------


def fluctuation(model, timestep):
    """Standard deviation (eV) of the total energy over 64 fs of NVE."""
    atoms = random_crystal(model.elements)
    atoms.calc = ACNNCalculator(model)
    thermalize(atoms, 600)
    energies = []
    dynamics = VelocityVerlet(atoms, timestep=timestep * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(round(64 / timestep))
    return np.std(energies)


def test_energy_is_conserved_to_second_order_in_the_timestep(model):
    coarse, fine = fluctuation(model, 2.0), fluctuation(model, 1.0)
    assert coarse < 0.01
    assert 3.3 < coarse / fine < 4.7


def test_relaxation_of_positions_and_cell(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    before = atoms.get_potential_energy()
    relaxation = BFGS(FrechetCellFilter(atoms), logfile=None)
    assert relaxation.run(fmax=0.02, steps=200)
    assert atoms.get_potential_energy() < before - 0.01
    assert np.abs(atoms.get_forces()).max() < 0.02
    assert np.abs(atoms.get_stress() * atoms.get_volume()).max() < 0.05


def test_relaxation_of_a_molecule(model):
    atoms = STRUCTURES["molecule"].copy()
    atoms.calc = ACNNCalculator(model)
    assert BFGS(atoms, logfile=None).run(fmax=0.02, steps=200)
    assert np.abs(atoms.get_forces()).max() < 0.02


# --- errors --------------------------------------------------------------------------------------------------------


def test_an_unknown_keyword_is_named(model):
    with pytest.raises(TypeError, match="'cutof'"):
        ACNNCalculator(model, cutof=5.0)


@pytest.mark.parametrize("wrong", [None, 3, {"model": "m.acnn"}])
def test_a_model_is_a_path_or_a_potential(wrong):
    with pytest.raises(TypeError, match=f"not a {type(wrong).__name__}"):
        ACNNCalculator(wrong)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"nowhere\.acnn"):
        ACNNCalculator(tmp_path / "nowhere.acnn")


@pytest.mark.parametrize("dtype", ["float16", "double", torch.float64])
def test_other_dtypes_are_an_error(model, dtype):
    with pytest.raises(ValueError, match="dtype must be 'float32' or 'float64'"):
        ACNNCalculator(model, dtype=dtype)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_an_error(model, device):
    with pytest.raises(ValueError, match=f"the device '{device}' cannot be used here .*: use 'cpu'"):
        ACNNCalculator(model, device=device)


@pytest.mark.parametrize("skin", [-0.1, np.nan, np.inf])
def test_a_skin_is_a_distance(model, skin):
    with pytest.raises(ValueError, match=f"not {skin}"):
        ACNNCalculator(model, skin=skin)


def test_an_unsupported_element_is_named(model):
    atoms = ase.Atoms("SiAu", [[0, 0, 0], [0, 0, 2]], calculator=ACNNCalculator(model))
    with pytest.raises(ValueError, match="the element Au is not in this model, which supports C, Si"):
        atoms.get_potential_energy()


@pytest.mark.parametrize("first_call", [True, False])
def test_positions_must_be_finite(model, first_call):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    if not first_call:
        atoms.get_forces()
    atoms.positions[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"atom 3 has the position .*finite"):
        atoms.get_forces()


@pytest.mark.parametrize("distance", [0.0, 1e-8])
def test_overlapping_atoms_are_named(model, distance):
    atoms = STRUCTURES["alloy"].copy()
    atoms.positions[5] = atoms.positions[2] + [0, 0, distance]
    atoms.calc = ACNNCalculator(model)
    with pytest.raises(ValueError, match=r"atoms (2 and 5|5 and 2) are .* Å apart"):
        atoms.get_forces()


@pytest.mark.parametrize("name", ["molecule", "wire", "isolated atom"])
@pytest.mark.parametrize("calculated", [True, False])
def test_stress_needs_a_cell_with_a_volume(model, name, calculated):
    atoms = STRUCTURES[name].copy()
    atoms.calc = ACNNCalculator(model)
    if calculated:
        atoms.get_forces()
    for get in (atoms.get_stress, atoms.get_stresses):
        with pytest.raises(PropertyNotImplementedError, match=rf"with a volume.*has {atoms.cell.rank} cell vectors"):
            get()
    assert atoms.get_potential_energy() == pytest.approx(fresh(model, atoms)["energy"], abs=1e-10)


def test_a_failed_calculation_leaves_no_results(model):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model)
    good = atoms.get_potential_energy()
    wrong = atoms.copy()
    wrong.numbers[0] = 79
    for _ in range(2):
        with pytest.raises(ValueError, match="Au"):
            atoms.calc.get_property("energy", wrong)
        with pytest.raises(ValueError, match="Au"):
            atoms.calc.calculate(wrong, ["energy"], all_changes)
        assert atoms.calc.results == {}
    assert atoms.get_potential_energy() == good


def test_without_a_structure(model):
    with pytest.raises(ValueError, match="pass atoms"):
        ACNNCalculator(model).calculate()


@pytest.mark.parametrize(("size", "rank"), [("PMI_SIZE", "PMI_RANK"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK")])
def test_copies_of_one_calculation_are_warned_of_once(model, monkeypatch, size, rank):
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(rank, "0")
    with pytest.warns(RuntimeWarning, match=r"4 processes .* use lammps_plugin\.run_md"):
        ACNNCalculator(model)
    for quiet_size, quiet_rank in (("4", "1"), ("1", "0")):
        monkeypatch.setenv(size, quiet_size)
        monkeypatch.setenv(rank, quiet_rank)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ACNNCalculator(model)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False), (False, False, False)])
def test_stress_is_the_derivative_by_strain_in_a_cell_that_is_not_periodic_either(model, pbc):
    """σ = (1/V) dE/dε of atoms and cell, V with the vacuum."""
    atoms = STRUCTURES["slab"].copy()
    atoms.pbc = pbc
    atoms.calc = ACNNCalculator(model)
    stress, step = atoms.get_stress(voigt=False), 1e-5
    for a, b in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 1)]:
        strain = np.zeros((3, 3))
        strain[a, b] = strain[b, a] = step if a == b else step / 2
        energies = []
        for sign in (1, -1):
            strained = atoms.copy()
            strained.set_cell(atoms.cell @ (np.eye(3) + sign * strain), scale_atoms=True)
            energies.append(fresh(model, strained)["energy"])
        expected = (energies[0] - energies[1]) / (2 * step * atoms.cell.volume)
        assert stress[a, b] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_slab_relaxes_in_its_plane(model):
    atoms = STRUCTURES["slab"].copy()
    atoms.calc = ACNNCalculator(model)
    height = atoms.cell[2, 2]
    assert BFGS(FrechetCellFilter(atoms, mask=[1, 1, 0, 0, 0, 1]), logfile=None).run(fmax=0.01, steps=300)
    assert np.abs(atoms.get_stress()[[0, 1, 5]]).max() < 0.01 / atoms.cell.volume * 10
    assert atoms.cell[2, 2] == pytest.approx(height)


def test_settings_are_changed_by_set(model, evaluations):
    atoms = STRUCTURES["alloy"].copy()
    atoms.calc = ACNNCalculator(model, label="si")
    energy = atoms.get_potential_energy()
    assert atoms.calc.set(skin=0.5, label="si") == {}
    assert (atoms.get_potential_energy(), len(evaluations)) == (energy, 1)
    assert atoms.calc.set(skin=1.0, dtype="float32", label="other") == {
        "skin": 1.0,
        "dtype": "float32",
        "label": "other",
    }
    assert atoms.get_potential_energy() == pytest.approx(energy, rel=1e-5)
    assert atoms.get_potential_energy() != energy
    assert (len(evaluations), atoms.calc.skin) == (2, 1.0)
    for duplicate in (copy.deepcopy(atoms.calc), pickle.loads(pickle.dumps(atoms.calc))):
        assert duplicate.settings == atoms.calc.settings
    with pytest.raises(TypeError, match=r"unknown setting xc: set\(\) takes device, dtype"):
        atoms.calc.set(xc="PBE")
