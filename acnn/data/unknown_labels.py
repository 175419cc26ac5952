"""Entries of a data set that look like labels, but have no known name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from acnn.data.label_names import KNOWN_KEYS, PREDICTED, LabelName
from acnn.wording import counted

NOT_LABELS = {"numbers", "positions"}
PER_ATOM_RESULTS = {"forces", "energies", "stresses", "charges", "magmoms"}

LOOKS = {
    "energy": re.compile(r"energy|toten|etot|(^|_)e(_|$)", re.I),
    "forces": re.compile(r"force|grad|(^|_)f(_|$)", re.I),
    "virial": re.compile(r"virial|stress|press|(^|_)w(_|$)", re.I),
}
OTHER_THINGS = re.compile(rf"^{PREDICTED}|weight|per_atom|std|variance|uncertain|kinetic|cutoff|fermi|max|conver", re.I)
OTHER_VECTORS = re.compile(r"mom|vel|mag|dip|spin|disp|pos|coord|image|charge|born|field|mask|fix", re.I)
OTHER_TENSORS = re.compile(r"lattice|cell|strain|polar|dielectric|quadrup|born|hessian|dipole|grid|mesh", re.I)
OPTIONS = {
    "energy": "--energy-key, eV per cell",
    "forces": "--forces-key, eV/Å",
    "virial": "--virial-key, eV, or --stress-key, eV/Å³",
}


def unknown_labels(structures: Sequence[Atoms], names: Mapping[str, Sequence[LabelName]], source: str) -> list[str]:
    """Name unused keys that look like labels, judging by name and shape, in one sentence; none if there are none.

    If a quantity has no labels at all, the shape is enough for forces, virials and stresses.
    """
    taken = KNOWN_KEYS | {name.key for of_quantity in names.values() for name in of_quantity}
    missing = {quantity for quantity, of_quantity in names.items() if not of_quantity}
    found: Counter[tuple[Any, str]] = Counter()
    for atoms in structures:
        per_atom = [(key, _is_force(str(key), value, missing) and "forces") for key, value in atoms.arrays.items()]
        of_all = [(key, _quantity(str(key), value, missing)) for key, value in atoms.info.items()]
        found.update((key, quantity) for key, quantity in per_atom + of_all if quantity and key not in taken)
    if not found:
        return []
    listed = ", ".join(f"{key} in {counted(n, 'structure')} ({OPTIONS[q]})" for (key, q), n in found.items())
    return [f"{source}: not used, although they look like labels: {listed}"]


def _is_force(key: str, value: NDArray[Any], missing: set[str]) -> bool:
    if value.shape[1:] != (3,) or value.dtype.kind != "f" or key in NOT_LABELS or OTHER_THINGS.search(key):
        return False
    return bool(LOOKS["forces"].search(key) or ("forces" in missing and not OTHER_VECTORS.search(key)))


def _quantity(key: str, value: Any, missing: set[str]) -> str | None:
    """Return the quantity of a whole structure that a value may be."""
    if OTHER_THINGS.search(key) or np.asarray(value).dtype.kind not in "iuf":
        return None
    shape = np.shape(value)
    if shape == () and LOOKS["energy"].search(key):
        return "energy"
    if shape not in ((6,), (9,), (3, 3)):
        return None
    known = LOOKS["virial"].search(key) or ("virial" in missing and not OTHER_TENSORS.search(key))
    return "virial" if known else None


def existing_keys(structures: Iterable[Atoms]) -> str:
    """List the keys in the data, as the end of a sentence."""
    info: set[str] = set()
    arrays: set[str] = set()
    for atoms in structures:
        results = set(atoms.calc.results if atoms.calc is not None else ())
        info |= set(atoms.info) | (results - PER_ATOM_RESULTS)
        arrays |= set(atoms.arrays) | (results & PER_ATOM_RESULTS)
    return f"it has {_listed(info)} per structure and {_listed(arrays - NOT_LABELS)} per atom"


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(sorted(map(str, keys))) or "nothing"
