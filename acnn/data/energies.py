"""Energies of the data relative to those of their atoms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from acnn.data.dataset import LabeledStructure
from acnn.plots.energies import EnergyPoint


def binding_energy(structure: LabeledStructure, reference_energies: Mapping[str, float]) -> float:
    """Return the energy label minus E0 (eV) of the atoms, eV/atom; elements without E0 count as 0."""
    assert structure.energy is not None
    isolated = sum(reference_energies.get(symbol, 0.0) for symbol in structure.atoms.symbols)
    return (structure.energy - isolated) / len(structure)


def energy_points(structures: Iterable[LabeledStructure], reference_energies: Mapping[str, float]) -> list[EnergyPoint]:
    """Return a point of a figure for each structure with an energy."""
    return [
        EnergyPoint(s.config_type, binding_energy(s, reference_energies), _volume_per_atom(s), len(s))
        for s in structures
        if s.energy is not None
    ]


def _volume_per_atom(structure: LabeledStructure) -> float | None:
    """Å³; None unless periodic in three directions."""
    return float(structure.atoms.get_volume()) / len(structure) if structure.atoms.pbc.all() else None
