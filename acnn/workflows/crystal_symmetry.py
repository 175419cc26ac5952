"""Space groups, their operations, and projections that keep them while a structure relaxes, by spglib."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray, IntArray
from acnn.workflows.crystal import SYMMETRY, symmetry_of
from acnn.workflows.strained_coordinates import CELL

TOLERANCE = 0.01
"""Å, of positions that count as equivalent."""
NO_GROUP = "n/a"


def space_group_symbol(atoms: Atoms, tolerance: float = TOLERANCE) -> str:
    """Return the symbol of the space group, "Fd-3m"; "n/a" where there is none."""
    if not atoms.pbc.all():
        return NO_GROUP
    try:
        return str(symmetry_of(atoms, tolerance).international)
    except ValueError:
        return NO_GROUP


@dataclass(frozen=True)
class Operation:
    """A symmetry of a crystal.

    Attributes:
        fractional: W [3, 3], x' = W x + w.
        cartesian: the same rotation, r' = R r + …
        images: to which atom each atom moves [atom].
    """

    fractional: IntArray
    cartesian: FloatArray
    images: IntArray

    def turned(self, q: FloatArray) -> FloatArray:
        """Return the image of fractional q-points [..., 3]."""
        return np.array(q @ np.linalg.inv(self.fractional))


def operations(atoms: Atoms, tolerance: float = SYMMETRY) -> list[Operation]:
    """Return the symmetries of a crystal.

    Raises:
        ValueError: spglib finds none.
    """
    found, lattice = symmetry_of(atoms, tolerance), atoms.cell.array.T
    inverse, places = np.linalg.inv(lattice), atoms.get_scaled_positions()
    return [
        Operation(W, lattice @ W @ inverse, _images(places, places @ W.T + w, lattice, tolerance))
        for W, w in zip(found.rotations, found.translations, strict=True)
    ]


def _images(places: FloatArray, moved: FloatArray, lattice: FloatArray, tolerance: float) -> IntArray:
    """Return which atom is at each of the moved fractional positions."""
    apart = moved[:, None] - places
    apart -= np.round(apart)
    distances = np.linalg.norm(apart @ lattice.T, axis=2)
    images = np.argmin(distances, axis=1)
    assert distances[np.arange(len(images)), images].max() < 10 * tolerance
    return images


def symmetry_projection(atoms: Atoms) -> FloatArray:
    """Return the projection of coordinates on those that keep the symmetry of a structure [3 (3 + n), 3 (3 + n)].

    An operation of the space group turns vectors of the row i by R and moves them to the row of the atom onto which it
    brings i; it turns a strain U to R U Rᵀ. The mean over all operations is the projection.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    found, n_rows = operations(atoms, TOLERANCE), CELL + len(atoms)
    whole, strain = np.zeros((n_rows, 3, n_rows, 3)), np.zeros((3, 3, 3, 3))
    for operation in found:
        turn = operation.cartesian
        whole[CELL + operation.images, :, CELL + np.arange(len(atoms)), :] += turn
        strain += np.einsum("ac,bd->abcd", turn, turn)
    whole[:CELL, :, :CELL, :] = strain
    return whole.reshape(3 * n_rows, 3 * n_rows) / len(found)
