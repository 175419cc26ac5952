"""Ranges of what a data set holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from ase.units import GPa

from acnn.arrays import FloatArray
from acnn.data.dataset import Dataset
from acnn.data.energies import energy_points
from acnn.data.figures import distances_of, found_energies
from acnn.plots.statistics import Statistics

CUTOFF = 6.0
"""Å"""
MOST_FORMULAS = 12


def statistics_of(dataset: Dataset) -> Statistics:
    """Collect what `acnn.plots.data_figure` draws."""
    labeled = any(structure.energy is not None for structure in dataset)
    formulas = Counter(structure.atoms.get_chemical_formula(empirical=True) for structure in dataset)
    return Statistics(
        energies=energy_points(dataset, found_energies(dataset)) if labeled else [],
        distances=distances_of(dataset, CUTOFF),
        forces={config_type: _forces(dataset, config_type) for config_type in dataset.config_types},
        formulas=dict(formulas.most_common(MOST_FORMULAS)),
    )


def _forces(dataset: Dataset, config_type: str) -> FloatArray:
    labeled = [s.forces for s in dataset if s.config_type == config_type and s.forces is not None]
    return np.linalg.norm(np.concatenate(labeled), axis=1) if labeled else np.zeros(0)


def ranges(dataset: Dataset, statistics: Statistics) -> list[tuple[str, ...]]:
    """Return rows of a table: what, its unit, smallest value, median and largest."""
    pressures = [np.trace(s.virial) / 3 / s.atoms.get_volume() / GPa for s in dataset if s.virial is not None]
    found: dict[tuple[str, str], Sequence[float] | FloatArray] = {
        ("energy above E0", "eV/atom"): [point.energy for point in statistics.energies],
        ("volume", "Å³/atom"): [point.volume for point in statistics.energies if point.volume],
        ("force", "eV/Å"): np.concatenate(list(statistics.forces.values())),
        ("pressure", "GPa"): pressures,
        ("atoms", ""): [len(structure) for structure in dataset],
    }
    rows = [(*of, *_three(values)) for of, values in found.items() if len(values)]
    shortest = sorted(statistics.distances.shortest.items())
    return [*rows, *((f"{a}–{b} distance", "Å", f"{found.distance:.4g}", "", "") for (a, b), found in shortest)]


def _three(values: Sequence[float] | FloatArray) -> tuple[str, str, str]:
    low, middle, high = np.percentile(values, (0, 50, 100))
    return f"{low:.4g}", f"{middle:.4g}", f"{high:.4g}"
