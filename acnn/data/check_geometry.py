"""Faults of structures: distances that no calculation means, duplicates, and other labels of the same geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from ase.data import chemical_symbols

from acnn.data.dataset import Dataset, LabeledStructure
from acnn.data.findings import Finding, examples
from acnn.data.pair_features import Environment
from acnn.wording import counted

TOO_CLOSE = 0.5
"""Of the sum of the covalent radii; 1 TPa compresses boron to 0.7."""
TOO_FAR, MOST = 1.5, 0.8
"""Nearest neighbors beyond so many sums of covalent radii, in such a share of the structures, are in another unit."""
NOBLE = {2, 10, 18, 36, 54, 86}
DIGITS = 6
"""Decimals of features in which the same geometry agrees."""
SAME_ENERGY, SAME_FORCE = 0.005, 0.05
"""eV/atom, eV/Å; larger differences of one geometry come from different calculations."""


def check_distances(dataset: Dataset, environments: Sequence[Environment]) -> Iterator[Finding]:
    """Find atoms that are closer than atoms come, and lengths in Bohr."""
    pairs = list(zip(dataset, environments, strict=True))
    close = [(s, e) for s, e in pairs if e.closest < TOO_CLOSE]
    if close:
        worst, of = min(close, key=lambda pair: pair[1].closest)
        a, b = (chemical_symbols[z] for z in of.elements)
        text = f"{a}–{b} {of.distance:.3g} Å in {worst.name}; {counted(len(close), 'structure')} below half a bond"
        yield Finding("short distances", f"{text}: {examples([s for s, _ in close])}")
    spacings = np.array([e.spacing for s, e in pairs if len(s) > 1 and not NOBLE & set(s.atoms.numbers.tolist())])
    if len(spacings) and np.mean(spacings > TOO_FAR) > MOST:
        text = f"nearest neighbors are {np.median(spacings):.2g} bonds apart: check that lengths are in Å, not Bohr"
        yield Finding("long distances", text)


def check_duplicates(dataset: Dataset, environments: Sequence[Environment]) -> Iterator[Finding]:
    """Find structures that occur twice, with the same labels or with others."""
    groups: dict[bytes, list[LabeledStructure]] = {}
    for structure, of in zip(dataset, environments, strict=True):
        if len(structure) > 1 or np.isfinite(of.closest):
            key = np.round(of.features, DIGITS) + 0.0
            groups.setdefault(key.tobytes() + bytes(str(len(structure)), "ascii"), []).append(structure)
    alike = [group for group in groups.values() if len(group) > 1]
    for kind, unit, differences in (
        ("energies", "eV/atom", [(_energy_range(group), group) for group in alike]),
        ("forces", "eV/Å", [(_force_range(group), group) for group in alike]),
    ):
        largest = SAME_ENERGY if kind == "energies" else SAME_FORCE
        found = [(d, group) for d, group in differences if d > largest]
        if found:
            worst, group = max(found, key=lambda pair: pair[0])
            several = f"{counted(len(found), 'geometry', 'geometries')} with several"
            yield Finding(f"contradictory {kind}", f"{several}, {worst:.3g} {unit} apart in {examples(group)}")
    twice = [(one, other) for group in alike for one, other in _repeated(group)]
    if twice:
        names = ", ".join(f"{one.name} = {other.name}" for one, other in twice[:3])
        yield Finding("duplicates", f"{counted(len(twice), 'structure')} there already: {names}")


def _energy_range(group: Sequence[LabeledStructure]) -> float:
    energies = [s.energy / len(s) for s in group if s.energy is not None]
    return float(np.ptp(energies)) if energies else 0.0


def _force_range(group: Sequence[LabeledStructure]) -> float:
    """Return the largest difference of the sorted norms of forces, which rotations and order do not change."""
    norms = [np.sort(np.linalg.norm(s.forces, axis=1)) for s in group if s.forces is not None]
    return float(np.ptp(norms, axis=0).max()) if norms else 0.0


def _repeated(group: Sequence[LabeledStructure]) -> Iterator[tuple[LabeledStructure, LabeledStructure]]:
    """Yield those that agree in cell and positions, not only up to a rotation, with an earlier one."""
    first: list[LabeledStructure] = []
    for structure in group:
        same = next((other for other in first if _is_same(other, structure)), None)
        if same is None:
            first.append(structure)
        else:
            yield same, structure


def _is_same(one: LabeledStructure, other: LabeledStructure) -> bool:
    a, b = one.atoms, other.atoms
    if not (np.array_equal(a.numbers, b.numbers) and np.allclose(a.cell.array, b.cell.array, atol=1e-4)):
        return False
    shift = (a.positions - a.positions[0]) - (b.positions - b.positions[0])
    if a.pbc.all():
        fractions = np.linalg.solve(a.cell.array.T, shift.T).T
        shift = (fractions - np.round(fractions)) @ a.cell.array
    return bool(np.abs(shift).max() < 1e-3)
