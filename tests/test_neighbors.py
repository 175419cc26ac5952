"""Neighbor lists against the brute-force oracle and against ASE's."""

from __future__ import annotations

import itertools

import ase
import ase.build
import numpy as np
import pytest
import torch
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from acnn.neighbors import atomic_graph, brute_force_pairs, neighbor_pairs, pair_vectors
from acnn.testing import example_structures

CUTOFFS = (1.9, 4.1, 6.3)
PERIODICITIES = list(itertools.product((False, True), repeat=3))


def outside_the_cell() -> ase.Atoms:
    atoms = example_structures()["alloy"]
    atoms.positions += np.random.default_rng(0).integers(-2, 3, size=(len(atoms), 3)) @ atoms.cell.array
    return atoms


STRUCTURES = example_structures() | {
    "outside the cell": outside_the_cell(),
    "tiny skewed cell": ase.Atoms(
        "Si2", [[0, 0, 0], [0.8, 0.3, 0.6]], cell=[[1.7, 0, 0], [0.9, 1.6, 0], [-0.6, 0.7, 1.5]]
    ),
    "left-handed cell": ase.Atoms("Si2", [[0, 0, 0], [1, 1, 1]], cell=[[0, 3, 0], [3.2, 0, 0], [0, 0.4, 3.1]]),
}


def rows(pairs) -> np.ndarray:
    """(i, j, S) of all pairs in one order."""
    i, j, shifts = pairs
    table = np.column_stack([i, j, shifts]).astype(np.int64).reshape(-1, 5)
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("cutoff", CUTOFFS)
@pytest.mark.parametrize("name", STRUCTURES)
def test_pairs_are_those_of_ase_and_of_brute_force(name, cutoff):
    atoms = STRUCTURES[name]
    found = rows(neighbor_pairs(atoms, cutoff))
    np.testing.assert_array_equal(found, rows(brute_force_pairs(atoms, cutoff)))
    np.testing.assert_array_equal(found, rows(neighbor_list("ijS", atoms, cutoff)))


@pytest.mark.parametrize("pbc", PERIODICITIES)
@pytest.mark.parametrize("name", ["triclinic", "outside the cell", "tiny skewed cell", "left-handed cell"])
def test_mixed_periodicity(name, pbc):
    atoms = STRUCTURES[name].copy()
    atoms.pbc = pbc
    found = rows(neighbor_pairs(atoms, 4.1))
    np.testing.assert_array_equal(found, rows(brute_force_pairs(atoms, 4.1)))
    np.testing.assert_array_equal(found, rows(neighbor_list("ijS", atoms, 4.1)))
    assert not found[:, 2:][:, ~atoms.pbc].any()


@pytest.mark.parametrize("name", STRUCTURES)
def test_vectors_point_from_center_to_neighbor(name):
    atoms = STRUCTURES[name]
    i, j, shifts = neighbor_pairs(atoms, 4.1)
    vectors = pair_vectors(atoms, i, j, shifts)
    expected = neighbor_list("ijSD", atoms, 4.1)
    order, other = np.lexsort([*shifts.T, j, i]), np.lexsort([*expected[2].T, expected[1], expected[0]])
    np.testing.assert_allclose(vectors[order], expected[3][other], atol=1e-12)
    assert (np.linalg.norm(vectors, axis=1) < 4.1).all()


@pytest.mark.parametrize("name", STRUCTURES)
def test_both_directions_of_every_pair_sorted_by_center(name):
    i, j, shifts = neighbor_pairs(STRUCTURES[name], 4.1)
    assert (np.diff(i) >= 0).all()
    np.testing.assert_array_equal(rows((i, j, shifts)), rows((j, i, -shifts)))


def test_an_atom_is_the_neighbor_of_its_images():
    atoms = ase.Atoms("Si", cell=[2.0, 10.0, 10.0], pbc=True)
    i, j, shifts = neighbor_pairs(atoms, 4.5)
    assert (i == 0).all()
    assert (j == 0).all()
    assert sorted(shifts[:, 0].tolist()) == [-2, -1, 1, 2]


def test_a_pair_exactly_at_the_cutoff_is_left_out():
    atoms = ase.Atoms("Si2", [[0, 0, 0], [2.0, 0, 0]])
    assert len(neighbor_pairs(atoms, 2.0)[0]) == 0
    assert len(neighbor_pairs(atoms, np.nextafter(2.0, 3.0))[0]) == 2


def test_a_large_structure_agrees_with_ase():
    atoms = ase.build.bulk("Cu", cubic=True) * (6, 5, 4)
    atoms.rattle(0.1, seed=0)
    np.testing.assert_array_equal(rows(neighbor_pairs(atoms, 5.0)), rows(neighbor_list("ijS", atoms, 5.0)))


@pytest.mark.parametrize(
    "atoms",
    [ase.Atoms(), ase.Atoms(cell=[3, 3, 3], pbc=True), ase.Atoms("Si"), ase.Atoms("Si2", [[0, 0, 0], [0, 0, 9]])],
)
def test_without_pairs(atoms):
    i, j, shifts = neighbor_pairs(atoms, 4.0)
    assert (i.shape, j.shape, shifts.shape) == ((0,), (0,), (0, 3))
    assert rows(brute_force_pairs(atoms, 4.0)).shape == (0, 5)
    graph = atomic_graph(atoms, 4.0)
    assert (graph.n_atoms, graph.n_centers, graph.n_pairs) == (len(atoms), len(atoms), 0)
    assert graph.pair_vectors.shape == (0, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_graph_holds_the_pairs(dtype):
    atoms = STRUCTURES["alloy"]
    graph = atomic_graph(atoms, 4.1, dtype)
    i, j, shifts = neighbor_pairs(atoms, 4.1)
    assert graph.species.tolist() == atoms.numbers.tolist()
    assert graph.pair_i.tolist() == i.tolist()
    assert graph.pair_j.tolist() == j.tolist()
    assert graph.pair_vectors.dtype == dtype
    np.testing.assert_allclose(graph.pair_vectors.numpy(), pair_vectors(atoms, i, j, shifts), rtol=1e-6, atol=1e-6)


finite = {"allow_nan": False, "allow_infinity": False}


@st.composite
def periodic_structures(draw) -> ase.Atoms:
    """Up to five atoms, in and around skewed cells with any periodicity."""
    lengths = np.array(draw(st.lists(st.floats(1.5, 6.0, **finite), min_size=3, max_size=3)))
    skew = np.array(draw(st.lists(st.floats(-0.7, 0.7, **finite), min_size=3, max_size=3)))
    cell = np.diag(lengths)
    cell[1, 0], cell[2, 0], cell[2, 1] = skew * lengths[[0, 0, 1]]
    n_atoms = draw(st.integers(0, 5))
    coordinates = st.lists(st.floats(-1.5, 2.5, **finite), min_size=3 * n_atoms, max_size=3 * n_atoms)
    fractional = np.array(draw(coordinates)).reshape(n_atoms, 3)
    pbc = draw(st.tuples(st.booleans(), st.booleans(), st.booleans()))
    return ase.Atoms(["Si"] * n_atoms, fractional @ cell, cell=cell, pbc=pbc)


@settings(max_examples=60)
@given(atoms=periodic_structures(), cutoff=st.floats(0.5, 5.0, **finite))
def test_any_structure_agrees_with_brute_force(atoms, cutoff):
    # A pair within rounding of the cutoff may be on either side.
    inner, outer = rows(brute_force_pairs(atoms, cutoff - 1e-9)), rows(brute_force_pairs(atoms, cutoff + 1e-9))
    found = set(map(tuple, rows(neighbor_pairs(atoms, cutoff)).tolist()))
    assert set(map(tuple, inner.tolist())) <= found <= set(map(tuple, outer.tolist()))


@pytest.mark.parametrize("search", [neighbor_pairs, brute_force_pairs])
@pytest.mark.parametrize(
    ("atoms", "cutoff", "message"),
    [
        (ase.Atoms("Si"), 0.0, "must be positive and finite, not 0.0 Å"),
        (ase.Atoms("Si"), -1.0, "must be positive and finite, not -1.0 Å"),
        (ase.Atoms("Si"), np.nan, "must be positive and finite, not nan Å"),
        (ase.Atoms("Si2", [[0, 0, 0], [np.nan, 0, 0]]), 4.0, "atom 1 has the position .*must be finite"),
        (ase.Atoms("Si2", [[0, 0, np.inf], [0, 0, 0]]), 4.0, "atom 0 has the position .*must be finite"),
        (ase.Atoms("Si", pbc=[True, False, False]), 4.0, "cell vector 0, whose length is 0.0 Å"),
        (ase.Atoms("Si", cell=[3, 3, 0], pbc=True), 4.0, "cell vector 2, whose length is 0.0 Å"),
        (ase.Atoms("Si", cell=[[3, 0, 0], [6, 0, 0], [0, 0, 3]], pbc=True), 4.0, "not independent"),
    ],
)
def test_errors(search, atoms, cutoff, message):
    with pytest.raises(ValueError, match=message):
        search(atoms, cutoff)
