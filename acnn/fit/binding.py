"""Check that energies and E0 are consistent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from acnn.data.dataset import LabeledStructure
from acnn.data.isolated_atoms import defines_e0

MOST_BOUND = 50.0
"""eV/atom; the strongest bonds, those of diamond or tungsten, are below 10."""


def binding_energy(structure: LabeledStructure, reference_energies: Mapping[str, float]) -> float:
    """Return (E - Σ E0) / N in eV/atom of a structure with an energy; negative if it is bound."""
    isolated = sum(reference_energies[symbol] for symbol in structure.atoms.symbols)
    return ((structure.energy or 0.0) - isolated) / len(structure)


def binding_warnings(
    structures: Iterable[LabeledStructure], reference_energies: Mapping[str, float], file: str, option: str = "--e0"
) -> list[str]:
    """Warn if structures are bound by more than `MOST_BOUND`, or most lie that far above their isolated atoms.

    A few may lie far above: those with colliding atoms.
    """
    found = [
        (binding_energy(s, reference_energies), s.name)
        for s in structures
        if s.energy is not None and not defines_e0(s)
    ]
    energies = np.array([energy for energy, _ in found])
    if not len(energies) or not (energies.min() < -MOST_BOUND or np.median(energies) > MOST_BOUND):
        return []
    far = np.flatnonzero(np.abs(energies) > MOST_BOUND)
    energy, name = found[far[0]]
    given = ", ".join(f"{element} {value:.6g}" for element, value in reference_energies.items())
    return [
        f"{file}: {len(far)} of {len(found)} energies are inconsistent with E0 ({given} eV): {name} is at "
        f"{energy:+.6g} eV/atom relative to its isolated atoms. Both must come from one method, with the same zero of "
        f"energy: relabel the isolated atoms, or give {option} {next(iter(reference_energies))}=…, or {option} lstsq"
    ]
