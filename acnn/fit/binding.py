"""Whether energies and E0 belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from acnn.data.dataset import LabeledStructure
from acnn.data.isolated_atoms import defines_e0

MOST_BOUND = 50.0
"""eV/atom; the strongest bonds, of diamond or tungsten, are below 10."""


def binding_energy(structure: LabeledStructure, reference_energies: Mapping[str, float]) -> float:
    """(E - Σ E0) / N in eV/atom of a structure with an energy, negative where it is bound."""
    isolated = sum(reference_energies[symbol] for symbol in structure.atoms.symbols)
    return ((structure.energy or 0.0) - isolated) / len(structure)


def binding_warnings(
    structures: Iterable[LabeledStructure], reference_energies: Mapping[str, float], file: str, option: str = "--e0"
) -> list[str]:
    """A sentence if structures are bound by more than `MOST_BOUND`, or most are that far above their isolated atoms.

    A few may be far above: atoms that collide.
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
        f"{file}: {len(far)} of {len(found)} energies and E0 ({given} eV) cannot belong together: {name} is at "
        f"{energy:+.6g} eV/atom relative to its isolated atoms. Give both of one method and with one zero of energy: "
        f"relabel the isolated atoms, or give {option} {next(iter(reference_energies))}=…, or {option} lstsq"
    ]
