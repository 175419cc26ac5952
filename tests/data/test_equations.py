"""The equations that labels give: weights by quantity and size, and none without label or weight."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from acnn.data.dataset import LabeledStructure, Weights
from acnn.data.equations import equations_of

ATOMS = Atoms("Si4", np.eye(4, 3), cell=[5, 5, 5], pbc=True)
FORCES = np.arange(12.0).reshape(4, 3)
VIRIAL = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
NOTHING = (0.0, np.zeros((4, 3)), np.zeros((3, 3)))


def test_energies_and_virials_are_weighted_by_the_root_of_the_size() -> None:
    structure = LabeledStructure(ATOMS, 5.0, FORCES, VIRIAL, "bulk", Weights(30.0, 2.0, 3.0), "bulk")
    energy, forces, virial = equations_of(structure, 1.0, np.ones((4, 3)), np.eye(3))
    assert (energy.quantity, energy.weight, energy.targets.tolist()) == ("energy", 15.0, [4.0])
    assert (forces.quantity, forces.weight, forces.targets.tolist()) == ("forces", 2.0, list(np.arange(12.0) - 1))
    assert (virial.quantity, virial.weight, virial.targets.tolist()) == ("virial", 1.5, [0, 1, 2, 4, 5, 6])


def test_labels_that_are_missing_or_weigh_nothing_give_none() -> None:
    structure = LabeledStructure(ATOMS, 5.0, FORCES, None, "bulk", Weights(energy=0.0), "bulk")
    assert [found.quantity for found in equations_of(structure, *NOTHING)] == ["forces"]
