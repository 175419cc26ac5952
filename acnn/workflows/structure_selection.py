"""Choosing the structures of a data set that represent the others, by the features of their atoms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from acnn.arrays import FloatArray, IntArray
from acnn.basis.specification import BasisSpecification
from acnn.data.errors import DatasetError
from acnn.data.labeled_structure import LabeledStructure
from acnn.models import LinearACE, Model
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.progress import Stage, silent
from acnn.solvers.row_selection import farthest_rows, leverage_rows, pivoted_rows, spanning_groups

By = Literal["leverage", "fps", "cur", "gamma"]
WAYS = get_args(By)
ORDER, DEGREE, CUTOFF = 3, 8.0, 5.0
"""Of the basis whose functions are the features, if no model is given."""


def features_model(elements: Sequence[str]) -> LinearACE:
    """Return the model whose basis functions describe atoms where none is given."""
    settings = {"elements": tuple(elements), "order": ORDER, "degree": DEGREE, "cutoff": CUTOFF}
    return LinearACE(BasisSpecification.model_validate(settings), dict.fromkeys(elements, 0.0))


def select_structures(
    structures: Sequence[LabeledStructure],
    n: int,
    by: By,
    model: Potential,
    *,
    seed: int = 0,
    kernel: str | None = None,
    stage: Stage = silent,
) -> IntArray:
    """Return the indices of n structures, ascending.

    Args:
        by: leverage: drawn at random in proportion to the leverage of their energies; fps: each as far as possible
            from those before; cur: by QR with pivoting; gamma: those whose atoms span the features of all atoms, with
            the smallest extrapolation grades.
        model: its features describe the atoms; those of a structure are the means over its atoms.

    Raises:
        DatasetError: there are not as many structures.
    """
    if not isinstance(model, Model):
        raise ValueError("atoms are described by the features of a model of acnn fit or acnn train")
    if not 1 <= n <= len(structures):
        raise DatasetError(f"{n} structures cannot be chosen of {len(structures)}")
    sites = _site_features(structures, model, kernel, stage)
    if by == "gamma":
        return spanning_groups(*_by_element(structures, sites, model), n)
    rows = _scaled(np.array([values.mean(axis=0) for values in sites]))
    if by == "leverage":
        return leverage_rows(rows, n, np.random.default_rng(seed))
    return farthest_rows(rows, n) if by == "fps" else pivoted_rows(rows, n)


def _site_features(
    structures: Sequence[LabeledStructure], model: Model, kernel: str | None, stage: Stage
) -> list[FloatArray]:
    """Return the features of the atoms of each structure [n_atoms, n_features]."""
    advance, found = stage("features", len(structures)), []
    for structure in structures:
        found.append(model.features(atomic_graph(structure.atoms, model.cutoff), kernel).values.double().numpy())
        advance()
    return found


def _scaled(rows: FloatArray) -> FloatArray:
    """Divide columns by their standard deviations, or leave them where they are constant."""
    spread = rows.std(axis=0)
    return rows / np.where(spread > 1e-12 * np.abs(rows).max(), spread, 1.0)


def _by_element(
    structures: Sequence[LabeledStructure], sites: Sequence[FloatArray], model: Model
) -> tuple[list[FloatArray], list[IntArray]]:
    """Return the features of the atoms of each element, in their own columns, and the structures of these atoms."""
    symbols = np.concatenate([np.array(structure.atoms.symbols) for structure in structures])
    owners = np.repeat(np.arange(len(structures)), [len(structure) for structure in structures])
    rows = np.concatenate(sites)
    blocks, groups = [], []
    for element in model.elements:
        own = symbols == element
        columns = np.abs(rows[own]).max(axis=0, initial=0.0) > 0
        if own.any() and columns.any():
            blocks.append(_normalized(rows[own][:, columns]))
            groups.append(owners[own])
    return blocks, groups


def _normalized(rows: FloatArray) -> FloatArray:
    return rows / np.sqrt((rows**2).mean(axis=0))
