"""The energy, forces and virial of a structure under a given key."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms

from acnn.arrays import FloatArray
from acnn.conventions import tensor_from_components, virial_from_stress
from acnn.data.errors import DatasetError
from acnn.data.label_names import LabelName


def find(atoms: Atoms, kind: str, key: str) -> Any:
    """Return the value of a label, or None; from ``arrays`` (forces) or ``info``, otherwise from the calculator."""
    values = atoms.arrays if kind == "forces" else atoms.info
    value = values.get(key)
    if value is None and atoms.calc is not None:
        value = atoms.calc.results.get(key)
    return value


def energy_of(atoms: Atoms, label: LabelName, name: str) -> float:
    """Return the energy of the whole cell in eV."""
    numbers = _floats(atoms, label, name)
    if numbers.size != 1:
        raise DatasetError(f"the energy {label.key!r} of {name} must be one number, but has {numbers.size}")
    return float(numbers.reshape(()))


def forces_of(atoms: Atoms, label: LabelName, name: str) -> FloatArray:
    """Return the forces (n, 3) in eV/Å."""
    forces = _floats(atoms, label, name)
    if forces.shape != (len(atoms), 3):
        raise DatasetError(f"the forces {label.key!r} of {name} have shape {forces.shape}, not {(len(atoms), 3)}")
    return forces


def virial_of(atoms: Atoms, label: LabelName, name: str) -> FloatArray:
    """Return the virial (3, 3) in eV from the virial or the stress of the data.

    The structure must be periodic in three directions: a stress needs a volume.
    """
    components = _floats(atoms, label, name)
    try:
        tensor = tensor_from_components(components)
    except ValueError as error:
        raise DatasetError(f"the {label.kind} {label.key!r} of {name} cannot be used: {error}") from error
    return tensor if label.kind == "virial" else virial_from_stress(tensor, atoms.cell.volume)


READERS = {"energy": energy_of, "forces": forces_of, "virial": virial_of}


def _floats(atoms: Atoms, label: LabelName, name: str) -> FloatArray:
    value = find(atoms, label.kind, label.key)
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise DatasetError(
            f"the {label.kind} {label.key!r} of {name} must consist of numbers, but is {str(value)[:40]!r}"
        )
    return array.astype(np.float64)
