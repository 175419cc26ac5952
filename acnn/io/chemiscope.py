"""Structures with properties for chemiscope, an interactive viewer of maps of structures (https://chemiscope.org).

The file is JSON: ``structures`` with Cartesian coordinates and row cell vectors in Å, ``properties`` of structures or
of atoms, ``environments`` that name the atoms, ``settings`` of what is shown first. A number that is not known is NaN,
which chemiscope reads although JSON has none.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ase import Atoms

from acnn.arrays import FloatArray

ENDINGS = (".json", ".json.gz")
DIGITS = 7


@dataclass(frozen=True)
class Column:
    """A property of all structures or of all atoms.

    Attributes:
        target: what has it.
        values: numbers or texts, in the order of the structures and of their atoms.
        units: "" without a unit.
        description: a sentence.
    """

    target: Literal["structure", "atom"]
    values: Sequence[float] | Sequence[str] | FloatArray
    units: str
    description: str

    def as_dict(self) -> dict[str, Any]:
        """Return the form in the file."""
        units = {"units": self.units} if self.units else {}
        values = [value if isinstance(value, str) else _rounded(value) for value in self.values]
        return {"target": self.target, "values": values, **units, "description": self.description}


def require_chemiscope(path: Path) -> None:
    """Require a name that chemiscope reads.

    Raises:
        ValueError: it has another extension.
    """
    if not path.name.endswith(ENDINGS):
        raise ValueError(f"{path} must be a file for chemiscope: name it .json or .json.gz")


def chemiscope_file(
    path: Path,
    name: str,
    structures: Sequence[Atoms],
    columns: Mapping[str, Column],
    cutoff: float,
    settings: Mapping[str, Any],
) -> bytes:
    """Return the content of the file, compressed if its name says so.

    Args:
        name: title of the data.
        columns: properties by name.
        cutoff: radius of the environments that are drawn around atoms, Å.
        settings: what is shown first, as chemiscope documents it.
    """
    data = {
        "meta": {"name": name},
        "structures": [_structure(atoms) for atoms in structures],
        "properties": {name: column.as_dict() for name, column in columns.items()},
        "environments": list(_environments(structures, cutoff)),
        "settings": settings,
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return gzip.compress(text, mtime=0) if path.suffix == ".gz" else text


def _structure(atoms: Atoms) -> dict[str, Any]:
    x, y, z = ([_rounded(value) for value in axis] for axis in atoms.positions.T)
    cell = {"cell": [_rounded(value) for value in atoms.cell.array.ravel()]} if atoms.cell.rank == 3 else {}
    return {"size": len(atoms), "names": list(atoms.symbols), "x": x, "y": y, "z": z, **cell}


def _environments(structures: Sequence[Atoms], cutoff: float) -> Iterator[dict[str, Any]]:
    for index, atoms in enumerate(structures):
        yield from ({"structure": index, "center": atom, "cutoff": cutoff} for atom in range(len(atoms)))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
