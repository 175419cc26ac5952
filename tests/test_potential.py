"""Energies, forces and virials as reductions of one evaluation, in every kind of structure."""

from __future__ import annotations

from dataclasses import replace

import ase
import ase.build
import numpy as np
import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.graph import batch
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph, graph_from_pairs, neighbor_pairs
from acnn.potential import Potential
from acnn.testing import (
    FINITE_DIFFERENCE_TOLERANCE,
    INVARIANCE_TOLERANCE,
    REDUCTION_TOLERANCE,
    check_gradients,
    check_invariances,
    evaluate,
    example_structures,
    random_model,
)

STRUCTURES = example_structures()
FORMULATIONS = ("pure2b", "self_interacting")


@pytest.fixture(scope="module")
def models():
    return {formulation: random_model(["Si", "C"], formulation=formulation) for formulation in FORMULATIONS}


@pytest.fixture(scope="module")
def model(models):
    return models["pure2b"]


@pytest.fixture
def chunked(model, monkeypatch):
    """Sets the number of pairs per chunk for one test."""
    return lambda pairs: monkeypatch.setattr(model, "max_pairs_per_chunk", pairs, raising=False)


def assert_same(found, expected):
    for name in ("site_energies", "pair_gradients", "energies", "forces", "virials"):
        value, reference = getattr(found, name), getattr(expected, name)
        scale = max(1.0, float(reference.abs().max())) if reference.numel() else 1.0
        torch.testing.assert_close(value, reference, rtol=0, atol=REDUCTION_TOLERANCE * scale)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_forces_and_virials_are_derivatives_of_the_energy(models, formulation, name):
    assert check_gradients(models[formulation], STRUCTURES[name]).largest < FINITE_DIFFERENCE_TOLERANCE


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_invariances(models, formulation, name):
    deviations = check_invariances(models[formulation], STRUCTURES[name])
    assert {d.operation for d in deviations} >= {"rotation", "reflection", "permutation", "translation"}
    assert {d.operation: d.largest for d in deviations if not d.largest < INVARIANCE_TOLERANCE} == {}


@pytest.mark.parametrize("name", STRUCTURES)
def test_forces_and_virials_by_automatic_differentiation(model, name):
    """F = -dE/dx and W = -dE/dε through the positions and a strain, without pair gradients."""
    atoms = STRUCTURES[name]
    i, j, shifts = neighbor_pairs(atoms, model.cutoff)
    positions = torch.tensor(atoms.positions, requires_grad=True)
    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    vectors = positions[torch.as_tensor(j)] - positions[torch.as_tensor(i)]
    vectors = (vectors + torch.as_tensor(shifts @ atoms.cell.array)) @ (torch.eye(3, dtype=torch.float64) + strain)
    graph = graph_from_pairs(atoms.numbers, i, j, np.zeros((len(i), 3))).with_pair_vectors(vectors)
    # The term in the positions is zero, and keeps an isolated atom differentiable.
    energy = model.site_energies(graph).sum() + 0.0 * (positions.sum() + strain.sum())
    slopes = torch.autograd.grad(energy, [positions, strain])
    found = evaluate(model, [atoms])
    scale = max(1.0, float(found.forces.abs().max()))
    torch.testing.assert_close(found.forces, -slopes[0], rtol=0, atol=REDUCTION_TOLERANCE * scale)
    torch.testing.assert_close(found.virials[0], -slopes[1], rtol=0, atol=REDUCTION_TOLERANCE * 10 * scale)


@pytest.mark.parametrize("name", STRUCTURES)
def test_atomic_virials_add_up(model, name):
    found = evaluate(model, [STRUCTURES[name]])
    scale = max(1.0, float(found.virials.abs().max()))
    torch.testing.assert_close(
        found.atomic_virials.sum(dim=0), found.virials[0], rtol=0, atol=REDUCTION_TOLERANCE * scale
    )


class OneSided(Potential):
    """e_i = Σ_j r_ij² of silicon, and 0 of everything else."""

    elements, cutoff = ("C", "Si"), 4.0

    def site_energies(self, graph):
        squares = graph.pair_vectors.square().sum(dim=1) * (graph.species[graph.pair_i] == 14)
        return squares.new_zeros(graph.n_centers).index_add(0, graph.pair_i, squares)


def test_atomic_virials_share_a_pair_evenly():
    """W_i = -½ r ⊗ 2r for both atoms, though only one of them has an energy."""
    found = evaluate(OneSided(), [ase.Atoms("SiC", [[0, 0, 0], [1, 0, 2]])])
    r = torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    assert found.site_energies.tolist() == [5, 0]
    torch.testing.assert_close(found.atomic_virials, -torch.outer(r, r).expand(2, 3, 3))


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_net_force_and_no_net_torque(model, name):
    found = evaluate(model, [STRUCTURES[name]])
    assert float(found.forces.sum(dim=0).abs().max()) < 1e-11
    assert float((found.virials[0] - found.virials[0].T).abs().max()) < 1e-11


def test_site_energies_add_up_by_structure(model):
    found = evaluate(model, list(STRUCTURES.values()))
    lengths = [len(atoms) for atoms in STRUCTURES.values()]
    sums = [part.sum() for part in found.site_energies.split(lengths)]
    torch.testing.assert_close(found.energies, torch.stack(sums))


def test_a_batch_is_its_structures(model):
    together = evaluate(model, list(STRUCTURES.values()))
    alone = [evaluate(model, [atoms]) for atoms in STRUCTURES.values()]
    for name in ("energies", "forces", "virials", "atomic_virials"):
        expected = torch.cat([getattr(found, name) for found in alone])
        scale = float(expected.abs().max())
        torch.testing.assert_close(getattr(together, name), expected, rtol=0, atol=REDUCTION_TOLERANCE * scale)


@pytest.mark.parametrize("pairs", [1, 30, 100])
def test_chunks_change_nothing(model, chunked, pairs):
    graph = batch([atomic_graph(atoms, model.cutoff) for atoms in STRUCTURES.values()])
    whole = model.pair_gradients(graph)
    chunked(pairs)
    chunks = list(graph.center_chunks(pairs))
    assert len(chunks) > 2
    if pairs == 1:
        assert all(c.stop - c.start == 1 for c, p in chunks if p.stop - p.start > 1)
    assert_same(model.pair_gradients(graph), whole)


def test_chunks_cover_all_centers_and_pairs(model):
    graph = batch([atomic_graph(atoms, model.cutoff) for atoms in STRUCTURES.values()])
    for pairs in (1, 7, 50, 10_000):
        chunks = list(graph.center_chunks(pairs))
        centers = [i for c, _ in chunks for i in range(c.start, c.stop)]
        assert centers == list(range(graph.n_centers))
        assert [p for _, s in chunks for p in range(s.start, s.stop)] == list(range(graph.n_pairs))
        for c, s in chunks:
            assert s.stop - s.start <= pairs or c.stop - c.start == 1
            assert ((graph.pair_i[s] >= c.start) & (graph.pair_i[s] < c.stop)).all()


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_second_derivatives(models, formulation):
    """What training on forces needs: derivatives of the pair gradients."""
    graph = atomic_graph(ase.Atoms("SiCSi", [[0, 0, 0], [1.7, 0.3, 0.2], [-0.4, 1.9, 0.5]]), 4.5)

    def site_energies(vectors):
        return models[formulation].site_energies(graph.with_pair_vectors(vectors))

    vectors = graph.pair_vectors.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(site_energies, vectors)
    assert torch.autograd.gradgradcheck(site_energies, vectors)


def test_forces_are_central_differences_of_the_energy(model):
    """The plainest statement, without anything of acnn.testing but the model."""
    atoms, h = STRUCTURES["wire"].copy(), 1e-5
    force = float(model.pair_gradients(atomic_graph(atoms, model.cutoff)).forces[1, 2])
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[1, 2] += sign * h
        energies.append(float(model.pair_gradients(atomic_graph(moved, model.cutoff)).energies[0]))
    assert abs(force) > 0.01
    assert force == pytest.approx(-(energies[0] - energies[1]) / (2 * h), rel=1e-6)


def repulsive_model() -> LinearACE:
    model = LinearACE(BasisSpecification(elements=("Cu",), order=1, degree=3, cutoff=4.5), {"Cu": 0.0})
    coefficients = torch.zeros_like(model.coefficients)
    coefficients[model.basis.pair_columns[0, 0].start] = 1.0
    model.coefficients.data = coefficients
    return model


@pytest.mark.parametrize("scale", [0.9, 1.0])
def test_a_repulsive_crystal_has_negative_stress(scale):
    """ASE's sign: what wants to expand is under negative stress, more so when compressed."""
    atoms = ase.build.bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell * scale, scale_atoms=True)
    found = evaluate(repulsive_model(), [atoms])
    stress = voigt_from_full(stress_from_virial(found.virials[0].numpy(), atoms.get_volume()))
    assert (stress[:3] < -1e-3).all()
    np.testing.assert_allclose(stress[3:], 0, atol=1e-12)


def test_repelling_atoms_are_pushed_apart():
    found = evaluate(repulsive_model(), [ase.Atoms("Cu2", [[0, 0, 0], [2, 0, 0]])])
    assert found.forces[0, 0] < 0 < found.forces[1, 0]


@pytest.mark.parametrize("atoms", [ase.Atoms(), ase.Atoms("Si"), ase.Atoms("SiC", [[0, 0, 0], [0, 0, 50]])])
def test_without_pairs_there_is_e0(model, atoms):
    found = evaluate(model, [atoms])
    assert float(found.energies[0]) == pytest.approx(sum(model.e0.energies[s] for s in atoms.symbols))
    assert found.forces.shape == (len(atoms), 3)
    assert not found.forces.any()
    assert not found.virials.any()


@pytest.mark.parametrize("pairs", [True, False])
def test_an_unknown_element_is_named(model, pairs):
    atoms = ase.Atoms("SiAu", [[0, 0, 0], [0, 0, 2 if pairs else 50]])
    with pytest.raises(ValueError, match="the element Au is not in this model, which supports C, Si"):
        evaluate(model, [atoms])


def test_gradients_come_out_under_no_grad(model):
    graph = atomic_graph(STRUCTURES["molecule"], model.cutoff)
    expected = model.pair_gradients(graph)
    with torch.no_grad():
        assert_same(model.pair_gradients(graph), expected)
    assert not expected.site_energies.requires_grad
    assert not graph.pair_vectors.requires_grad


def test_chunks_bound_the_number_of_centers_too():
    """Isolated atoms have no pairs, and would all be in one chunk."""
    graph = batch([atomic_graph(ase.Atoms("Si"), 4.0) for _ in range(7)])
    assert [c.stop - c.start for c, _ in graph.center_chunks(100, max_centers=3)] == [3, 3, 1]


def test_pairs_out_of_order_are_told():
    model = random_model(["Si"], order=2, degree=4)
    graph = atomic_graph(example_structures()["bulk"], model.cutoff)
    flipped = replace(
        graph, pair_i=graph.pair_i.flip(0), pair_j=graph.pair_j.flip(0), pair_vectors=graph.pair_vectors.flip(0)
    )
    with pytest.raises(ValueError, match="sorted by center"):
        model.pair_gradients(flipped)
