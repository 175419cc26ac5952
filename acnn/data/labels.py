"""Finding the energies, forces and virials of structures under the names data sets give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from acnn.conventions import tensor_from_components, virial_from_stress
from acnn.data.frames import DatasetError

KINDS = ("energy", "forces", "virial", "stress")

LABEL_KEYS: tuple[tuple[str, str], ...] = (
    ("energy", "REF_energy"),
    ("forces", "REF_forces"),
    ("virial", "REF_virial"),
    ("stress", "REF_stress"),
    ("energy", "energy"),
    ("energy", "free_energy"),
    ("forces", "forces"),
    ("stress", "stress"),
    ("energy", "dft_energy"),
    ("energy", "DFT_energy"),
    ("energy", "energy_dft"),
    ("energy", "Energy"),
    ("forces", "dft_forces"),
    ("forces", "DFT_forces"),
    ("forces", "dft_force"),
    ("forces", "forces_dft"),
    ("forces", "force"),
    ("virial", "virial"),
    ("virial", "virials"),
    ("virial", "dft_virial"),
    ("virial", "DFT_virial"),
    ("virial", "virial_dft"),
    ("stress", "dft_stress"),
    ("stress", "DFT_stress"),
    ("stress", "stress_dft"),
)
"""(kind, key) in order of precedence: the reference data first, then ASE's calculator, then other names."""

NOT_LABELS = {"numbers", "positions"}
PER_ATOM_RESULTS = {"forces", "energies", "stresses", "charges", "magmoms"}


def find(atoms: Atoms, kind: str, key: str) -> Any:
    """The value of a label, or None; in ``arrays`` (forces) or ``info``, otherwise in the calculator."""
    values = atoms.arrays if kind == "forces" else atoms.info
    value = values.get(key)
    if value is None and atoms.calc is not None:
        value = atoms.calc.results.get(key)
    return value


def choose_keys(structures: Sequence[Atoms], explicit: Mapping[str, str | None], source: str) -> dict[str, str | None]:
    """The key of each kind of label: the explicit one, otherwise the first of ``LABEL_KEYS`` that occurs.

    Virial and stress say the same, so one is taken: the explicit one, otherwise the first that occurs.
    """
    if explicit["virial"] and explicit["stress"]:
        raise DatasetError(
            f"The virial key {explicit['virial']!r} and the stress key {explicit['stress']!r} are both "
            "given: give one of them."
        )
    keys = {kind: explicit[kind] for kind in KINDS}
    for kind, key in keys.items():
        if key is not None and not _occurs(structures, kind, key):
            raise DatasetError(f"No structure of {source} has the {kind} key {key!r}: {existing_keys(structures)}.")
    for kind, key in LABEL_KEYS:
        if not _is_settled(kind, keys) and _occurs(structures, kind, key):
            keys[kind] = key
    if not any(keys.values()):
        raise DatasetError(
            f"No structure of {source} has an energy, forces, virial or stress under a known key: "
            f"{existing_keys(structures)}; name the right ones with --energy-key and --forces-key "
            "(energy_key and forces_key in a YAML file)."
        )
    return keys


def _is_settled(kind: str, keys: Mapping[str, str | None]) -> bool:
    if kind in ("virial", "stress"):
        return bool(keys["virial"] or keys["stress"])
    return keys[kind] is not None


def _occurs(structures: Iterable[Atoms], kind: str, key: str) -> bool:
    return any(find(atoms, kind, key) is not None for atoms in structures)


def existing_keys(structures: Iterable[Atoms]) -> str:
    """The keys in the data, as the end of a sentence."""
    info: set[str] = set()
    arrays: set[str] = set()
    for atoms in structures:
        results = set(atoms.calc.results if atoms.calc is not None else ())
        info |= set(atoms.info) | (results - PER_ATOM_RESULTS)
        arrays |= set(atoms.arrays) | (results & PER_ATOM_RESULTS)
    return f"it has per structure {_listed(info)}, per atom {_listed(arrays - NOT_LABELS)}"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, keys))) or "nothing"


def energy_of(atoms: Atoms, key: str | None, name: str) -> float | None:
    """Energy of the whole cell in eV, or None where the structure has none."""
    value = None if key is None else find(atoms, "energy", key)
    if value is None:
        return None
    numbers = _floats(value, "energy", key, name)
    if numbers.size != 1:
        raise DatasetError(f"The energy {key!r} of {name} has {numbers.size} numbers, it must be one.")
    return float(numbers.reshape(()))


def forces_of(atoms: Atoms, key: str | None, name: str) -> NDArray[np.float64] | None:
    """Forces (n, 3) in eV/Å, or None where the structure has none."""
    value = None if key is None else find(atoms, "forces", key)
    if value is None:
        return None
    forces = _floats(value, "forces", key, name)
    if forces.shape != (len(atoms), 3):
        raise DatasetError(f"The forces {key!r} of {name} have shape {forces.shape}, not {(len(atoms), 3)}.")
    return forces


def virial_of(atoms: Atoms, keys: Mapping[str, str | None], name: str) -> NDArray[np.float64] | None:
    """Virial (3, 3) in eV from the virial or the stress of the data, or None where the structure has none.

    Only the labels of structures periodic in three directions should be asked for: a stress needs a volume.
    """
    kind = "virial" if keys["virial"] else "stress"
    key = keys[kind]
    value = None if key is None else find(atoms, kind, key)
    if value is None:
        return None
    try:
        tensor = tensor_from_components(_floats(value, kind, key, name))
    except ValueError as error:
        raise DatasetError(f"The {kind} {key!r} of {name} cannot be used: {error}.") from error
    return tensor if kind == "virial" else virial_from_stress(tensor, atoms.cell.volume)


def _floats(value: Any, kind: str, key: str | None, name: str) -> NDArray[np.float64]:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise DatasetError(f"The {kind} {key!r} of {name} is not made of numbers, it is {str(value)[:40]!r}.")
    return array.astype(np.float64)
