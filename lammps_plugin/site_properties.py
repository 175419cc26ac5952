"""Properties of single atoms, written where an input of LAMMPS makes room for them.

    fix room all property/atom d_acnn_energies_std
    dump atoms all custom 100 atoms.lammpstrj id d_acnn_energies_std

The names are those of `acnn.properties` that an atom's own neighbors determine, with "acnn_" before them.
"""

from __future__ import annotations

from collections.abc import Mapping

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.data.label_names import PREDICTED
from acnn.evaluation.properties import Evaluation, Property
from acnn.potential import Potential
from acnn.properties import PROPERTIES

SITE_PROPERTIES = {PREDICTED + name: of for name, of in PROPERTIES.items() if of.of_sites and of.axes == ("atoms",)}
"""Properties by their names in LAMMPS, without its "d_"."""


def site_property(potential: Potential, name: str) -> Property:
    """Return the property of this name in LAMMPS.

    Raises:
        ValueError: there is none, or this potential does not have it.
    """
    usable = {known: of for known, of in SITE_PROPERTIES.items() if of.exists(potential)}
    if name not in usable:
        choices = ", ".join(f"d_{known}" for known in usable)
        raise ValueError(f"fix property/atom has d_{name}, which this model cannot fill: choose from {choices}")
    return usable[name]


def write_site_properties(
    rooms: Mapping[str, FloatArray], evaluation: Evaluation, centers: IntArray, counted: BoolArray | None, unit: float
) -> None:
    """Write the properties of the centers; other atoms have 0.

    Args:
        rooms: arrays of LAMMPS by name, one number for each atom that the rank owns.
        centers: indices of the evaluated atoms among these [n_centers].
        counted: which centers have an energy; None: all.
        unit: of LAMMPS' energies, per eV.
    """
    for name, room in rooms.items():
        of = site_property(evaluation.potential, name)
        values = of.of(evaluation) * (unit if of.unit.startswith("eV") else 1.0)
        room[:] = 0.0
        room[centers] = values if counted is None else values * counted
