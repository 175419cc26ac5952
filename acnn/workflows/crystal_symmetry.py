"""Space groups, and projections that keep the symmetry of a structure while it relaxes, by spglib."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.workflows.crystal import symmetry_of
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


def symmetry_projection(atoms: Atoms) -> FloatArray:
    """Return the projection of coordinates on those that keep the symmetry of a structure [3 (3 + n), 3 (3 + n)].

    An operation of the space group turns vectors of the row i by R and moves them to the row of the atom onto which it
    brings i; it turns a strain U to R U Rᵀ. The mean over all operations is the projection.

    Raises:
        ValueError: spglib finds no symmetry.
    """
    found, n_rows = symmetry_of(atoms, TOLERANCE), CELL + len(atoms)
    whole = np.zeros((n_rows, 3, n_rows, 3))
    cell, inverse = atoms.cell.array.T, np.linalg.inv(atoms.cell.array.T)
    fractions = atoms.get_scaled_positions(wrap=False)
    strain = np.zeros((3, 3, 3, 3))
    for rotation, translation in zip(found.rotations, found.translations, strict=True):
        turn = cell @ rotation @ inverse
        images = _images(fractions, fractions @ rotation.T + translation)
        whole[CELL + images, :, CELL + np.arange(len(atoms)), :] += turn
        strain += np.einsum("ac,bd->abcd", turn, turn)
    whole[:CELL, :, :CELL, :] = strain
    return whole.reshape(3 * n_rows, 3 * n_rows) / len(found.rotations)


def _images(fractions: FloatArray, moved: FloatArray) -> Any:
    """Return which atom is nearest to each moved one."""
    apart = moved[:, None] - fractions
    apart -= np.round(apart)
    return np.argmin((apart**2).sum(axis=2), axis=1)
