"""The LAMMPS that calls a model: facts that acnn needs but the coupling does not provide.

acnn's plugin passes the units with the data of every step. LAMMPS' own coupling passes neither the units nor a
reference to LAMMPS; but the object that it puts into the model as its interface leads there:

    interface -> MLIAPDummyModel -> LAMMPS

It is followed on Linux only, where reading an invalid address is an error rather than a crash.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Any

from acnn.arrays import BoolArray, FloatArray
from lammps_plugin.site_properties import EVERY, SITE_PROPERTIES

UNITS_PER_EV = {"metal": 1.0, "real": 23.060549}
"""LAMMPS' unit of energy in the unit styles with lengths in Å; kcal/mol as LAMMPS itself converts."""
INTERFACES = ("MLIAPUnifiedInterface", "MLIAPUnifiedInterfaceKokkos")
POINTER = struct.calcsize("P")
IN_ALL = 1
"""Bit of the group of all atoms. Fixes that exchange atoms (gcmc, gemc, charge/regulation) clear it for atoms that the
energy should not include, and exclude these from all neighbor lists."""


def energy_unit(units: str) -> float:
    """Return LAMMPS' energy unit in a unit style, per eV."""
    if units not in UNITS_PER_EV:
        usable = " or ".join(f"'units {name}'" for name in UNITS_PER_EV)
        raise ValueError(f"the model is in eV and Å: it needs {usable}, but this LAMMPS has 'units {units}'")
    return UNITS_PER_EV[units]


class Host:
    """The LAMMPS behind an interface.

    Args:
        interface: LAMMPS' own object, or None.
    """

    def __init__(self, interface: Any) -> None:
        self.interface = interface  # kept, so that no other object can take its place in memory
        self._lmp = lammps_of(interface)
        self._units = None if self._lmp is None else self._lmp.extract_global("units")
        self._rooms: list[str] = []

    def energy_unit(self, data: Any) -> float:
        """Return the energy unit per eV, from the data or LAMMPS; eV if neither provides it."""
        return energy_unit(getattr(data, "units", self._units) or "metal")

    def require_bonded_neighbors(self, data: Any) -> None:
        """Require that bonded neighbors are in the neighbor list; acnn's plugin checks this itself (bonded.h)."""
        if self._lmp is None or all(factor == 1.0 for factor in self._lmp.extract_global("special_lj")[1:]):
            return
        numbers = self._lmp.numpy.extract_atom("nspecial", nelem=data.nlocal, dim=3)
        if numbers is not None and numbers.any():
            raise ValueError(
                "special_bonds hides bonded neighbors from the model, which needs them all: add the line "
                "'special_bonds lj/coul 1 1 1'"
            )

    def rooms(self, data: Any) -> dict[str, FloatArray]:
        """Return arrays [n_local] for properties of atoms, by name; none at steps that `EVERY` leaves out.

        Without our plugin, rooms are looked for where LAMMPS asks for energies, as it does at the first step of a run.
        """
        if self._lmp is None:
            return getattr(data, "rooms", {})
        if data.eflag:
            self._rooms = [name for name in SITE_PROPERTIES if self._has(name)]
        if self._rooms and hasattr(data, "update_pair_forces_gpu"):
            raise ValueError(f"KOKKOS keeps d_{self._rooms[0]} elsewhere: leave it out, or run without -k on")
        if not self._rooms or not self._is_due():
            return {}
        found = {name: self._lmp.numpy.extract_atom(f"d_{name}", nelem=data.nlocal) for name in self._rooms}
        return {name: room for name, room in found.items() if room is not None}  # unfix takes rooms away

    def _is_due(self) -> bool:
        """Return whether rooms are filled at this step: see `EVERY`."""
        if not self._lmp.has_id("variable", EVERY):
            return True
        value = self._lmp.extract_variable(EVERY)
        if float(value) < 1:
            raise ValueError(f"variable {EVERY} must be at least 1 step, not {value}")
        return int(self._lmp.extract_global("ntimestep")) % int(float(value)) == 0

    def _has(self, name: str) -> bool:
        return self._lmp.extract_atom(f"d_{name}") is not None

    def counted(self, data: Any) -> BoolArray | None:
        """Return which centers have an energy [n_centers]; None: all. acnn's plugin passes only these."""
        if self._lmp is None or not data.eflag or data.nlistatoms == 0 or hasattr(data, "update_pair_forces_gpu"):
            return None
        masks = self._lmp.numpy.extract_atom("mask", nelem=data.nlocal)
        counted = (masks[data.iatoms[: data.nlistatoms]] & IN_ALL) == IN_ALL
        return None if counted.all() else counted


def lammps_of(interface: Any) -> Any:
    """Return LAMMPS as an object of its Python module; None if it is not found."""
    address = _address(interface)
    if address is None:
        return None
    import lammps

    new_capsule = ctypes.pythonapi.PyCapsule_New
    new_capsule.restype, new_capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return lammps.lammps(ptr=new_capsule(address, None, None))


def _address(interface: Any) -> int | None:
    """Return the address of the LAMMPS object.

    A class of LAMMPS begins with its table of functions, the address of LAMMPS, and references to the members of LAMMPS
    in order, by which it is recognized.
    """
    kind = type(interface)
    if kind.__name__ not in INTERFACES or kind.__basicsize__ != object.__basicsize__ + 3 * POINTER:
        return None
    try:
        (model,) = _words(id(interface) + object.__basicsize__, 1)
        _, lmp, *members = _words(model, 6)
    except (OSError, ValueError, OverflowError, struct.error):
        return None
    return lmp if members == [lmp + k * POINTER for k in range(4)] else None


def _words(address: int, number: int) -> tuple[int, ...]:
    with open("/proc/self/mem", "rb", buffering=0) as memory:
        return struct.unpack(f"{number}P", os.pread(memory.fileno(), number * POINTER, address))
