"""Folds, hold-outs and growing parts: everything once, every config type in its share, isolated atoms always."""

from __future__ import annotations

from collections import Counter
from functools import partial

import ase
import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from acnn.data.dataset import DatasetError, LabeledStructure
from acnn.data.splits import ALWAYS, folds, growing, holdout, replaceable
from acnn.data.weights import Weights


def structures(*counts: int, single: int = 1) -> list[LabeledStructure]:
    """So many structures of each type, mixed, and isolated atoms."""
    types = [f"type {k}" for k, count in enumerate(counts) for _ in range(count)]
    dimer = ase.Atoms("Cu2", [[0, 0, 0], [0, 0, 2]])
    found = [LabeledStructure(dimer, 0.0, None, None, name, Weights(), name) for name in types]
    found += [LabeledStructure(ase.Atoms("Cu"), 0.0, None, None, "atom", Weights(), "atom")] * single
    order = np.random.default_rng(0).permutation(len(found))
    return [found[k] for k in order]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(2, 7), st.integers(0, 3))
def test_folds_are_even_in_every_type(counts, k, seed):
    data = structures(*counts)
    if sum(counts) < k:
        with pytest.raises(DatasetError):
            folds(data, k, seed)
        return
    parts = folds(data, k, seed)
    assert np.array_equal(parts == ALWAYS, [len(s) == 1 for s in data])
    for name in {s.config_type for s in data} - {"atom"}:
        sizes = Counter(int(p) for p, s in zip(parts, data, strict=True) if s.config_type == name)
        assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(k)) <= 1
    sizes = Counter(parts[parts >= 0].tolist())
    assert max(sizes.values()) - min(sizes.get(fold, 0) for fold in range(k)) <= 1


def test_another_seed_deals_otherwise_and_the_same_seed_alike():
    data = structures(20, 20)
    assert np.array_equal(folds(data, 4, 1), folds(data, 4, 1))
    assert not np.array_equal(folds(data, 4, 1), folds(data, 4, 2))


@given(st.integers(5, 40), st.integers(5, 40), st.floats(0.1, 0.9))
def test_a_holdout_takes_its_share_of_each_type(a, b, fraction):
    data = structures(a, b)
    held = holdout(data, fraction)
    assert held.sum() == np.floor((a + b) * fraction + 0.5)
    for name, n in (("type 0", a), ("type 1", b)):
        taken = sum(h for h, s in zip(held, data, strict=True) if s.config_type == name)
        assert abs(taken - n * fraction) <= 1.5
    assert not any(h for h, s in zip(held, data, strict=True) if len(s) == 1)


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_holdout_of_nothing_or_everything_is_refused(fraction):
    with pytest.raises(DatasetError, match="leaves one side empty"):
        holdout(structures(3), fraction)


@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 3))
def test_one_of_every_kind_is_never_held_out(counts, seed):
    data = structures(*counts)
    for k, structure in enumerate(s for s in data if len(s) == 2):
        structure.atoms.symbols[0] = ("Ag", "Au", "Cu")[(k * k) % 5 % 3]
    among = replaceable(data)
    if among.sum() < 2:
        with pytest.raises(DatasetError, match="that have others of their kind leaves one side empty"):
            holdout(data, 0.7, seed, among=among)
        return
    held = holdout(data, 0.7, seed, among=among)
    rest = [s for h, s in zip(held, data, strict=True) if not h and len(s) == 2]
    assert {s.config_type for s in rest} == {s.config_type for s in data if len(s) == 2}
    assert {str(s.atoms.symbols) for s in rest} == {str(s.atoms.symbols) for s in data if len(s) == 2}
    assert held.sum() == np.floor(among.sum() * 0.7 + 0.5)


def test_growing_parts_double():
    data = structures(40, 24)
    parts = growing(data, n_sizes=5)
    sums = [int((parts[parts >= 0] <= m).sum()) for m in range(5)]
    assert sums == [4, 8, 16, 32, 64]
    assert (parts == ALWAYS).sum() == 1


def cells_and_atoms() -> list[LabeledStructure]:
    """Strained primitive cells of 2.1 to 2.9 Å, as of an equation of state, and three isolated atoms."""
    cells = [(bulk("Cu", a=a), "eos") for a in np.linspace(3.0, 4.1, 20)]
    box = ase.Atoms("Cu", cell=[8.0, 8.0, 8.0], pbc=True)
    atoms = [(ase.Atoms("Cu"), "a"), (box, "b"), (bulk("Cu"), "isolated_atom")]
    return [LabeledStructure(atoms, 0.0, None, None, name, Weights(), name) for atoms, name in cells + atoms]


@pytest.mark.parametrize(("cutoff", "isolated"), [(5.5, {20, 21, 22}), (10.0, {20, 22})])
def test_cells_of_one_atom_are_no_isolated_atoms(cutoff, isolated):
    data = cells_and_atoms()
    always = [set(np.flatnonzero(f(data, cutoff=cutoff) == ALWAYS)) for f in (partial(folds, k=4), growing)]
    assert always == [isolated, isolated]
    held = np.flatnonzero(holdout(data, 0.2, cutoff=cutoff))
    assert len(held) == round(0.2 * (23 - len(isolated)))
    assert not set(held) & isolated


def test_errors_tell_structures_from_isolated_atoms():
    with pytest.raises(DatasetError, match="20 structures besides 3 isolated atoms cannot be divided into 30 folds"):
        folds(cells_and_atoms(), 30, cutoff=5.5)
    with pytest.raises(DatasetError, match="0 structures besides 1 isolated atom leaves one side empty"):
        holdout(cells_and_atoms()[20:21], 0.5)
