"""Structures of a report with labels, predictions and errors, for chemiscope."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from acnn.arrays import FloatArray
from acnn.conventions import MEV_PER_EV
from acnn.data.dataset import Dataset, LabeledStructure
from acnn.io.chemiscope import Column, chemiscope_file
from acnn.neighbors import atomic_graph
from acnn.potential import PairGradients, Potential
from acnn.progress import Stage, silent
from acnn.uncertainty.committee import committee_deviations

Target = Literal["structure", "atom"]

DESCRIPTIONS: dict[str, tuple[Target, str, str]] = {
    "energy label": ("structure", "eV/atom", "energy in the data, relative to the isolated atoms"),
    "energy predicted": ("structure", "eV/atom", "energy of the model, relative to the isolated atoms"),
    "energy error": ("structure", "meV/atom", "model minus label"),
    "energy σ": ("structure", "meV/atom", "standard deviation of the energy over the committee"),
    "force RMSE": ("structure", "eV/Å", "root mean square error of the force components"),
    "largest force error": ("structure", "eV/Å", "largest |ΔF| of an atom"),
    "atoms": ("structure", "", "number of atoms"),
    "data": ("structure", "", "file of the structure"),
    "config type": ("structure", "", "kind of structure"),
    "structure": ("structure", "", "file, index in it and config type"),
    "force label": ("atom", "eV/Å", "|F| in the data"),
    "force predicted": ("atom", "eV/Å", "|F| of the model"),
    "force error": ("atom", "eV/Å", "|ΔF|, model minus label"),
    "force σ": ("atom", "eV/Å", "standard deviation of the force over the committee"),
    "site energy": ("atom", "eV", "energy of the atom in the model, relative to the isolated atom"),
    "site energy σ": ("atom", "eV", "standard deviation of the site energy over the committee"),
    "config type of the atom": ("atom", "", "kind of structure that contains the atom"),
}
"""Target, unit and description of each property, in the order in which chemiscope offers them."""


@dataclass
class _Columns:
    """Collects the values of properties structure by structure."""

    values: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in DESCRIPTIONS})

    def add(self, found: Mapping[str, Any]) -> None:
        """Append the values of a structure: one, or a list of those of its atoms."""
        for name, value in found.items():
            self.values[name] += value if isinstance(value, list) else [value]

    def known(self) -> dict[str, Column]:
        """Return the properties that some structure has."""
        return {
            name: Column(target, self.values[name], units, description)
            for name, (target, units, description) in DESCRIPTIONS.items()
            if any(isinstance(value, str) or np.isfinite(value) for value in self.values[name])
        }


def report_structures(
    path: Path,
    potential: Potential,
    datasets: Mapping[str, Dataset],
    title: str,
    kernel: str | None = None,
    stage: Stage = silent,
) -> bytes:
    """Return the content of a file for chemiscope: all structures with labels, predictions and errors.

    Args:
        path: the file, whose name decides whether it is compressed.
        potential: on the CPU in float64.
        datasets: by their names in the report.
        title: headline, such as the name of the model file.
        kernel: as in `Potential.pair_gradients`.
        stage: as in `acnn.report.measure`.
    """
    columns, structures = _Columns(), []
    for name, dataset in datasets.items():
        advance = stage(f"structures of {name}", len(dataset))
        for structure in dataset:
            _add(columns, name, structure, potential, kernel)
            structures.append(structure.atoms)
            advance()
    known = columns.known()
    return chemiscope_file(path, title, structures, known, potential.cutoff, _settings(known))


def _add(columns: _Columns, name: str, structure: LabeledStructure, potential: Potential, kernel: str | None) -> None:
    graph, n, kind = atomic_graph(structure.atoms, potential.cutoff), len(structure), structure.config_type
    found = potential.pair_gradients(graph, kernel)
    columns.add({"data": name, "config type": kind, "structure": structure.name, "atoms": n})
    columns.add({"config type of the atom": [kind] * n})
    columns.add(_of_energies(structure, found, potential.reference_energies))
    columns.add(_of_forces(structure, found.forces.numpy()))
    if potential.has_committee:
        spread = committee_deviations(potential, graph, kernel)
        columns.add({"energy σ": MEV_PER_EV * float(spread.energy_std[0]) / n})
        columns.add({"force σ": spread.force_norm_std.tolist(), "site energy σ": spread.site_energies_std.tolist()})


def _of_energies(structure: LabeledStructure, found: PairGradients, e0: Mapping[str, float]) -> dict[str, Any]:
    isolated = np.array([e0.get(symbol, 0.0) for symbol in structure.atoms.symbols])
    label = np.nan if structure.energy is None else structure.energy
    per_atom, energy = 1 / len(structure), float(found.energies[0])
    return {
        "energy label": (label - isolated.sum()) * per_atom,
        "energy predicted": (energy - isolated.sum()) * per_atom,
        "energy error": MEV_PER_EV * (energy - label) * per_atom,
        "site energy": (found.site_energies.numpy() - isolated).tolist(),
    }


def _of_forces(structure: LabeledStructure, forces: FloatArray) -> dict[str, Any]:
    labels = np.full_like(forces, np.nan) if structure.forces is None else structure.forces
    errors = np.linalg.norm(forces - labels, axis=1)
    return {
        "force label": np.linalg.norm(labels, axis=1).tolist(),
        "force predicted": np.linalg.norm(forces, axis=1).tolist(),
        "force error": errors.tolist(),
        "largest force error": float(errors.max()),
        "force RMSE": float(np.sqrt((errors**2).mean() / 3)),
    }


def _settings(known: Container[str]) -> dict[str, Any]:
    """Show energy errors against energies first, colored by force errors, as far as these are known."""
    axes = {"x": "energy label", "y": "energy error", "color": "force RMSE"}
    shown = {axis: {"property": name} for axis, name in axes.items() if name in known}
    return {"target": "structure", "map": shown, "structure": [{"unitCell": True}]}
