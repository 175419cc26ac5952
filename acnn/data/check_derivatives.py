"""Forces and virials that are no derivatives of the energies: sign, unit, and constants of virials."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase.units import Bohr, GPa, Hartree, Rydberg

from acnn.data.dataset import Dataset
from acnn.data.findings import Finding
from acnn.data.related import Slope, related_pairs, slopes_of
from acnn.wording import counted

ROUGH = 0.35
"""Deviation of the ratio from 1 that the distance of the structures explains."""
OFFSET, PRESSURE = 0.02, 0.5
"""eV/atom and GPa; smaller constants of virials do no harm."""
EXPLAINED = 0.98
"""Share of the changes that virials without a constant must explain."""
HALF = 0.5
"""Share of the changes that wrong labels explain at most."""
FORCES = {"hartree/Bohr": Hartree / Bohr, "Ry/Bohr": Rydberg / Bohr, "hartree/Å": Hartree, "meV/Å": 1e-3}
VIRIALS = {"kbar, as stress": 0.1 * GPa, "GPa, as stress": GPa, "hartree": Hartree, "Ry": Rydberg}


def check_derivatives(dataset: Dataset) -> Iterator[Finding]:
    """Compare the energies of structures that are close together with the work of forces and virials."""
    forces, virials = slopes_of(related_pairs(dataset.structures), [len(s) for s in dataset])
    if forces is not None and _is_wrong(forces):
        yield Finding("forces and energies", _disagreement("forces", forces, FORCES))
    if virials is not None and _is_wrong(virials):
        yield Finding("virials and energies", _disagreement("virials", virials, VIRIALS))
    elif virials is not None and (text := _offset(dataset, virials)):
        yield Finding("offset of virials", text)


def _is_wrong(slope: Slope) -> bool:
    return abs(slope.ratio - 1) > ROUGH and slope.explained < HALF


def _offset(dataset: Dataset, slope: Slope) -> str | None:
    volume = float(np.median([s.atoms.get_volume() / len(s) for s in dataset if s.virial is not None]))
    pressure = slope.offset / volume / GPa
    if slope.explained > EXPLAINED or abs(slope.offset) < OFFSET or abs(pressure) < PRESSURE:
        return None
    return (
        f"they differ from what the energies of {counted(slope.n, 'pair')} of strained structures say by "
        f"{slope.offset:+.3f} eV/atom ({pressure:+.2g} GPa), as Pulay stress does: fit with --virial-offset fit"
    )


def _disagreement(kind: str, slope: Slope, units: dict[str, float]) -> str:
    found = (
        f"of {counted(slope.n, 'pair')} of close structures energies change {slope.ratio:.3g} times as much as {kind}"
    )
    if abs(slope.ratio + 1) <= ROUGH:
        return f"{found} say: the sign is wrong"
    likely = next((name for name, factor in units.items() if abs(abs(slope.ratio) / factor - 1) <= ROUGH), None)
    return f"{found} say: they seem to be in {likely}" if likely else f"{found} say: check unit and sign"
