"""Figures of a data set: energies and distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from acnn.data.dataset import Dataset
from acnn.data.distances import Distances
from acnn.data.energies import energy_points
from acnn.data.isolated_atoms import isolated_atom_energies, least_squares_energies
from acnn.neighbors import atomic_graph
from acnn.plots import Look, distance_figure, energy_volume_figure, shown_axes


def energy_axes(dataset: Dataset, reference_energies: Mapping[str, float] | None) -> Any:
    """Draw energies against volume, relative to E0: see `Dataset.plot`.

    Raises:
        ValueError: the data have no energies.
    """
    if all(structure.energy is None for structure in dataset):
        raise ValueError(f"{dataset.source} has no energies to draw")
    energies = found_energies(dataset) if reference_energies is None else reference_energies
    types = Look(dataset.config_types)
    points = {dataset.name: energy_points(dataset, energies)}
    return shown_axes(lambda: energy_volume_figure(points, types), types)


def found_energies(dataset: Dataset) -> dict[str, float]:
    """Return energies of isolated atoms in the data, or those that fit the compositions best, eV by element."""
    isolated = isolated_atom_energies(dataset)
    return isolated if set(dataset.elements) <= set(isolated) else least_squares_energies(dataset)


def distance_axes(dataset: Dataset, cutoff: float) -> Any:
    """Draw the density of pairs against distance: see `Dataset.plot_distances`."""
    sets = {dataset.source: distances_of(dataset, cutoff)}
    return shown_axes(lambda: distance_figure(sets, Look(list(sets))))


def distances_of(dataset: Dataset, cutoff: float) -> Distances:
    """Collect the distances between neighbors within the cutoff (Å)."""
    distances = Distances(dataset.elements, cutoff)
    for structure in dataset:
        distances.add(structure.name, atomic_graph(structure.atoms, cutoff))
    return distances
