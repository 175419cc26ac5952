"""Structures that are mostly empty, or whose cells are odd: right, at the cost of their pairs, or refused."""

from __future__ import annotations

import itertools

import ase
import ase.build
import numpy as np
import pytest

from acnn import neighbors
from acnn.neighbors import atomic_graph, brute_force_pairs, neighbor_pairs
from acnn.testing import example_structures, random_model
from acnn.tree_search import TooManyPairsError
from ase_calculator import ACNNCalculator


def rows(pairs) -> np.ndarray:
    table = np.column_stack(pairs).astype(np.int64).reshape(-1, 5)
    return table[np.lexsort(table.T[::-1])]


def by_trees(atoms, cutoff):
    i, j, shifts = neighbors._tree_pairs(atoms, cutoff)
    order = np.argsort(i, kind="stable")
    return i[order], j[order], shifts[order]


def random_structure(seed):
    """Up to seven atoms in and around a cell, oblique and of any periodicity."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2.5, 6.0, size=3)) + rng.uniform(-0.6, 0.6, size=(3, 3))
    positions = rng.uniform(-3, 3, size=(rng.integers(1, 8), 3)) @ cell
    return ase.Atoms(f"Si{len(positions)}", positions, cell=cell, pbc=rng.random(3) < 0.5)


@pytest.mark.parametrize("name", example_structures())
def test_trees_find_the_pairs_of_examples(name):
    atoms = example_structures()[name]
    for pbc, cutoff in itertools.product([atoms.pbc, [True, False, True]], [1.9, 4.1, 6.3]):
        if atoms.cell.rank == 3:
            atoms.pbc = pbc
        np.testing.assert_array_equal(rows(by_trees(atoms, cutoff)), rows(brute_force_pairs(atoms, cutoff)))


@pytest.mark.parametrize("seed", range(25))
def test_trees_find_the_pairs_of_any_structure(seed):
    atoms = random_structure(seed)
    np.testing.assert_array_equal(rows(by_trees(atoms, 4.3)), rows(brute_force_pairs(atoms, 4.3)))


def cluster(n_atoms, **arguments):
    positions = np.random.default_rng(0).uniform(0, 8, size=(n_atoms, 3))
    return ase.Atoms(f"Si{n_atoms}", positions, **arguments)


def evaporated(distance):
    """A slab, and one of its atoms."""
    slab = ase.build.diamond100("Si", (2, 2, 5), vacuum=None)
    slab.positions[3, 2] += distance
    return slab


ODD = {
    "atom far above a slab": evaporated(1e3),
    "atom very far above a slab": evaporated(1e7),
    "atom far from a molecule": cluster(20) + ase.Atoms("C", [[1e5, -1e6, 1e4]]),
    "gas": ase.Atoms("Si300", np.random.default_rng(0).uniform(0, 150, size=(300, 3)), cell=[150] * 3, pbc=True),
    "huge cell": cluster(20, cell=[1e8] * 3, pbc=True),
    "huge along one vector": cluster(12, cell=[7, 8, 1e7], pbc=True),
    "far outside its cell": ase.Atoms("Si2", [[0.1, 0.2, 0.3], [2e4, 1e4 + 2, 7.0]], cell=[4, 4, 5], pbc=True),
}


@pytest.mark.parametrize("name", ODD)
def test_empty_space_costs_nothing(name, monkeypatch):
    """A grid takes minutes where most of it is empty: it is used for the first alone, whose few cells are quick."""
    atoms = ODD[name]
    if name != "atom far above a slab":
        monkeypatch.setattr(neighbors, "_grid_pairs", None)
    found = rows(neighbor_pairs(atoms, 5.0))
    near = atoms.copy()
    if name == "far outside its cell":
        shifts = np.floor(atoms.get_scaled_positions(wrap=False)).astype(int)
        near.positions -= shifts @ atoms.cell.array
        i, j = found[:, 0], found[:, 1]
        found[:, 2:] += shifts[j] - shifts[i]
        found = rows(found.T)
    assert len(found)
    np.testing.assert_array_equal(found, rows(brute_force_pairs(near, 5.0)))


def test_an_atom_far_from_many_costs_no_time(monkeypatch):
    """It made the cells of a grid so wide that all the others were in one."""
    atoms = ase.build.fcc111("Cu", (20, 20, 6), vacuum=10, periodic=False)
    expected = len(neighbor_pairs(atoms[1:], 5.0)[0])
    atoms.positions[0] += [0, 0, 1e6]
    monkeypatch.setattr(neighbors, "_grid_pairs", None)
    assert len(neighbor_pairs(atoms, 5.0)[0]) == expected


@pytest.mark.parametrize("cell", [[1e-3, 9, 9], [0.05, 0.06, 9], [[3, 0, 0], [3e6 + 1, 3, 0], [0, 0, 4]]])
def test_thin_and_oblique_cells_have_the_pairs_of_their_lattice(cell):
    """As many as points of the lattice within the cutoff."""
    atoms = ase.Atoms("Si", [[0.2, 0.3, 0.4]], cell=cell, pbc=True)
    i, _, shifts = neighbor_pairs(atoms, 4.0005)
    lengths = np.linalg.norm(shifts @ atoms.cell.array, axis=1)
    assert lengths.max() < 4.0005
    assert len(np.unique(shifts, axis=0)) == len(i) > 0
    if np.ndim(cell) == 1:
        steps = [np.arange(-int(4.0005 / a), int(4.0005 / a) + 1) * a for a in cell]
        squares = steps[0][:, None, None] ** 2 + steps[1][:, None] ** 2 + steps[2] ** 2
        assert len(i) == (squares < 4.0005**2).sum() - 1
    else:
        assert len(i) == len(
            neighbor_pairs(ase.Atoms("Si", cell=[[3, 0, 0], [1, 3, 0], [0, 0, 4]], pbc=True), 4.0005)[0]
        )


def test_a_long_cutoff():
    atoms = ase.build.bulk("Cu")
    i, _, shifts = neighbor_pairs(atoms, 50.0)
    assert len(i) == pytest.approx(4 / 3 * np.pi * 50**3 / atoms.cell.volume, rel=0.01)
    assert len(np.unique(shifts, axis=0)) == len(i)


@pytest.mark.parametrize(
    ("atoms", "cutoff", "message"),
    [
        (
            ase.Atoms("Si2", [[0, 0, 0], [0, 1e9, 0]]),
            5.0,
            r"atom 1 has the position \[0.0, 1000000000.0, 0.0\] Å: .* 1e\+08",
        ),
        (ase.Atoms("Si", cell=[4, 4, 1e9], pbc=True), 5.0, r"cell vector 2, whose length is 1000000000.0 Å: .*1e\+08"),
        (ase.Atoms("Si2", [[0, 0, 0], [0, 1, 0]]), np.inf, "positive and finite, not inf"),
    ],
)
def test_what_cannot_be_meant_is_refused(atoms, cutoff, message):
    with pytest.raises(ValueError, match=message):
        neighbor_pairs(atoms, cutoff)


@pytest.mark.parametrize(
    ("atoms", "cutoff"),
    [
        (ase.Atoms("Si", cell=[1e-3] * 3, pbc=True), 5.0),
        (ase.Atoms("Si", cell=[1e-9, 8, 8], pbc=True), 5.0),
        (ase.Atoms("Si", cell=[4] * 3, pbc=True), 1e9),
        (ase.Atoms("Si60000", np.zeros((60000, 3))), 5.0),
        (ase.build.bulk("Cu", cubic=True) * 10, 400.0),
    ],
)
def test_more_pairs_than_fit_into_memory_are_refused_at_once(atoms, cutoff, monkeypatch):
    for search in ("_grid_pairs", "_tree_pairs"):
        monkeypatch.setattr(neighbors, search, None)
    with pytest.raises(TooManyPairsError, match=rf"^{len(atoms)} atoms? with about \de\+\d+ pairs of neighbors within"):
        neighbor_pairs(atoms, cutoff)


def test_a_calculator_sees_an_evaporated_atom_as_alone():
    model = random_model(["Si"])
    atoms, rest = evaporated(1e4), evaporated(1e4)
    del rest[3]
    atoms.calc, rest.calc = ACNNCalculator(model), ACNNCalculator(model)
    alone = model.e0.energies["Si"]
    assert atoms.get_potential_energy() == pytest.approx(rest.get_potential_energy() + alone, abs=1e-9)
    assert not atoms.get_forces()[3].any()
    assert atomic_graph(atoms, 4.5).n_pairs == atomic_graph(rest, 4.5).n_pairs
