"""Check unit, sign and order of components of virials and stresses.

A small fit to energies and forces alone predicts the virials W. Labels of another unit, sign or order agree with these
predictions only after the conversion that undoes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from ase import units

from acnn.arrays import FloatArray
from acnn.basis.radial import transform_lengths
from acnn.basis.specification import BasisSpecification
from acnn.conventions import voigt_from_full
from acnn.data.dataset import LabeledStructure, Weights
from acnn.fit.linear import fit_linear
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.solvers import BLR, AlgebraicPrior

SIZES = ((2, 8.0), (2, 6.0), (2, 5.0), (1, 6.0), (1, 4.0))
"""Order and total degree of the fit: the first with at most `MOST_FUNCTIONS` functions is used."""
MOST_FUNCTIONS = 300
MOST_STRUCTURES, MOST_ATOMS, FEWEST_STRUCTURES = 40, 600, 3
LONGEST_CUTOFF = 6.0
"""Å"""

PRESSURES = {
    "eV/Å³": 1.0,
    "kbar": 0.1 * units.GPa,
    "GPa": units.GPa,
    "bar": 1e-4 * units.GPa,
    "Ha/Bohr³": units.Hartree / units.Bohr**3,
    "Ry/Bohr³": units.Rydberg / units.Bohr**3,
}
ENERGIES = {
    "eV": 1.0,
    "Ha": units.Hartree,
    "Ry": units.Rydberg,
    "kcal/mol": units.kcal / units.mol,
    "kJ/mol": units.kJ / units.mol,
}
"""In eV/Å³ and in eV."""

ORDERS = {
    "xx yy zz yz xz xy": (0, 1, 2, 3, 4, 5),
    "xx yy zz xy yz xz (VASP's)": (0, 1, 2, 4, 5, 3),
    "xx yy zz xy xz yz (LAMMPS')": (0, 1, 2, 5, 4, 3),
    "xx xy xz yy yz zz": (0, 3, 5, 4, 2, 1),
}
"""The places of xx, yy, zz, yz, xz, xy among six components. The first order is the right one."""
RIGHT_ORDER = next(iter(ORDERS))

WRONG = 0.5
"""Σ |label - prediction| / Σ |prediction|; above it labels are doubtful if a conversion leaves less than half."""
FAR = 20.0
"""Like `WRONG`; above it the unit cannot be right, even if no conversion explains it."""
LEAST_SHARE = 0.02
"""Share of the components in question; below it they carry too little information."""


class Reading(NamedTuple):
    """A unit and sign in which labels may have been given."""

    unit: str
    sign: int


@dataclass(frozen=True)
class Virials:
    """Labels and predictions of some structures.

    Attributes:
        labels, predicted: -dE/dε in eV/atom as taken and as predicted [n, 6], Voigt.
        volumes: Å³ [n].
    """

    labels: FloatArray
    predicted: FloatArray
    volumes: FloatArray

    def factors(self, kind: str, unit: str) -> FloatArray:
        """Return the factors [n, 1] that convert labels of a kind (virial, stress) given in this unit."""
        in_ev = ENERGIES.get(unit)
        scale = PRESSURES[unit] if in_ev is None else in_ev
        is_pressure, taken_for_pressure = in_ev is None, kind == "stress"
        power = int(is_pressure) - int(taken_for_pressure)
        return (scale * self.volumes**power * (-1.0 if power else 1.0))[:, None]


def virial_warnings(
    structures: Sequence[LabeledStructure],
    kinds: Sequence[str],
    reference_energies: Mapping[str, float] | None,
    cutoff: float,
    file: str,
) -> list[str]:
    """Warn if labels agree with a fit without them only in another unit, sign or order of components.

    Args:
        kinds: the kinds that the labels were given as, "virial" or "stress".
        reference_energies: E0 in eV; None leaves energies out.
    """
    sample = _sample([s for s in structures if s.virial is not None and s.forces is not None])
    model = _model(sample, reference_energies, cutoff) if len(sample) >= FEWEST_STRUCTURES else None
    if model is None or not kinds:
        return []
    return doubts(_virials(model, sample), kinds[0], file)


def doubts(virials: Virials, kind: str, file: str) -> list[str]:
    """Report doubts about labels of a kind (virial, stress), in at most one sentence."""
    as_taken = Reading({"virial": "eV", "stress": "eV/Å³"}[kind], 1)
    found = {reading: _deviation(virials, kind, reading) for reading in _readings()}
    best = min(found, key=found.__getitem__)
    best = best if _explains(found[best], found[as_taken]) else as_taken
    order = _order(virials, kind, best)
    wanted = "virials −dE/dε in eV" if kind == "virial" else "stresses in eV/Å³, positive under tension,"
    convert = f"give {wanted} in the order {RIGHT_ORDER}"
    if (best, order) != (as_taken, RIGHT_ORDER):
        return [
            f"{file}: {kind} labels seem to be {_described(best, as_taken, order)}: only then do they agree with a "
            f"small fit to energies and forces; {convert}"
        ]
    if found[as_taken] > FAR:
        return [
            f"{file}: {kind} labels are {found[as_taken]:.0f} times as large as a small fit to energies and forces "
            f"predicts: {convert}"
        ]
    return []


def _described(reading: Reading, as_taken: Reading, order: str) -> str:
    parts = [f"in {reading.unit}"] if reading.unit != as_taken.unit else []
    parts += ["of opposite sign"] if reading.sign < 0 else []
    parts += [f"in the order {order}"] if order != RIGHT_ORDER else []
    return ", ".join(parts)


def _readings() -> list[Reading]:
    return [Reading(*each) for each in itertools.product([*PRESSURES, *ENERGIES], (1, -1))]


def _explains(deviation: float, as_taken: float) -> bool:
    return as_taken > WRONG and deviation < 0.5 * min(1.0, as_taken)


def _deviation(virials: Virials, kind: str, reading: Reading) -> float:
    """Return the deviation of the better predicted part, diagonal or off-diagonal, in the best order."""
    labels = _converted(virials, kind, reading)
    return min(min(_parts(virials, labels, places)) for places in ORDERS.values())


def _order(virials: Virials, kind: str, reading: Reading) -> str:
    """Determine the order from the off-diagonal components, which a small fit predicts better, unless too small."""
    labels = _converted(virials, kind, reading)
    found = {order: _parts(virials, labels, places)[-1] for order, places in ORDERS.items()}
    best = min(found, key=found.__getitem__)
    return best if _explains(found[best], found[RIGHT_ORDER]) else RIGHT_ORDER


def _parts(virials: Virials, labels: FloatArray, places: Sequence[int]) -> list[float]:
    """Return the deviations of the diagonal and off-diagonal components, unless these are too small."""
    ordered, predicted = labels[:, places], virials.predicted
    parts = [(ordered[:, k], predicted[:, k]) for k in (slice(0, 3), slice(3, 6))]
    return [_size(a - b) / _size(b) for a, b in parts if _size(b) > LEAST_SHARE * _size(predicted)] or [0.0]


def _converted(virials: Virials, kind: str, reading: Reading) -> FloatArray:
    return reading.sign * virials.factors(kind, reading.unit) * virials.labels


def _size(components: FloatArray) -> float:
    return float(np.abs(components).sum())


def _sample(structures: Sequence[LabeledStructure]) -> list[LabeledStructure]:
    """Choose structures, evenly spaced, with at most `MOST_ATOMS` atoms in all."""
    places = np.linspace(0, len(structures) - 1, min(len(structures), MOST_STRUCTURES)).round().astype(int)
    atoms = np.cumsum([len(structures[k]) for k in places])
    step = max(1, int(np.ceil(atoms[-1] / MOST_ATOMS))) if len(places) else 1
    return [structures[k] for k in places[::step]]


def _model(
    structures: Sequence[LabeledStructure], reference_energies: Mapping[str, float] | None, cutoff: float
) -> LinearACE | None:
    """Make a small fit to energies and forces; None if there are too many elements for one, or nothing to fit."""
    elements = tuple(dict.fromkeys(symbol for s in structures for symbol in s.atoms.symbols))
    cutoff = min(cutoff, LONGEST_CUTOFF)
    for order, degree in SIZES:
        shape = {"elements": elements, "order": order, "degree": degree, "cutoff": cutoff}
        lengths = {"bond_lengths": transform_lengths(elements, cutoff)}
        specification = BasisSpecification.model_validate(shape | lengths)
        if specification.n_functions <= MOST_FUNCTIONS:
            break
    else:
        return None
    known = reference_energies is not None
    stripped = [replace(s, virial=None, energy=s.energy if known else None, weights=Weights()) for s in structures]
    energies = reference_energies or dict.fromkeys(elements, 0.0)
    chosen = {element: energies[element] for element in specification.elements}
    try:
        return fit_linear(specification, stripped, chosen, BLR(), AlgebraicPrior(4.0)).model
    except ValueError:  # no neighbors, or symmetry forbids all forces
        return None


def _virials(model: LinearACE, structures: Sequence[LabeledStructure]) -> Virials:
    found = [model.pair_gradients(atomic_graph(s.atoms, model.cutoff)).virials[0].numpy() / len(s) for s in structures]
    labels = [np.asarray(s.virial) / len(s) for s in structures]
    return Virials(
        voigt_from_full(np.array(labels)),
        voigt_from_full(np.array(found)),
        np.array([s.atoms.cell.volume for s in structures]),
    )
