"""Energies that do not follow the others: residuals of a least-squares fit to features of the distances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from acnn.arrays import FloatArray
from acnn.data.dataset import Dataset
from acnn.data.findings import Finding, examples
from acnn.data.pair_features import Environment
from acnn.wording import counted

DEVIATIONS = 20.0
"""Standard deviations, from the median of the residuals."""
LEAST, PER_FORCE = 0.1, 0.03
"""eV/atom, and Å per atom: residuals below this many eV/atom, plus those that large forces explain, are none."""
RIDGE, ROUNDS, KEPT = 1e-4, 4, 6.0
PER_STRUCTURE = 3
"""Structures per feature, at least."""


def check_energies(dataset: Dataset, environments: Sequence[Environment]) -> Iterator[Finding]:
    """Find energies far from what structures of similar distances have."""
    pairs = [(s, e) for s, e in zip(dataset, environments, strict=True) if s.energy is not None and len(s) > 1]
    if not pairs or len(pairs) < PER_STRUCTURE * len(pairs[0][1].features):
        return
    energies = np.array([s.energy / len(s) for s, _ in pairs if s.energy is not None])
    residuals, spread = robust_residuals(np.array([e.features for _, e in pairs]), energies)
    least = [LEAST + PER_FORCE * min(s.max_force, 100.0) for s, _ in pairs]
    found = [k for k, r in enumerate(residuals) if abs(r) > max(DEVIATIONS * spread, least[k])]
    if found:
        worst = max(found, key=lambda k: abs(residuals[k]))
        text = f"{counted(len(found), 'structure')}, {residuals[worst]:+.3g} eV/atom in {pairs[worst][0].name}"
        yield Finding("energy outliers", f"{text}: {examples([pairs[k][0] for k in found])}")


def robust_residuals(features: FloatArray, values: FloatArray) -> tuple[FloatArray, float]:
    """Return the residuals of a least-squares fit that leaves out what it does not describe, and their spread."""
    scales = np.abs(features).max(axis=0)
    columns = features / np.where(scales > 0, scales, 1.0)
    middle = values - np.median(values)
    ridge, nothing = RIDGE * np.eye(columns.shape[1]), np.zeros(columns.shape[1])
    used = np.ones(len(values), dtype=bool)
    for _ in range(ROUNDS):
        rows = np.vstack([columns[used], ridge])
        solution = np.linalg.lstsq(rows, np.concatenate([middle[used], nothing]), rcond=None)[0]
        residuals = middle - columns @ solution
        spread = 1.4826 * float(np.median(np.abs(residuals[used])))
        used = np.abs(residuals) < max(KEPT * spread, 1e-9)
    return residuals, spread
