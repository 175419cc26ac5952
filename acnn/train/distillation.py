"""Distillation: structures near those of the training data, labeled by a model.

The mean of an ensemble is more accurate than its members. A student that is trained on the true labels, and on the
teacher's labels of displaced copies of the same structures, learns that mean but costs only as much as one model
(Hinton, Vinyals and Dean, arXiv:1503.02531; here with displaced copies as the unlabeled data).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from ase import Atoms

from acnn.data.dataset import Dataset
from acnn.data.labeling import Labels, labeled_atoms
from acnn.data.structures import displaced
from acnn.neighbors import atomic_graph
from acnn.potential import Potential

CONFIG_TYPE = "distilled"


def distilled(
    dataset: Dataset,
    teacher: Potential,
    copies: int,
    rattle: float,
    strain: float,
    seed: int,
    max_force: float = math.inf,
    advance: Callable[[], None] = lambda: None,
) -> list[Atoms]:
    """Return the structures of a data set with their labels, each followed by copies labeled by the teacher.

    Labels are info["REF_energy"] (eV), arrays["REF_forces"] (eV/Å) and info["REF_virial"] (eV, nine numbers).

    Args:
        copies: number for every structure with neighbors within the cutoff.
        rattle, strain: see `acnn.data.structures.displaced`.
        max_force: copies with a larger force are left out, eV/Å.
    """
    unknown = sorted(set(dataset.elements) - set(teacher.elements))
    if unknown:
        raise ValueError(f"the model cannot label structures with {', '.join(unknown)}: it was trained without them")
    rng = np.random.default_rng(seed)
    frames = []
    for structure in dataset:
        frames.append(labeled_atoms(structure))
        is_bound = atomic_graph(structure.atoms, teacher.cutoff).n_pairs > 0
        for _ in range(copies if is_bound else 0):
            copy = displaced(structure.atoms, rattle, strain, rng)
            labels = model_labels(copy, teacher)
            if labels.fault(max_force) is None:
                frames.append(labels.on(copy, CONFIG_TYPE))
        advance()
    return frames


def model_labels(atoms: Atoms, model: Potential) -> Labels:
    """Compute energy, forces and, if periodic in three directions, the virial with a model."""
    found = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    virial = found.virials[0].numpy() if atoms.pbc.all() else None
    return Labels(float(found.energies[0]), found.forces.numpy(), virial)
