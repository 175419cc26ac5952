"""Elastic constants by central differences of the stress, with positions relaxed under every strain.

    C_pq = [σ_p(+h e_q) − σ_p(−h e_q)] / 2h

Of the six strains only those are made whose images under the point group are not known yet (two in a cubic crystal),
and C is the symmetric matrix that fits all images of the answers: R σ Rᵀ is the answer to R ε Rᵀ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms, units

from acnn.arrays import FloatArray
from acnn.workflows.crystal import Model, relax, relaxed, require_crystal, rotations_of, strained, symmetry_of
from acnn.workflows.elastic_tensor import ElasticTensor, strain_of, stress_rotation, voigt_strain

STRAIN = 0.003
FMAX = 1e-5
"""eV/Å; internal displacements are as small as the strains."""
RANK = 1e-3
"""Images of a strain that differ by less do not count as others."""


def elastic_constants(
    atoms: Atoms,
    model: Model,
    pressure: float = 0.0,
    strain: float = STRAIN,
    clamped: bool = False,
    standard: bool = True,
) -> ElasticTensor:
    """Return the elastic constants of a crystal, which is relaxed at the pressure first.

    Args:
        pressure: GPa.
        strain: h.
        clamped: leave out the relaxation of positions under strain.
        standard: whether the axes are those of spglib's standardized cell, otherwise those of the structure.

    Raises:
        ValueError: the structure is not periodic in three directions.
        RelaxationError: a relaxation did not end.
    """
    require_crystal(atoms, "elastic constants")
    crystal = relaxed(atoms, model, pressure, FMAX)
    found = tensor_of(crystal, stiffness(crystal, strain, clamped), pressure)
    return found.rotated(np.asarray(symmetry_of(crystal).std_rotation_matrix)) if standard else found


def tensor_of(crystal: Atoms, stiffness_pq: FloatArray, pressure: float = 0.0) -> ElasticTensor:
    """Return the tensor of a crystal with known C, GPa."""
    volume = crystal.get_volume() * 1e-30
    mass = crystal.get_masses().sum() / (units.kg * 1.0)
    return ElasticTensor(stiffness_pq, pressure, mass / volume, len(crystal) / volume)


def stiffness(crystal: Atoms, strain: float = STRAIN, clamped: bool = False) -> FloatArray:
    """Return C [6, 6] in GPa of a relaxed crystal with a calculator, in its own axes."""
    rotations = rotations_of(crystal)
    strains, stresses = [], []
    for e in _needed_strains(rotations):
        answer = _stress_derivative(crystal, e, strain, clamped)
        for rotation in rotations:
            strains.append(_turned(rotation, e))
            stresses.append(stress_rotation(rotation) @ answer)
    return _symmetric_fit(np.array(strains), np.array(stresses)) / units.GPa


def _needed_strains(rotations: FloatArray) -> Iterator[FloatArray]:
    """Yield unit strains (Voigt) until their images span all of them."""
    known = np.zeros((0, 6))
    for e in np.eye(6):
        grown = np.vstack([known, [_turned(rotation, e) for rotation in rotations]])
        if len(known) == 0 or np.linalg.matrix_rank(grown, RANK) > np.linalg.matrix_rank(known, RANK):
            known = grown
            yield e


def _turned(rotation: FloatArray, e: FloatArray) -> FloatArray:
    return voigt_strain(rotation @ strain_of(e) @ rotation.T)


def _stress_derivative(crystal: Atoms, e: FloatArray, size: float, clamped: bool) -> FloatArray:
    """Return dσ/dh [6], eV/Å³."""
    forward, backward = (_stress_under(crystal, sign * size * strain_of(e), clamped) for sign in (1, -1))
    return (forward - backward) / (2 * size)


def _stress_under(crystal: Atoms, strain: FloatArray, clamped: bool) -> FloatArray:
    atoms = strained(crystal, strain)
    if not clamped:
        relax(atoms, FMAX)
    return np.array(atoms.get_stress())


def _symmetric_fit(strains: FloatArray, stresses: FloatArray) -> FloatArray:
    """Return the symmetric C [6, 6] with C e = σ in the sense of least squares."""
    rows, columns = np.triu_indices(6)
    n = len(strains)
    design = np.zeros((n, 6, len(rows)))
    for k, (p, q) in enumerate(zip(rows, columns, strict=True)):
        design[:, p, k] += strains[:, q]
        if p != q:
            design[:, q, k] += strains[:, p]
    values = np.linalg.lstsq(design.reshape(6 * n, -1), stresses.ravel(), rcond=None)[0]
    found = np.zeros((6, 6))
    found[rows, columns] = found[columns, rows] = values
    return found
