"""Results of the ASE calculator for a model with a committee (``acnn fit --committee 16``, ``acnn ensemble``).

    x_std = sqrt(1/K Σ_k (x^k - x)²)

is the spread of the K members about the model, the epistemic term of `acnn.uncertainty.committee`; the noise of the
labels is not in it. Members of an ensemble spread about their mean as they do without the floor at which energies of
networks level off; ``committee_energies`` and so on are the model's plus these deviations.

They are asked for by `get_property` and stand in ``results``, but not among ``implemented_properties``, by which ASE's
`SumCalculator` and `LinearCombinationCalculator` choose what to add: standard deviations do not add, and committees may
differ in size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import ase
import numpy as np
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.models import Model
from acnn.potential import PairGradients, Potential
from acnn.uncertainty.committee import committee_deviations

COMMITTEE_PROPERTIES = (
    "energy_std",  # eV
    "energies_std",  # eV [n]; of the energies of single atoms
    "forces_std",  # eV/Å [n, 3]
    "stress_std",  # eV/Å³ [6]
    "committee_energies",  # eV [K]; of the whole structure
    "committee_forces",  # eV/Å [K, n, 3]
    "committee_stress",  # eV/Å³ [K, 6]
)


def committee_results(
    potential: Potential, found: PairGradients, results: Mapping[str, Any], atoms: ase.Atoms, kernel: str | None
) -> dict[str, Any]:
    """`COMMITTEE_PROPERTIES`, those of the stress where the cell has a volume.

    Args:
        potential: a model with a committee.
        found: its evaluation, on the graph of the atoms.
        results: energy, forces and stress of the model itself.
    """
    deviations = committee_deviations(cast("Model", potential), found.graph, kernel)
    known: dict[str, Any] = {
        "energy_std": float(deviations.energy_std[0]),
        "energies_std": _to_numpy(deviations.site_energies_std),
        "forces_std": _to_numpy(deviations.forces_std),
        "committee_energies": results["energy"] + _to_numpy(deviations.energies[:, 0]),
        "committee_forces": results["forces"] + _to_numpy(cast("Tensor", deviations.forces)),
    }
    if atoms.cell.rank == 3:
        virials = _to_numpy(cast("Tensor", deviations.virials)[:, 0])
        stresses = voigt_from_full(stress_from_virial(virials, atoms.get_volume()))
        known["stress_std"] = np.sqrt((stresses**2).mean(axis=0))
        known["committee_stress"] = results["stress"] + stresses
    return known


def _to_numpy(values: Tensor) -> FloatArray:
    return values.detach().double().cpu().numpy()
