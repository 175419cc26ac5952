"""Many structures evaluated together, beside the calculator and torch."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule

from acnn.evaluation import evaluate_many
from acnn.evaluation.many import groups_of
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from ase_calculator import ACNNCalculator


@pytest.fixture(scope="module")
def model() -> LinearACE:
    return random_model(("C", "Si"), order=2, degree=5, cutoff=4.0)


@pytest.fixture(scope="module")
def structures() -> list[ase.Atoms]:
    found = [bulk("Si", cubic=True), bulk("C"), bulk("SiC", "zincblende", a=4.36), ase.Atoms("C"), ase.Atoms("Si2")]
    found[-1].positions[1, 0] = 2.2
    found += [bulk("Si", a=5.3) * (k, 1, 2) for k in (1, 2, 3)]
    for k, atoms in enumerate(found):
        atoms.rattle(0.1, seed=k)
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kernel", ["auto", "torch"])
def test_it_gives_what_the_calculator_gives(model, structures, dtype, kernel, monkeypatch) -> None:
    monkeypatch.setattr("acnn.evaluation.many.ATOMS", 11)
    found = evaluate_many(model, structures, dtype, kernel)
    tolerance = {"float64": 1e-10, "float32": 1e-4}[dtype]
    for k, atoms in enumerate(structures):
        calculator = ACNNCalculator(model)
        assert found.energies[k] == pytest.approx(calculator.get_property("energy", atoms), abs=tolerance)
        np.testing.assert_allclose(found.forces[k], calculator.get_property("forces", atoms), atol=tolerance)
        if atoms.cell.rank == 3:
            np.testing.assert_allclose(found.stresses[k], calculator.get_property("stress", atoms), atol=tolerance)
        else:
            assert np.isnan(found.stresses[k]).all()


def test_nothing_gives_nothing(model) -> None:
    found = evaluate_many(model, [])
    assert (len(found.energies), found.forces, found.stresses.shape) == (0, [], (0, 6))


def test_groups_are_consecutive_and_bounded() -> None:
    sizes = [3, 4, 20, 1, 1, 1]
    groups = list(groups_of([ase.Atoms("C" * n) for n in sizes], 7))
    assert [[len(atoms) for atoms in group] for group in groups] == [[3, 4], [20], [1, 1, 1]]


def test_structures_that_cannot_be_evaluated_are_named(model, structures, monkeypatch) -> None:
    monkeypatch.setattr("acnn.evaluation.many.ATOMS", 8)
    double = ase.Atoms("Si2", [[0, 0, 0], [1e-8, 0, 0]])
    with pytest.raises(ValueError, match=r"two atoms of structure 2 are 1\.0e-08 Å apart"):
        evaluate_many(model, [structures[0], structures[1], double])
    far = bulk("Si")
    far.positions += 1e12
    with pytest.raises(ValueError, match="structure 1: atom 0 has the position"):
        evaluate_many(model, [structures[0], far])
    with pytest.raises(ValueError, match="the element O is not in this model"):
        evaluate_many(model, [molecule("H2O")])
