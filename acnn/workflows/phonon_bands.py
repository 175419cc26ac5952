"""Phonons along the standard path, their density of states, and imaginary ones; frequencies in THz, q fractional.

Frequencies of unstable modes are imaginary and written as negative numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from acnn.arrays import FloatArray
from acnn.extras import optional
from acnn.workflows.force_constants import exact_points

SMALLEST_IMAGINARY = 0.05
"""THz; smaller ones, such as those of translations, are rounding and the displacements' doing."""
POINTS = 51


@dataclass(frozen=True)
class Bands:
    """Frequencies along a path of straight segments.

    Attributes:
        distances: along the path, by segment [q], 1/Å.
        frequencies: by segment [q, band].
        qpoints: by segment [q, 3].
        ticks: distances and labels of the points where segments end.
    """

    distances: list[FloatArray]
    frequencies: list[FloatArray]
    qpoints: list[FloatArray]
    ticks: list[tuple[float, str]]

    @property
    def lowest(self) -> float:
        """The lowest frequency."""
        return float(min(frequencies.min() for frequencies in self.frequencies))

    @property
    def points(self) -> dict[str, FloatArray]:
        """Frequencies at the labeled points [band]."""
        return self.at_labels(self.frequencies)

    def at_labels(self, values: list[FloatArray]) -> dict[str, FloatArray]:
        """Return those of values by segment [q, …] that are at labeled points."""
        found: dict[str, FloatArray] = {}
        labels = dict(self.ticks)
        for distances, of_segment in zip(self.distances, values, strict=True):
            for end in (0, -1):
                label = labels[float(distances[end])]
                found.setdefault(label.split("|")[0 if end else -1], of_segment[end])
        return found


class Density(NamedTuple):
    """States per THz and primitive cell [frequency]."""

    frequencies: FloatArray
    states: FloatArray


class Mode(NamedTuple):
    """An imaginary mode: where (a label, or q in fractions), its frequency (negative), and its number, from 1."""

    place: str
    frequency: float
    band: int


def bands_of(phonopy: Any, points: int = POINTS) -> Bands:
    """Return the bands along the path of seekpath, about so many points for its longest segment."""
    optional("seekpath", "paths of phonon bands")
    phonopy.auto_band_structure(npoints=points)
    found = phonopy.band_structure
    labels, ticks = iter(map(plain_label, found.labels)), []
    connected = [False, *found.path_connections]
    for number, distances in enumerate(found.distances):
        if not connected[number]:
            ticks.append((float(distances[0]), next(labels)))
        ticks.append((float(distances[-1]), next(labels)))
    frequencies = [np.array(of_segment) for of_segment in found.frequencies]
    return Bands([np.array(d) for d in found.distances], frequencies, [np.array(q) for q in found.qpoints], _met(ticks))


def _met(ticks: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Write two labels at one place, where the path jumps, as one."""
    found: list[tuple[float, str]] = []
    for distance, label in ticks:
        if found and abs(found[-1][0] - distance) < 1e-9:
            label = f"{found.pop()[1]}|{label}"
        found.append((distance, label))
    return found


def plain_label(label: str) -> str:
    r"""Return the label of a q-point as plain text: Γ for ``$\Gamma$``, X for ``$\mathrm{X}$``."""
    plain = label.replace("\\Gamma", "Γ").replace("\\Sigma", "Σ").replace("\\Delta", "Δ").replace("\\Lambda", "Λ")
    return re.sub(r"\\mathrm|[${}_\\]", "", plain)


def density_of(phonopy: Any) -> Density:
    """Return the density of states on the mesh that was computed last, by tetrahedra."""
    phonopy.run_total_dos(use_tetrahedron_method=True)
    return Density(np.array(phonopy.total_dos.frequency_points), np.array(phonopy.total_dos.dos))


def imaginary_modes(phonopy: Any, bands: Bands) -> list[Mode]:
    """Return the imaginary modes at labeled points and at the q-points of the supercell, where phonons are exact.

    The lowest comes first.
    """
    points = exact_points(phonopy)
    phonopy.run_qpoints(points)
    labels = {_fractions(q % 1): label for label, q in bands.at_labels(bands.qpoints).items()}
    exact = zip(map(_fractions, points % 1), phonopy.qpoints.frequencies, strict=True)
    places = bands.points | {labels.get(place, place): frequencies for place, frequencies in exact}
    modes = [
        Mode(place, float(frequency), band + 1)
        for place, frequencies in places.items()
        for band, frequency in enumerate(frequencies)
        if frequency < -SMALLEST_IMAGINARY
    ]
    return sorted(modes, key=lambda mode: mode.frequency)


def _fractions(q: FloatArray) -> str:
    """Return "(1/2, 0, 1/3)"."""
    return f"({', '.join(str(Fraction(float(x)).limit_denominator(100)) for x in q)})"
