"""Batches hold every structure once per epoch, as `acnn.graph.batch` would make them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure, read_dataset
from acnn.data.weights import Weights
from acnn.graph import batch
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.neighbors import atomic_graph
from acnn.train.batches import cut, factors, n_batches, shuffled_batches, structure_store


@pytest.fixture(scope="module")
def model() -> NetworkACE:
    linear = LinearACE(BasisSpecification(elements=("Cu",), order=1, degree=1, cutoff=5.0), {"Cu": 3.5})
    return NetworkACE(NetworkSpecification(elements=("Cu",), cutoff=3.2, channels=2, hidden=(2,)), linear)


@pytest.fixture(scope="module")
def structures(copper: Path) -> tuple[LabeledStructure, ...]:
    return read_dataset(copper).structures


def test_a_batch_is_that_of_graphs(model: NetworkACE, structures: tuple[LabeledStructure, ...]) -> None:
    store = structure_store(model, structures, torch.float64)
    assert len(store) == len(structures) - 1  # not the isolated atom
    chosen = [4, 0, 7]
    found = store.batch(torch.tensor(chosen))
    expected = batch([atomic_graph(structures[k + 1].atoms, 3.2) for k in chosen])
    for name in ("species", "pair_i", "pair_j", "pair_vectors", "structure"):
        assert torch.equal(getattr(found.graph, name), getattr(expected, name))
    assert (found.graph.n_structures, found.graph.n_centers) == (3, expected.n_centers)


def test_labels_are_less_the_linear_part(model: NetworkACE, structures: tuple[LabeledStructure, ...]) -> None:
    store = structure_store(model, structures[1:3], torch.float64)
    assert store.energies[0].item() == pytest.approx(structures[1].energy - 4 * 3.5)
    assert store.forces[:4].numpy() == pytest.approx(structures[1].forces)


def test_missing_labels_have_no_weight(model: NetworkACE, structures: tuple[LabeledStructure, ...]) -> None:
    some = [replace(structures[1], energy=None, virial=None), replace(structures[2], forces=None)]
    store = structure_store(model, some, torch.float32)
    assert store.label_counts == (1, 12, 9)
    assert store.batch(torch.tensor([0, 1])).labels.force_weights.tolist() == [1, 1, 1, 1, 0, 0, 0, 0]


def test_weights_of_a_fit_mean_the_same(structures: tuple[LabeledStructure, ...]) -> None:
    assert factors(Weights()) == Weights(1, 1, 1)
    assert factors(Weights(15, 0.5, 0)) == Weights(0.25, 0.25, 0)


def test_every_structure_once_in_batches_of_nearly_equal_size() -> None:
    atoms = torch.randint(1, 9, (50,), generator=torch.Generator().manual_seed(0))
    for epoch in range(3):
        batches = shuffled_batches(atoms, 30, seed=1, epoch=epoch)
        assert sorted(torch.cat(batches).tolist()) == list(range(50))
        assert len(batches) == n_batches(atoms, 30)
        assert max(abs(int(atoms[b].sum()) - int(atoms.sum()) / len(batches)) for b in batches) <= 8


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    atoms = torch.full((20,), 4)
    first = shuffled_batches(atoms, 16, seed=1, epoch=5)
    assert [b.tolist() for b in first] == [b.tolist() for b in shuffled_batches(atoms, 16, seed=1, epoch=5)]
    assert [b.tolist() for b in first] != [b.tolist() for b in shuffled_batches(atoms, 16, seed=1, epoch=6)]
    assert [b.tolist() for b in first] != [b.tolist() for b in shuffled_batches(atoms, 16, seed=2, epoch=5)]


def test_shares_cover_a_batch_even_where_it_is_smaller_than_their_number() -> None:
    parts = cut(torch.tensor([5]), torch.tensor([1, 1, 1, 1, 1, 7]), 3)
    assert len(parts) == 3
    assert torch.cat(parts).tolist() == [5]


def test_nothing_to_learn_is_said(model: NetworkACE, structures: tuple[LabeledStructure, ...]) -> None:
    with pytest.raises(ValueError, match=r"within 3.2 Å"):
        structure_store(model, structures[:1], torch.float64)
