"""Combinations of elements: what a graph shows, what is named, and what a model file keeps."""

from __future__ import annotations

import itertools

import ase
import numpy as np
import pytest

from acnn.combinations import Combinations, named
from acnn.io.model_file import ModelFileError, load_model, model_from_bytes, model_to_bytes, save_model
from acnn.models import Ensemble
from acnn.neighbors import atomic_graph
from acnn.testing import random_model

ELEMENTS = ("Al", "Cu", "Ag", "Au")
CUTOFF = 4.0


def random_cluster(seed: int) -> ase.Atoms:
    rng = np.random.default_rng(seed)
    return ase.Atoms(rng.choice(ELEMENTS, 9), rng.uniform(0.0, 9.0, size=(9, 3)))


def by_definition(structures: list[ase.Atoms]) -> set[tuple[str, str, str]]:
    found = set()
    for atoms in structures:
        distances = atoms.get_all_distances()
        for i, center in enumerate(atoms.symbols):
            around = [atoms.symbols[j] for j in range(len(atoms)) if j != i and distances[i, j] < CUTOFF]
            found |= {(center, a, b) for a, b in itertools.product(around, repeat=2)}
    return found


@pytest.fixture(scope="module")
def some() -> Combinations:
    found = Combinations.none(ELEMENTS, CUTOFF)
    for seed in range(3):
        found = found.and_graph(atomic_graph(random_cluster(seed), CUTOFF + 1.0))
    return found


def test_what_was_seen_is_what_is_within_the_cutoff(some: Combinations) -> None:
    expected = by_definition([random_cluster(seed) for seed in range(3)])
    seen = {(ELEMENTS[z], ELEMENTS[a], ELEMENTS[b]) for z, a, b in np.argwhere(some.seen)}
    assert seen == expected
    assert 0 < len(seen) < len(ELEMENTS) ** 3


def test_what_is_unseen_is_listed_once(some: Combinations) -> None:
    """A combination is unseen if it is listed, or has a pair that is."""
    pairs = {frozenset((z, a)) for z, (a, b) in some.unseen() if a == b}
    mixtures = {(z, frozenset(pair)) for z, pair in some.unseen() if pair[0] != pair[1]}
    assert pairs == {frozenset(pair) for pair in some.unseen_pairs}
    assert len(pairs) + len(mixtures) == len(some.unseen())
    for z, a, b in itertools.product(range(4), repeat=3):
        center, one, other = ELEMENTS[z], ELEMENTS[a], ELEMENTS[b]
        of_pairs = frozenset((center, one)) in pairs or frozenset((center, other)) in pairs
        assert of_pairs + ((center, frozenset((one, other))) in mixtures) == (not some.seen[z, a, b])


def test_another_structure_is_compared(some: Combinations) -> None:
    known, other = by_definition([random_cluster(seed) for seed in range(3)]), random_cluster(7)
    new = by_definition([other]) - known
    assert new
    found = some.unseen_in(atomic_graph(other, CUTOFF))
    assert {(z, *pair) for z, pair in found} <= new
    assert not some.and_graph(atomic_graph(other, CUTOFF)).unseen_in(atomic_graph(other, CUTOFF))
    assert some.unseen_in(atomic_graph(random_cluster(1), CUTOFF)) == []


def test_some_elements_of_many(some: Combinations) -> None:
    chosen = {"Cu", "Au"}
    expected = [(z, pair) for z, pair in some.unseen() if {z, *pair} <= chosen]
    assert some.unseen(chosen) == expected
    assert some.has_all(chosen) == (not expected)
    assert not some.has_all(ELEMENTS)


def test_mixtures_are_of_three_elements() -> None:
    elements, every = ("Al", "Cu", "Au"), np.ones((3, 3, 3), dtype=bool)
    assert not Combinations(elements, CUTOFF, every).lack_mixtures
    for place, lacks in (((0, 0, 1), False), ((2, 0, 1), True)):
        seen = every.copy()
        seen[place] = seen[place[0], place[2], place[1]] = False
        found = Combinations(elements, CUTOFF, seen)
        assert (len(found.unseen()), found.lack_mixtures) == (1, lacks)


def test_names_of_many_are_few() -> None:
    one, other = ("Ag", ("Cu", "Au")), ("Al", ("Au", "Au"))
    assert named([other, one]) == "Al–Au, Ag with Cu and Au"
    assert named([one, other, other, one, one], most=2) == "Ag with Cu and Au, Al–Au and 3 more"


def test_a_model_file_keeps_them(some: Combinations, tmp_path) -> None:
    model = random_model(ELEMENTS, order=1, degree=3.0)
    assert model_from_bytes(model_to_bytes(model), "m").combinations is None
    model.combinations = some
    save_model(model, tmp_path / "m.acnn")
    loaded = load_model(tmp_path / "m.acnn").combinations
    assert loaded is not None
    assert (loaded.elements, loaded.cutoff) == (ELEMENTS, CUTOFF)
    assert np.array_equal(loaded.seen, some.seen)
    model.combinations = Combinations.none(ELEMENTS[:2], CUTOFF)
    with pytest.raises(ModelFileError, match="the combinations of 4 elements cannot have 1 bytes"):
        model_from_bytes(model_to_bytes(model), "m.acnn")


def test_many_elements_take_little_room() -> None:
    elements = [ase.data.chemical_symbols[z] for z in range(1, 90)]
    assert len(Combinations.none(elements, CUTOFF).as_dict()["seen"]) < 60_000


def test_an_ensemble_has_seen_what_all_members_have(some: Combinations) -> None:
    members = [random_model(ELEMENTS, seed, order=1, degree=3.0) for seed in range(2)]
    assert Ensemble(members).combinations is None
    other = Combinations.none(ELEMENTS, CUTOFF).and_graph(atomic_graph(random_cluster(0), CUTOFF))
    members[0].combinations, members[1].combinations = some, other
    loaded = model_from_bytes(model_to_bytes(Ensemble(members)), "e").combinations
    assert loaded is not None
    assert np.array_equal(loaded.seen, other.seen)


def test_data_of_fewer_elements_are_joined(some: Combinations) -> None:
    pair = Combinations(("Al", "Au"), CUTOFF, np.ones((2, 2, 2), dtype=bool))
    joined = some.together_with(pair)
    assert joined.has_all(("Al", "Au"))
    assert (joined.seen >= some.seen).all()
    assert not (joined.seen & ~some.seen)[1:3].any()
