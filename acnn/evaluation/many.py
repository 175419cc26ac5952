"""Energies, forces and stresses of many small structures, evaluated together.

A structure of ten atoms takes the kernel less time than a call takes, so structures are evaluated in groups of
`ATOMS` atoms, as one graph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.conventions import CLOSEST_APPROACH, stress_from_virial, voigt_from_full
from acnn.evaluation.properties import array
from acnn.graph import AtomicGraph, dtype_of
from acnn.image_lists import ImageLists
from acnn.images import FlatStructures
from acnn.potential import PairGradients, Potential

ATOMS = 400
"""Atoms that are evaluated together: their pairs stay in the cache of a processor."""


class EvaluatedStructures(NamedTuple):
    """What a model gives for several structures.

    Attributes:
        energies: eV [n_structures].
        forces: eV/Å [n_atoms, 3], one array for each structure.
        stresses: eV/Å³ [n_structures, 6], ASE's sign and order; NaN where the cell has no volume.
    """

    energies: FloatArray
    forces: list[FloatArray]
    stresses: FloatArray


def evaluate_many(
    model: Potential, structures: Sequence[Atoms], dtype: str = "float64", kernel: str | None = None
) -> EvaluatedStructures:
    """Return energies, forces and stresses of structures, the same as those of `ase_calculator.ACNNCalculator`.

    Args:
        dtype: "float64" or "float32", of the pair vectors and thereby the evaluation.
        kernel: as in `Potential.pair_gradients`.

    Raises:
        ValueError: positions or cell of a structure are invalid, or two of its atoms coincide.
    """
    energies, forces, stresses = [np.zeros(0)], list[FloatArray](), [np.zeros((0, 6))]
    for group in groups_of(structures, ATOMS):
        number = sum(map(len, energies))
        flat = FlatStructures.of(group, number)
        graph = ImageLists(model.cutoff, 0.0, model.takes_longer_pairs).graph(flat, range(len(group)))
        _reject_overlap(graph, number)
        found = model.pair_gradients(graph.to(dtype=dtype_of(dtype)), kernel)
        energies.append(array(found.energies))
        forces += np.split(array(found.forces), flat.first[1:-1])
        stresses.append(stresses_of(found, flat.volumes))
    return EvaluatedStructures(np.concatenate(energies), forces, np.concatenate(stresses))


def groups_of(structures: Sequence[Atoms], n_atoms: int) -> Iterator[list[Atoms]]:
    """Yield consecutive structures with at most this many atoms together; a larger one alone."""
    group: list[Atoms] = []
    for atoms in structures:
        if group and sum(map(len, group)) + len(atoms) > n_atoms:
            yield group
            group = []
        group.append(atoms)
    if group:
        yield group


def stresses_of(found: PairGradients, volumes: FloatArray) -> FloatArray:
    """Return σ = -W/V in eV/Å³ [n_structures, 6]; NaN where the volume is 0."""
    sizes = np.where(volumes > 0, volumes, np.nan)[:, None, None]
    return voigt_from_full(stress_from_virial(array(found.virials), sizes))


def _reject_overlap(graph: AtomicGraph, number: int) -> None:
    if graph.n_pairs == 0:
        return
    squares = graph.squared_lengths().numpy()
    pair = int(squares.argmin())
    if squares[pair] < CLOSEST_APPROACH**2:
        structure = number + int(graph.structure[graph.pair_i[pair]])
        raise ValueError(
            f"two atoms of structure {structure} are {np.sqrt(squares[pair]):.1e} Å apart, closer than "
            f"{CLOSEST_APPROACH} Å: move or remove one"
        )
