"""Extrapolation grades: how far the features of a site lie outside of those of the training data.

See `acnn.models.active_set` for the definition. Grades need no labels, and say nothing about errors within the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor

from acnn.data.dataset import LabeledStructure
from acnn.graph import AtomicGraph, subgraph
from acnn.models import Model
from acnn.models.active_set import ActiveSet
from acnn.models.features import SiteFeatures
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.solvers.maxvol import MaxVol

CENTERS = 2000
"""Number of sites whose features are held at a time."""
BLOCK = 4096
"""Number of sites of an element that are compared with its active set at a time."""


def active_set_of(
    model: Model,
    structures: Iterable[LabeledStructure],
    advance: Callable[[], None] = lambda: None,
    kernel: str | None = None,
) -> ActiveSet:
    """Choose the active set of every element from the sites of training structures."""
    choices: dict[int, MaxVol] = {}
    waiting: dict[int, list[Tensor]] = {}
    for structure in structures:
        graph = atomic_graph(structure.atoms, model.cutoff)
        for _, found in _features(model, graph, kernel):
            for z, (_, values) in _by_element(model, found).items():
                choices.setdefault(z, MaxVol(values.shape[1]))
                waiting.setdefault(z, []).append(values)
                if sum(map(len, waiting[z])) >= BLOCK:
                    choices[z].add(torch.cat(waiting.pop(z)).numpy())
        advance()
    for z, last in waiting.items():
        choices[z].add(torch.cat(last).numpy())
    inverses = [choices[z].inverse if z in choices else np.zeros((0, 0)) for z in range(len(model.elements))]
    return ActiveSet([torch.from_numpy(inverse) for inverse in inverses])


def grades(model: Potential, graph: AtomicGraph, kernel: str | None = None) -> Tensor:
    """Return γ of every center [n_centers], float64.

    Raises:
        ValueError: the model has no active set.
    """
    active = require_active_set(model)
    found = graph.pair_vectors.new_zeros(graph.n_centers, dtype=torch.float64)
    with torch.no_grad():
        for start, features in _features(model, graph, kernel):
            for z, (centers, values) in _by_element(model, features).items():
                found[start + centers] = active.grades(values, z)
    return found


def require_active_set(model: Potential) -> ActiveSet:
    """Return the active set of a model.

    Raises:
        ValueError: it has none; the message says how to get one.
    """
    if model.active_set is None:
        raise ValueError(
            "this model has no active set, which extrapolation grades need: fit it with acnn fit --gamma, or add one "
            "with acnn calibrate --training"
        )
    active: ActiveSet = model.active_set
    return active


def _features(model: Any, graph: AtomicGraph, kernel: str | None) -> Iterator[tuple[int, SiteFeatures]]:
    """Yield the first center of each chunk of the graph, and the chunk's features."""
    for centers, pairs in graph.center_chunks(200 * CENTERS, CENTERS):
        yield centers.start, model.features(subgraph(graph, centers, pairs), kernel)


def _by_element(model: Potential, features: SiteFeatures) -> dict[int, tuple[Tensor, Tensor]]:
    """Return the sites of each element that there is, and their features in its columns [n, k_z], float64."""
    numbers = features.graph.species[: features.graph.n_centers]
    order = {element: z for z, element in enumerate(model.elements)}
    found = {}
    for number in torch.unique(numbers).tolist():
        z = order[chemical_symbols[number]]
        centers = torch.nonzero(numbers == number)[:, 0]
        found[z] = centers, _part(features.values, centers, features.columns[z]).detach().double()
    return found


def _part(values: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return these rows and columns, both ascending, without a copy where they are all rows and a range of columns."""
    is_range = len(columns) > 0 and int(columns[-1] - columns[0]) + 1 == len(columns)
    of_rows = values if len(rows) == len(values) else values[rows]
    return of_rows.narrow(1, int(columns[0]), len(columns)) if is_range else of_rows[:, columns]
