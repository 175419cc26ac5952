"""Properties of single atoms, written where an input of LAMMPS makes room for them.

    fix room all property/atom d_acnn_energies_std
    dump atoms all custom 100 atoms.lammpstrj id d_acnn_energies_std

at every step, after ``variable acnn_every index 10`` at every tenth. The names are those of `acnn.properties` that an
atom's own neighbors determine, with "acnn_" before them. In acnn's plugin also, by the bare names and when asked,

    fix grades all pair 10 mliap gamma 1
    dump atoms all custom 100 atoms.lammpstrj id f_grades
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
EVERY = "acnn_every"
"""Variable of an input: steps between those at which the rooms are filled."""


def properties_of_sites(potential: Potential) -> dict[str, Property]:
    """Return the properties that this potential has, by name."""
    return {of.name: of for of in SITE_PROPERTIES.values() if of.exists(potential)}


def site_property(potential: Potential, room: str) -> Property:
    """Return the property of a room: "acnn_gamma" of fix property/atom, "gamma" of fix pair.

    Raises:
        ValueError: there is none, or this potential does not have it.
    """
    usable, name = properties_of_sites(potential), room.removeprefix(PREDICTED)
    if name not in usable:
        choices = ", ".join(f"d_{PREDICTED}{known}" for known in usable)
        raise ValueError(f"fix property/atom has d_{room}, which this model cannot fill: choose from {choices}")
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
