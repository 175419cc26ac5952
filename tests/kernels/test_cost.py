"""Counts of the cost model are those of the programs and of the atoms; no times, which depend on the machine."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification
from acnn.graph import AtomicGraph
from acnn.kernels import calibration
from acnn.kernels.calibration import CASES, OF_STAGES, fitted
from acnn.kernels.cost import COUNTS, CostModel, Surroundings, counts
from acnn.kernels.energy import STAGES
from acnn.kernels.program import Program, compile_energy
from acnn.neighbors import atomic_graph

ELEMENTS = ("Al", "Cu")


def graph_of(cutoff: float) -> AtomicGraph:
    return atomic_graph(bulk("Cu", cubic=True, a=3.7), cutoff)


def program(order: int, degree: float, kept: int | None = None, **settings: object) -> Program:
    basis = ACEBasis(BasisSpecification(elements=ELEMENTS, order=order, degree=degree, cutoff=4.0, **settings))
    coefficients = np.random.default_rng(1).normal(size=basis.n_functions)
    coefficients[len(coefficients) if kept is None else kept :] = 0
    return compile_energy(basis, coefficients, {"Al": 0.0, "Cu": 0.0})


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_slots_are_those_of_the_atom_with_most_neighbors_in_each_batch(lanes):
    """Face-centered cubic: 12 neighbors at 2.62 Å, 6 at 3.7 Å; Al at one corner of the cell, which sees no Al near."""
    atoms = bulk("Cu", cubic=True, a=3.7)
    atoms.symbols[0] = "Al"
    around = Surroundings.of(atomic_graph(atoms, 4.0), ELEMENTS, 3.0, 4.0, lanes)
    batches = np.ceil(3 / lanes)
    np.testing.assert_allclose(around.batches, np.array([1, batches]) / 4)
    np.testing.assert_allclose(around.near, np.array([[0, 12], [4 * batches, 8 * batches]]) / 4)
    np.testing.assert_allclose(around.far, np.array([[6, 0], [0, 6 * batches]]) / 4)
    assert around.pairs == pytest.approx(18)


def test_batches_take_atoms_of_like_neighbors_together():
    """Two dimers and two single atoms: in batches of two, the single ones need no slots."""
    atoms = Atoms("Cu6", [[x, 0, 0] for x in (0, 2, 30, 60, 62, 90)])
    assert Surroundings.of(atomic_graph(atoms, 3.0), ("Cu",), 3.0, 3.0, 2).near.sum() == pytest.approx(2 / 6)


def test_counts_grow_with_order_degree_and_cutoff():
    near, wide = (Surroundings.of(graph_of(r), ELEMENTS, r, r, 4) for r in (3.0, 4.0))
    small, high, third = counts(program(2, 6), near), counts(program(2, 8), near), counts(program(3, 6), near)
    for larger in (high, third, counts(program(2, 6), wide)):
        assert (larger >= small).all()
        assert (larger > small).any()
    names = list(COUNTS)
    assert high[names.index("densities")] > small[names.index("densities")]
    assert third[names.index("products")] > small[names.index("products")] == 0


def test_functions_that_are_zero_cost_nothing():
    around = Surroundings.of(graph_of(4.0), ELEMENTS, 4.0, 4.0, 4)
    none, some, all_ = (counts(program(3, 6, kept), around) for kept in (0, 40, None))
    names = list(COUNTS)
    for name in ("densities", "products", "terms", "harmonics", "radial"):
        k = names.index(name)
        assert none[k] <= some[k] <= all_[k]
        assert none[k] < all_[k]
    assert none[names.index("terms")] == 0 == none[names.index("densities")]
    assert none[names.index("radial")] == 0 == none[names.index("harmonics")]


def test_calibration_recovers_the_time_of_each_count():
    """Times made of the counts by known numbers, stage by stage."""
    rng = np.random.default_rng(2)
    rows, names = rng.uniform(1, 5, (len(CASES) + 5, len(COUNTS))), list(COUNTS)
    exact = np.zeros(len(COUNTS))
    times = np.zeros((len(rows), len(OF_STAGES)))
    for stage, used in enumerate(OF_STAGES.values()):
        columns, share = [names.index(name) for name in used], rng.uniform(0, 1, len(used))
        exact[columns] += share
        times[:, stage] = rows[:, columns] @ share
    np.testing.assert_allclose(fitted(rows, times), exact, rtol=1e-8)


def test_every_stage_of_the_kernel_and_every_count_is_calibrated():
    assert [*OF_STAGES][:-1] == list(STAGES)
    assert set().union(*OF_STAGES.values()) == set(COUNTS)
    assert set(calibration.TYPICAL) == set(COUNTS)


def test_a_cost_is_linear_in_the_counts():
    around, some = Surroundings.of(graph_of(4.0), ELEMENTS, 4.0, 4.0, 4), program(2, 6)
    rng = np.random.default_rng(3)
    a, b = rng.uniform(size=(2, len(COUNTS)))
    assert CostModel(a + 2 * b)(some, around) == pytest.approx(
        CostModel(a)(some, around) + 2 * CostModel(b)(some, around)
    )


def test_the_machine_is_calibrated_once(monkeypatch):
    calls = []

    def prepared(case):
        calls.append(case)
        return np.ones(len(COUNTS)), None, None

    monkeypatch.setattr(calibration, "_prepared", prepared)
    monkeypatch.setattr(calibration, "stage_microseconds", lambda kernels, graphs: np.ones((len(kernels), 6)))
    calibration.calibrated.cache_clear()
    try:
        first = calibration.calibrated()
        assert calibration.calibrated() is first
    finally:
        calibration.calibrated.cache_clear()
    assert calls == list(CASES)
    assert (first.microseconds >= 0).all()
