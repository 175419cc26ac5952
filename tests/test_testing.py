"""The checks of acnn.testing find what is wrong, and only that."""

from __future__ import annotations

import itertools

import ase
import numpy as np
import pytest
import torch

from acnn.potential import PairGradients, Potential
from acnn.testing import (
    FINITE_DIFFERENCE_TOLERANCE,
    INVARIANCE_TOLERANCE,
    check_gradients,
    check_invariances,
    evaluate,
    example_structures,
    finite_difference_forces,
    finite_difference_virial,
    pairwise,
    random_crystal,
    random_model,
    random_rotation,
    relative_deviation,
)

STRUCTURES = example_structures()


class Springs(Potential):
    """e_i = ½ Σ_j (4 - r)³ eV inside 4 Å: forces and virials are known in closed form."""

    elements, cutoff = ("C", "Si"), 4.0

    def site_energies(self, graph):
        r = torch.linalg.vector_norm(graph.pair_vectors, dim=1)
        halves = 0.5 * (self.cutoff - r) ** 3
        return halves.new_zeros(graph.n_centers).index_add(0, graph.pair_i, halves)


class WrongForces(Springs):
    """The largest pair gradient is off by a thousandth."""

    def pair_gradients(self, graph):
        found = super().pair_gradients(graph)
        gradients = found.pair_gradients.clone()
        of_two_atoms = graph.pair_i != graph.pair_j
        gradients[(torch.linalg.vector_norm(gradients, dim=1) * of_two_atoms).argmax()] *= 1 + 1e-3
        return PairGradients(found.graph, found.site_energies, gradients)


class Anisotropic(Springs):
    def site_energies(self, graph):
        z = graph.pair_vectors[:, 2]
        return super().site_energies(graph).index_add(0, graph.pair_i, 1e-6 * z * z)


class Chiral(Springs):
    """A triple product of neighbors of different species: blind to rotations, not to reflections."""

    def site_energies(self, graph):
        r = torch.linalg.vector_norm(graph.pair_vectors, dim=1, keepdim=True)
        weight = (self.cutoff - r) ** 2 * torch.cat([torch.ones_like(r), r, r * r], dim=1)
        moments = graph.pair_vectors[:, None, :] * weight[:, :, None]
        moments = moments.new_zeros(graph.n_centers, 3, 3).index_add(0, graph.pair_i, moments)
        return super().site_energies(graph) + 1e-6 * torch.linalg.det(moments)


class OrderDependent(Springs):
    def site_energies(self, graph):
        return super().site_energies(graph) * (1 + 1e-6 * torch.arange(graph.n_centers))


class NotExtensive(Springs):
    def site_energies(self, graph):
        return super().site_energies(graph) * (1 + 1e-6 * graph.n_atoms)


def springs_by_hand(atoms):
    """Forces and virial of `Springs` for a cluster, from the formula."""
    forces, virial = np.zeros((len(atoms), 3)), np.zeros((3, 3))
    for i in range(len(atoms)):
        for j in range(len(atoms)):
            vector = atoms.positions[j] - atoms.positions[i]
            r = np.linalg.norm(vector)
            if 0 < r < 4:
                forces[i] -= 3 * (4 - r) ** 2 * vector / r
                virial += 0.5 * 3 * (4 - r) ** 2 * np.outer(vector, vector) / r
    return forces, virial


def test_finite_differences_are_the_closed_form():
    atoms = STRUCTURES["molecule"]
    forces, virial = springs_by_hand(atoms)
    np.testing.assert_allclose(finite_difference_forces(Springs(), atoms), forces, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(finite_difference_virial(Springs(), atoms), virial, rtol=1e-8, atol=1e-8)


def test_finite_differences_of_some_atoms():
    atoms = STRUCTURES["molecule"]
    forces = finite_difference_forces(Springs(), atoms)
    np.testing.assert_array_equal(finite_difference_forces(Springs(), atoms, [3, 1]), forces[[3, 1]])
    assert finite_difference_forces(Springs(), atoms, []).shape == (0, 3)


@pytest.mark.parametrize("e0", [-1e4, -5e5])
def test_large_reference_energies_do_not_spoil_differences(e0):
    model = random_model(["Si", "C"])
    model.e0.values += e0
    assert check_gradients(model, STRUCTURES["triclinic"]).largest < FINITE_DIFFERENCE_TOLERANCE


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_good_potential_passes(name):
    assert check_gradients(Springs(), STRUCTURES[name]).largest < FINITE_DIFFERENCE_TOLERANCE
    for deviation in check_invariances(Springs(), STRUCTURES[name]):
        assert deviation.largest < INVARIANCE_TOLERANCE, deviation


@pytest.mark.parametrize("name", ["bulk", "slab", "triclinic", "molecule", "two atoms at 0.3 Å", "wire"])
def test_wrong_forces_are_found(name):
    report = check_gradients(WrongForces(), STRUCTURES[name])
    assert report.forces > FINITE_DIFFERENCE_TOLERANCE
    assert report.virial > FINITE_DIFFERENCE_TOLERANCE


def test_wrong_forces_outside_the_chosen_atoms_are_not_looked_for():
    atoms = ase.Atoms("Si3", [[0, 0, 0], [2, 0.1, 0], [30, 0, 0]])
    assert check_gradients(WrongForces(), atoms, [0]).forces > FINITE_DIFFERENCE_TOLERANCE
    assert check_gradients(WrongForces(), atoms, [2]).forces < FINITE_DIFFERENCE_TOLERANCE


@pytest.mark.parametrize(
    ("potential", "broken"),
    [
        (Anisotropic(), {"rotation", "reflection"}),
        (Chiral(), {"reflection"}),
        (OrderDependent(), {"permutation", "supercell"}),
        (NotExtensive(), {"supercell"}),
    ],
)
def test_broken_symmetries_are_found(potential, broken):
    found = {d.operation for d in check_invariances(potential, STRUCTURES["alloy"]) if d.largest > INVARIANCE_TOLERANCE}
    assert found == broken


def test_supercells_need_a_periodic_direction():
    operations = {name: [d.operation for d in check_invariances(Springs(), STRUCTURES[name])] for name in STRUCTURES}
    assert "supercell" in operations["wire"]
    assert "supercell" not in operations["molecule"]


def test_a_missing_number_is_the_largest():
    class Missing(Springs):
        def site_energies(self, graph):
            return super().site_energies(graph) * float("nan")

    assert np.isnan(check_gradients(Missing(), STRUCTURES["bulk"]).largest)
    assert all(np.isnan(d.largest) for d in check_invariances(Missing(), STRUCTURES["bulk"]))


@pytest.mark.parametrize(
    ("found", "expected", "scale", "deviation"),
    [([1.0, 2.0], [1.0, 4.0], 1.0, 0.5), ([0.2], [0.1], 1.0, 0.1), ([], [], 1.0, 0.0), ([-3.0], [3.0], 1.0, 2.0)],
)
def test_relative_deviation(found, expected, scale, deviation):
    assert relative_deviation(np.array(found), np.array(expected), scale) == pytest.approx(deviation)


def test_structures_cover_what_they_promise():
    periodicities = {tuple(atoms.pbc.tolist()) for atoms in STRUCTURES.values()}
    assert periodicities == {(True,) * 3, (True, True, False), (False,) * 3, (False, False, True)}
    assert {len(set(atoms.numbers)) for atoms in STRUCTURES.values()} == {1, 2}
    assert STRUCTURES["two atoms at 0.3 Å"].get_distance(0, 1) == pytest.approx(0.3)
    assert len(STRUCTURES["isolated atom"]) == len(STRUCTURES["one-atom cell"]) == 1
    assert np.abs(STRUCTURES["triclinic"].cell.angles() - 90).min() > 5


def test_structures_are_the_same_every_time_and_nobody_elses():
    again = example_structures()
    for name, atoms in STRUCTURES.items():
        assert again[name] == atoms
    again["bulk"].positions += 1
    assert example_structures()["bulk"] == STRUCTURES["bulk"]


@pytest.mark.parametrize("elements", [["Si"], ["H"], ["Si", "C"], ["Cu", "Al", "H"]])
@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
def test_random_models_have_forces_of_order_one(elements, formulation):
    model = random_model(elements, formulation=formulation)
    found = evaluate(model, [random_crystal(elements, seed=1)])
    assert 0.2 < float(found.forces.abs().max()) < 5
    assert set(model.elements) == set(elements)


def test_random_models_depend_on_the_seed_alone():
    first, second, other = (random_model(["Si", "C"], seed).coefficients for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_random_models_take_a_specification():
    model = random_model(["Si"], order=2, degree=8, cutoff=3.7, pair_degree=0)
    assert (model.cutoff, model.basis.specification.order, model.basis.pair_columns) == (3.7, 2, {})
    assert torch.isfinite(model.coefficients).all()


@pytest.mark.parametrize("elements", [["Si"], ["Si", "C"], ["H", "He", "Li", "C", "N", "O", "Na", "Mg", "Al", "Si"]])
def test_random_crystals_hold_all_elements(elements):
    atoms = random_crystal(elements)
    assert set(atoms.symbols) == set(elements)
    assert len(atoms) >= 16
    distances = atoms.get_all_distances(mic=True)[~np.eye(len(atoms), dtype=bool)]
    assert distances.min() > 1.2


def test_random_rotations_are_proper():
    rng = np.random.default_rng(0)
    for _ in range(10):
        rotation = random_rotation(rng)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-14)
        assert np.linalg.det(rotation) == pytest.approx(1)


def test_rows_of_a_pairwise_cover_are_few_and_have_every_pair():
    axes = ["abcdefghi", (0, 1), (True, False), "xyz"]
    rows = pairwise(*axes)
    assert len(rows) == len(set(rows)) < 9 * 2 * 2 * 3 / 3
    for i, j in itertools.combinations(range(4), 2):
        assert {(row[i], row[j]) for row in rows} == set(itertools.product(axes[i], axes[j]))
    assert rows == pairwise(*axes)
