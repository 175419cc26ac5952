"""The calculator warns, once, of neighborhoods that the training data of its model never showed."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from ase.build import bulk

from acnn.combinations import Combinations
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from ase_calculator import ACNNCalculator

ELEMENTS = ("Al", "Cu", "Au")
CUTOFF = 4.0


@pytest.fixture
def model() -> LinearACE:
    """Its data lacked aluminum that has both others near."""
    found = random_model(ELEMENTS, order=2, degree=4.0, cutoff=CUTOFF)
    seen = np.ones((3, 3, 3), dtype=bool)
    seen[0, 1, 2] = seen[0, 2, 1] = False
    found.combinations = Combinations(ELEMENTS, CUTOFF, seen)
    return found


def row(distance: float) -> ase.Atoms:
    """Copper, aluminum and gold; the gold is this far from the aluminum (Å)."""
    return ase.Atoms("CuAlAu", [[0, 0, 0], [0, 0, 2.8], [0, 0, 2.8 + distance]])


def test_what_was_seen_is_no_warning(model: LinearACE) -> None:
    calculator = ACNNCalculator(model)
    for formula in ("AlCu", "CuAu"):
        atoms = bulk(formula, "cesiumchloride", a=3.0)
        atoms.calc = calculator
        atoms.get_potential_energy()
    model.combinations = None
    atoms = row(3.0)
    atoms.calc = calculator
    atoms.get_potential_energy()


def test_what_comes_near_in_a_run_is_named_once(model: LinearACE) -> None:
    """Not before it is within the cutoff, and in the list of neighbors it may be earlier."""
    calculator = ACNNCalculator(model)
    atoms = row(CUTOFF + 0.2)
    atoms.calc = calculator
    atoms.get_potential_energy()
    atoms.positions[2, 2] = 2.8 + 3.0
    with pytest.warns(UserWarning, match="has Al with Cu and Au within 4 Å, which the training data lack"):
        atoms.get_potential_energy()
    atoms.rattle(1.0, seed=1)
    searches = calculator.neighbor_searches
    atoms.get_potential_energy()
    assert calculator.neighbor_searches > searches


def test_it_is_looked_for_when_neighbors_are(model: LinearACE, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(Combinations, "unseen_in", lambda self, graph: calls.append(graph) or [])
    calculator = ACNNCalculator(model)
    atoms = row(3.0)
    atoms.calc = calculator
    for _ in range(3):
        atoms.get_potential_energy()
        atoms.rattle(0.001, seed=len(calls))
    assert len(calls) == calculator.neighbor_searches == 1
    atoms = bulk("AlCu", "cesiumchloride", a=3.0)
    atoms.calc = calculator
    atoms.get_potential_energy()
    assert (len(calls), calculator.neighbor_searches) == (1, 2)
