"""All checks of a data set."""

from __future__ import annotations

from acnn.data.check_derivatives import check_derivatives
from acnn.data.check_energies import PER_STRUCTURE, check_energies
from acnn.data.check_geometry import check_distances, check_duplicates
from acnn.data.check_labels import (
    check_charges,
    check_constant,
    check_forces,
    check_missing,
    check_sizes,
    check_virials,
)
from acnn.data.dataset import Dataset
from acnn.data.findings import Finding
from acnn.data.pair_features import Environment, environment, n_features


def check_data(dataset: Dataset) -> list[Finding]:
    """Return the faults of a data set that was read with ``drop_nan``; none of a clean one."""
    environments = environments_of(dataset)
    return [
        *check_missing(dataset),
        *check_constant(dataset, environments),
        *check_sizes(dataset),
        *check_distances(dataset, environments),
        *check_duplicates(dataset, environments),
        *check_energies(dataset, environments),
        *check_forces(dataset),
        *check_virials(dataset),
        *check_derivatives(dataset),
        *check_charges(dataset),
    ]


def environments_of(dataset: Dataset) -> list[Environment]:
    """Describe all structures; pairs of elements are told apart if there are enough structures."""
    elements = dataset.elements
    by_pair = n_features(len(elements)) * PER_STRUCTURE <= len(dataset)
    return [environment(structure.atoms, elements, by_pair) for structure in dataset]
