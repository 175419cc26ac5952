"""Properties of a model with a committee (``acnn fit --committee 16``, ``acnn ensemble``).

    x_std = sqrt(1/K Σ_k (x^k - x)²)

is the spread of the K members about the model, the epistemic term of `acnn.uncertainty.committee`, without the noise of
the labels; times the factors of `acnn.models.calibration` if the model is calibrated. The deviations of ensemble
members are those without the lower bounds of network energies; ``committee_energies`` and so on are the results of the
model plus these deviations.

Standard deviations do not add, and committees may differ in size, so a sum of potentials has none of these properties.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import numpy as np
from ase.data import chemical_symbols
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.evaluation.properties import Evaluation, Property, array, energy, forces, stress
from acnn.potential import Potential
from acnn.uncertainty.committee import Deviations, committee_deviations
from acnn.uncertainty.grade import grades


def deviations(evaluation: Evaluation) -> Deviations:
    """Return the deviations of the members from the model."""
    return committee_deviations(evaluation.potential, evaluation.graph, evaluation.kernel)


def stress_deviations(evaluation: Evaluation) -> FloatArray:
    """Return the deviations of the members' stresses, eV/Å³ [K, 6]."""
    virials = array(cast("Tensor", evaluation.once(deviations).virials)[:, 0])
    return voigt_from_full(stress_from_virial(virials, evaluation.needed_volume))


def energy_std(evaluation: Evaluation) -> float:
    """Return the standard deviation of the energy, eV."""
    return float(evaluation.once(deviations).energy_std[0]) * _factor(evaluation, "energy", "std")


def energy_q90(evaluation: Evaluation) -> float:
    """Return the bound that covers 90 % of the errors of energies, eV."""
    return float(evaluation.once(deviations).energy_std[0]) * _factor(evaluation, "energy", "q90")


def energies_std(evaluation: Evaluation) -> FloatArray:
    """Return the standard deviations of site energies, eV [n_atoms]."""
    return array(evaluation.once(deviations).site_energies_std)


def forces_std(evaluation: Evaluation) -> FloatArray:
    """Return the standard deviations of force components, eV/Å [n_atoms, 3]."""
    return array(evaluation.once(deviations).forces_std) * _factors_of_atoms(evaluation, "std")[:, None]


def forces_q90(evaluation: Evaluation) -> FloatArray:
    """Return the bounds that cover 90 % of the errors |ΔF_i| of forces, eV/Å [n_atoms]."""
    return array(evaluation.once(deviations).force_norm_std) * _factors_of_atoms(evaluation, "q90")


def stress_std(evaluation: Evaluation) -> FloatArray:
    """Return the standard deviations of stress components, eV/Å³ [6]."""
    spread: FloatArray = np.sqrt((evaluation.once(stress_deviations) ** 2).mean(axis=0))
    return spread * _factor(evaluation, "stress", "std")


def _factor(evaluation: Evaluation, quantity: str, name: str) -> float:
    bars = evaluation.potential.calibration
    return float(getattr(bars.scale(quantity), name)) if bars and bars.covers(quantity) else 1.0


def _factors_of_atoms(evaluation: Evaluation, name: str) -> FloatArray:
    """Return the factors of forces by the elements of the atoms [n_atoms]."""
    bars, numbers = evaluation.potential.calibration, evaluation.graph.species.tolist()
    if not (bars and bars.covers("forces")):
        return np.ones(len(numbers))
    factors: FloatArray = bars.factors("forces", [chemical_symbols[number] for number in numbers], name)
    return factors


def gamma(evaluation: Evaluation) -> FloatArray:
    """Return the extrapolation grades of the atoms [n_atoms]."""
    return array(grades(evaluation.potential, evaluation.graph, evaluation.kernel))


def committee_energies(evaluation: Evaluation) -> FloatArray:
    """Return the energies of the members, eV [K]."""
    return evaluation.once(energy) + array(evaluation.once(deviations).energies[:, 0])


def committee_forces(evaluation: Evaluation) -> FloatArray:
    """Return the forces of the members, eV/Å [K, n_atoms, 3]."""
    return evaluation.once(forces) + array(cast("Tensor", evaluation.once(deviations).forces))


def committee_stress(evaluation: Evaluation) -> FloatArray:
    """Return the stresses of the members, eV/Å³ [K, 6]."""
    return evaluation.once(stress) + evaluation.once(stress_deviations)


def has_committee(potential: Potential) -> bool:
    """Return whether a potential has a committee."""
    return potential.has_committee


def has_bounds(quantity: str) -> Callable[[Potential], bool]:
    """Return a function that tells whether a potential has a committee that is calibrated for a quantity."""
    return lambda potential: bool(
        potential.has_committee and potential.calibration and potential.calibration.covers(quantity)
    )


def has_grades(potential: Potential) -> bool:
    """Return whether a potential has an active set."""
    return potential.active_set is not None


of_committee = partial(Property, group="committee", exists=has_committee)

COMMITTEE = (
    of_committee("energy_std", "eV", (), energy_std),
    of_committee("energy_q90", "eV", (), energy_q90, exists=has_bounds("energy")),
    of_committee("energies_std", "eV", ("atoms",), energies_std, of_sites=True),
    of_committee("forces_std", "eV/Å", ("atoms", 3), forces_std),
    of_committee("forces_q90", "eV/Å", ("atoms",), forces_q90, exists=has_bounds("forces")),
    of_committee("stress_std", "eV/Å³", (6,), stress_std, of_volume=True),
    of_committee("committee_energies", "eV", ("members",), committee_energies),
    of_committee("committee_forces", "eV/Å", ("members", "atoms", 3), committee_forces),
    of_committee("committee_stress", "eV/Å³", ("members", 6), committee_stress, of_volume=True),
)

GRADES = (Property("gamma", "1", ("atoms",), gamma, group="gamma", exists=has_grades, of_sites=True),)
