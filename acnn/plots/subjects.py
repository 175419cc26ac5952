"""What figures are drawn of: the few attributes they need, so that everything above can draw itself.

The classes with these names are in `acnn.evaluation`, `acnn.fit`, `acnn.models` and `acnn.data`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from acnn.arrays import FloatArray
from acnn.pairs import Pair


class Parity(Protocol):
    """Labels and predictions of one quantity."""

    @property
    def arrays(self) -> tuple[FloatArray, FloatArray]:
        """All labels and predictions, flat."""

    @property
    def errors(self) -> FloatArray:
        """Prediction minus label, flat."""

    @property
    def mae(self) -> float | None:
        """Mean absolute error."""

    @property
    def rmse(self) -> float | None:
        """Root mean square error."""


class ErrorTable(Protocol):
    """Labels and predictions by config type and quantity."""

    @property
    def parity(self) -> Mapping[str, Mapping[str, Parity]]:
        """By config type and quantity."""

    @property
    def binding_energies(self) -> Mapping[str, Sequence[float]]:
        """Energy labels minus E0, eV/atom, by config type."""

    @property
    def quantities(self) -> list[str]:
        """The quantities that have labels."""

    def total(self, quantity: str) -> Parity:
        """Return labels and predictions of all config types."""


class Predicted(Protocol):
    """Errors and predicted standard deviations of one quantity."""

    @property
    def errors(self) -> FloatArray:
        """Prediction minus label."""

    @property
    def free(self) -> Predicted:
        """Predictions that differ between the members of the committee."""

    def deviations(self) -> Mapping[str, FloatArray]:
        """Return standard deviations by their source."""

    def coverages(self) -> Mapping[str, FloatArray]:
        """Return coverage levels by the source of the standard deviations."""


class Basis(Protocol):
    """A specification with a cutoff (Å)."""

    @property
    def cutoff(self) -> float:
        """Å."""


class Candidate(Protocol):
    """A basis and its figures; the criteria are attributes by their names."""

    @property
    def specification(self) -> Basis:
        """The basis."""

    @property
    def microseconds(self) -> float | None:
        """Per atom; without it a candidate is not drawn."""

    @property
    def on_front(self) -> bool:
        """Whether no other is both cheaper and better."""

    @property
    def is_chosen(self) -> bool:
        """Whether it is the best."""


class DimerCurve(Protocol):
    """The energy of two atoms over their distance."""

    @property
    def pair(self) -> Pair:
        """The two elements."""

    @property
    def distances(self) -> FloatArray:
        """Å, ascending."""

    @property
    def energies(self) -> FloatArray:
        """Of the two atoms, eV."""

    @property
    def core(self) -> tuple[float, float]:
        """Where atoms must repel, Å."""

    @property
    def weakest_core_repulsion(self) -> float:
        """Lowest -dE/dr in the core, eV/Å."""


class Shortest(Protocol):
    """A shortest distance."""

    @property
    def distance(self) -> float:
        """Å."""


class Distances(Protocol):
    """Histograms of distances by pair of elements."""

    @property
    def elements(self) -> Sequence[str]:
        """Chemical symbols."""

    @property
    def cutoff(self) -> float:
        """Å."""

    @property
    def edges(self) -> FloatArray:
        """Edges of the bins, Å."""

    @property
    def shortest(self) -> Mapping[Pair, Shortest]:
        """Shortest distances of the pairs that occur."""

    def density(self, pairs: Sequence[Pair]) -> FloatArray:
        """Return counts over r², relative to the largest."""


class Curve(Protocol):
    """An equation of state."""

    @property
    def volumes(self) -> FloatArray:
        """Å³/atom, ascending."""

    @property
    def energies(self) -> FloatArray:
        """eV/atom."""

    def energy_at(self, volume: FloatArray) -> FloatArray:
        """Return the energy on the curve, eV/atom."""

    def pressure_at(self, volume: FloatArray) -> FloatArray:
        """Return the pressure, GPa."""


class PhononBands(Protocol):
    """Frequencies along a path of segments."""

    @property
    def distances(self) -> Sequence[FloatArray]:
        """Along the path, by segment."""

    @property
    def frequencies(self) -> Sequence[FloatArray]:
        """By segment [q, band], THz."""

    @property
    def ticks(self) -> Sequence[tuple[float, str]]:
        """Distances and labels of the ends of segments."""


class PhononDensity(Protocol):
    """A density of states."""

    @property
    def frequencies(self) -> FloatArray:
        """THz."""

    @property
    def states(self) -> FloatArray:
        """Per THz and primitive cell."""


class Expansion(Protocol):
    """Thermal expansion, by temperature."""

    @property
    def temperatures(self) -> FloatArray:
        """K."""

    @property
    def volume(self) -> FloatArray:
        """Å³/atom."""

    @property
    def expansion(self) -> FloatArray:
        """Of the volume, 1/K."""

    @property
    def bulk_modulus(self) -> FloatArray:
        """GPa."""

    @property
    def heat_capacity(self) -> FloatArray:
        """At constant pressure, J/(K mol of atoms)."""


class Opening(Protocol):
    """Rigid decohesion."""

    @property
    def openings(self) -> FloatArray:
        """Å."""

    @property
    def energies(self) -> FloatArray:
        """J/m²."""

    @property
    def stresses(self) -> FloatArray:
        """GPa."""
