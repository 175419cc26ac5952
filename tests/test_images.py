"""Pairs of small cells by images, and lists of them that are kept, beside the search of single structures."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from ase.build import bulk, fcc111, molecule

from acnn.image_lists import ImageLists
from acnn.images import FlatStructures, images_within
from acnn.neighbors import atomic_graph, brute_force_pairs, pair_vectors
from acnn.testing import example_structures

REACH = 4.3


def oblique() -> ase.Atoms:
    atoms = bulk("Si")
    atoms.set_cell(np.array([[1, 0, 0], [3, 1, 0], [-2, 4, 1]]) @ atoms.cell)
    return atoms


def scattered() -> ase.Atoms:
    """Atoms outside of the cell."""
    atoms = bulk("Si", cubic=True)
    atoms.positions += np.random.default_rng(0).integers(-4, 5, (8, 3)) @ atoms.cell
    return atoms


STRUCTURES = {
    **example_structures(),
    "one atom": bulk("Cu"),
    "oblique": oblique(),
    "scattered": scattered(),
    "slab": fcc111("Cu", (1, 1, 2), vacuum=5.0),
    "molecule": molecule("CH3CH2OH"),
    "lone atom": ase.Atoms("H"),
}


def rows(vectors: np.ndarray, i: np.ndarray) -> np.ndarray:
    """Centers and vectors, in an order of their own."""
    table = np.round(np.column_stack([i, vectors]), 6) + 0.0
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("most", [10_000_000, 0])
def test_images_give_the_pairs_of_brute_force(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a grid finds them."""
    monkeypatch.setattr("acnn.images.MOST_CANDIDATES", most)
    atoms = STRUCTURES[name]
    found = images_within(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, REACH)
    places = atoms.positions[found.owner] + found.shifts @ atoms.cell.array
    vectors = places[found.pair_image] - atoms.positions[found.pair_i]
    i, j, shifts = brute_force_pairs(atoms, REACH)
    expected = pair_vectors(atoms, i, j, shifts)
    assert (np.diff(found.pair_i) >= 0).all()
    np.testing.assert_allclose(rows(vectors, found.pair_i), rows(expected, i), atol=1e-5)


def test_lists_follow_atoms_and_cells_that_move_enter_and_leave() -> None:
    rng = np.random.default_rng(0)
    structures = {name: atoms.copy() for name, atoms in STRUCTURES.items()}
    lists = ImageLists(REACH, 0.4)
    for step in range(12):
        present = [name for k, name in enumerate(structures) if (k + step) % 4]
        for name in present:
            atoms = structures[name]
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=0.01, size=(3, 3))), scale_atoms=True)
            atoms.positions += rng.normal(scale=0.04, size=(len(atoms), 3))
        graph = lists.graph(FlatStructures.of([structures[name] for name in present]), present)
        bounds = graph.pair_bounds().tolist()
        for k, name in enumerate(present):
            alone = atomic_graph(structures[name], REACH)
            first = int((graph.structure < k).sum())
            vectors = graph.pair_vectors[bounds[k] : bounds[k + 1]].numpy()
            i = graph.pair_i[bounds[k] : bounds[k + 1]].numpy() - first
            np.testing.assert_allclose(
                rows(vectors, i), rows(alone.pair_vectors.numpy(), alone.pair_i.numpy()), atol=1e-5
            )
    assert len(structures) < lists.searches < 9 * len(structures)


def test_a_list_is_kept_while_atoms_move_little() -> None:
    flat = FlatStructures.of([bulk("Cu"), bulk("Si")])
    lists = ImageLists(4.0, 0.5)
    lists.graph(flat, "ab")
    lists.graph(flat.moved(flat.positions + 0.1, flat.cells), "ab")
    lists.graph(flat.moved(flat.positions, flat.cells * 1.05), "ab")
    assert lists.searches == 2
    lists.graph(flat.moved(flat.positions, flat.cells * 0.85), "ab")
    assert lists.searches == 4
    lists.graph(flat.moved(flat.positions + [[0, 0, 0], [0.3, 0, 0], [0, 0, 0]], flat.cells * 0.85), "ab")
    assert lists.searches == 5  # the second structure alone
    with pytest.raises(ValueError, match="the skin must be"):
        ImageLists(4.0, -1.0)


def test_an_invalid_structure_is_named() -> None:
    bad = bulk("Cu")
    bad.positions[0, 0] = np.nan
    with pytest.raises(ValueError, match="structure 1: atom 0 has the position"):
        FlatStructures.of([bulk("Cu"), bad])
    flat = ase.Atoms("Cu", cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], pbc=True)
    with pytest.raises(ValueError, match=r"structure 0: .*not independent"):
        FlatStructures.of([flat])
