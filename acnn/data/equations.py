"""Weights of the equations that the labels of a structure give to a regression.

    w_E / √N · (row of the energy),  w_F · (rows of force components),  w_V / √N · (rows of the virial, Voigt order)

with N atoms. Labels that are missing or have a weight of zero give none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import voigt_from_full
from acnn.data.dataset import LabeledStructure


class Equations(NamedTuple):
    """The equations of one quantity, before they are multiplied by their weight.

    Attributes:
        quantity: "energy", "forces" or "virial".
        weight: of each of them.
        targets: label minus the part that does not depend on the coefficients [m].
    """

    quantity: str
    weight: float
    targets: FloatArray


def equations_of(
    structure: LabeledStructure, energy: float, forces: FloatArray, virial: FloatArray
) -> Iterator[Equations]:
    """Yield the equations of energy, forces and virial, as far as there are any.

    Args:
        energy, forces, virial: what does not depend on the coefficients: eV, eV/Å [n_atoms, 3], eV [3, 3].
    """
    weights, per_atom = structure.weights, 1 / np.sqrt(len(structure.atoms))
    if structure.energy is not None and weights.energy > 0:
        yield Equations("energy", weights.energy * per_atom, np.array([structure.energy - energy]))
    if structure.forces is not None and weights.forces > 0:
        yield Equations("forces", weights.forces, (structure.forces - forces).reshape(-1))
    if structure.virial is not None and weights.virial > 0:
        yield Equations("virial", weights.virial * per_atom, voigt_from_full(structure.virial - virial))
