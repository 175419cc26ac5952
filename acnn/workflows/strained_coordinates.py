"""Coordinates in which atoms and cells of several structures relax together.

With the cell C_0 at the beginning, a structure is described by a symmetric U and by positions x [n, 3]:

    F = exp(U)          C = C_0 F          r = x F

as in ASE's FrechetCellFilter. U is scaled by s = √(n + 3) · 1 Å, not by n · 1 Å as there: its curvature, the bulk
modulus times the volume of an atom, is then like that of positions, and a step of 0.2 Å strains no cell by more than a
tenth. All structures stand in one array [n_structures, 3 + most atoms, 3]: rows 0…2 are s U, then come the positions;
rows that a structure does not have are zero. Forces are, with a stress σ, a pressure P
and the enthalpy H = E + P V,

    -∂H/∂x = f F        -∂H/∂U = -Q [(Qᵀ G Q) ∘ K] Qᵀ        G = V sym(F⁻¹ (σ + P))

Q and λ are eigenvectors and eigenvalues of U, K_ij = (exp λ_i - exp λ_j) / (λ_i - λ_j), and exp λ_i where i = j.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.images import FlatStructures

CELL = 3
"""Rows of U."""


@dataclass(frozen=True)
class StrainedCoordinates:
    """The constants of the transformation.

    Attributes:
        flat: the structures; its positions and cells are those at the beginning.
        relaxes_cell: whether the cell of a structure changes [n_structures].
    """

    flat: FlatStructures
    relaxes_cell: BoolArray

    @cached_property
    def sizes(self) -> IntArray:
        """Numbers of atoms [n_structures]."""
        return np.diff(self.flat.first)

    @cached_property
    def _scales(self) -> FloatArray:
        return np.sqrt(self.sizes + 3.0)

    @cached_property
    def n_rows(self) -> int:
        """Rows of the largest structure."""
        return CELL + int(self.sizes.max(initial=0))

    @cached_property
    def places(self) -> NDArray[np.integer]:
        """The rows of all atoms in arrays [n_structures · n_rows, 3]."""
        within = np.arange(len(self.flat.numbers)) - np.repeat(self.flat.first[:-1], self.sizes)
        return self.flat.structure * self.n_rows + CELL + within

    def beginning(self) -> FloatArray:
        """Return the coordinates of the structures at the beginning, in which U = 0."""
        return self.padded(self.flat.positions)

    def padded(self, values: FloatArray) -> FloatArray:
        """Return values of atoms [n_atoms, 3] as rows of coordinates."""
        rows = np.zeros((self.flat.n_structures, self.n_rows, 3))
        rows.reshape(-1, 3)[self.places] = values
        return rows

    def structures(self, coordinates: FloatArray) -> FlatStructures:
        """Return the structures with these coordinates."""
        deformation = self._exponential(coordinates)[2]
        positions = (coordinates[:, CELL:] @ deformation).reshape(-1, 3)
        rows = self.places - CELL * (self.flat.structure + 1)
        return self.flat.moved(positions[rows], self.flat.cells @ deformation)

    def forces(self, coordinates: FloatArray, forces: FloatArray, virials: FloatArray) -> FloatArray:
        """Return minus the gradient of the enthalpy with respect to the coordinates.

        Args:
            forces: of the atoms, eV/Å [n_atoms, 3].
            virials: V (σ + P) in eV, symmetric [n_structures, 3, 3].
        """
        values, vectors, deformation = self._exponential(coordinates)
        found = self.padded(forces)
        found[:, CELL:] = found[:, CELL:] @ deformation
        gradient = np.linalg.solve(deformation, virials)
        gradient = 0.5 * (gradient + gradient.transpose(0, 2, 1))
        turned = vectors.transpose(0, 2, 1) @ gradient @ vectors * _differences(values)
        of_cell = vectors @ turned @ vectors.transpose(0, 2, 1)
        found[:, :CELL] = -of_cell * (self.relaxes_cell / self._scales)[:, None, None]
        return found

    def _exponential(self, coordinates: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return λ, Q and F."""
        strain = coordinates[:, :CELL] / self._scales[:, None, None]
        values, vectors = np.linalg.eigh(strain)
        return values, vectors, (vectors * np.exp(values)[:, None]) @ vectors.transpose(0, 2, 1)


def _differences(values: FloatArray) -> FloatArray:
    """Return K_ij = (exp λ_i - exp λ_j) / (λ_i - λ_j), as exp((λ_i + λ_j)/2) sinh(d)/d with d = (λ_i - λ_j)/2."""
    half = 0.5 * (values[:, :, None] - values[:, None])
    mean = np.exp(0.5 * (values[:, :, None] + values[:, None]))
    near = np.abs(half) < 1e-4
    safe = np.where(near, 1.0, half)
    product: FloatArray = mean * np.where(near, 1 + half**2 / 6, np.sinh(safe) / safe)
    return product


def joined(structures: Sequence[Any], relaxes_cell: Sequence[bool]) -> StrainedCoordinates:
    """Return the coordinates of structures of ASE."""
    return StrainedCoordinates(FlatStructures.of(structures), np.array(relaxes_cell, dtype=bool))
