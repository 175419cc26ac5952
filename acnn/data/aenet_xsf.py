"""Structures with labels in XSF as aenet and ACNN write them, one or many in a file.

The form::

    # total energy = -19074.58973157 eV
    VIRIAL
      xx xy xz yx yy yz zx zy zz
    CRYSTAL
    PRIMVEC
      three cell vectors
    PRIMCOORD
      n 1
      Ti x y z fx fy fz

Å, eV, forces in eV/Å, virial W = −dE/dε in eV. Molecules have ATOMS and a line per atom instead of what begins with
CRYSTAL; SLAB and POLYMER are periodic in two directions and one. Energy and virial come before the coordinates to which
they belong. Structures follow one another, also as the steps of ANIMSTEPS, which may share one cell.

XCrySDen's own files have forces in hartree/Å and no energies: ASE's format ``xsf`` reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.conventions import stress_from_virial, tensor_from_components, virial_from_stress
from acnn.data.text_lines import count_of, element_of, lines_of, numbers

PERIODIC = {"CRYSTAL": (True, True, True), "SLAB": (True, True, False), "POLYMER": (True, False, False)}
ENERGY = re.compile(r"#\s*total\s+energy\s*[=:]\s*(\S+)\s*(\S*)", re.IGNORECASE)
VECTORS = ("PRIMVEC", "CONVVEC")
WORDS = (*PERIODIC, *VECTORS, "PRIMCOORD", "ATOMS", "MOLECULE", "ANIMSTEPS", "VIRIAL", "BEGIN_BLOCK")


def has_total_energy(text: str) -> bool:
    """Return whether a text is of this form, not XCrySDen's own."""
    return re.search(rf"^\s*{ENERGY.pattern}", text, re.IGNORECASE | re.MULTILINE) is not None


def read_acnn_xsf(file: str | IO[str], index: slice | int = slice(None)) -> list[Atoms]:
    """Read the structures of a text or an open file.

    Raises:
        ValueError: the file is not as above; the sentence has the line.
    """
    structures = _Reader(lines_of(file)).read()
    chosen = structures[index]
    return chosen if isinstance(chosen, list) else [chosen]


def write_acnn_xsf(file: IO[str], images: Atoms | Sequence[Atoms]) -> None:
    """Write structures with energy, forces and virial of their calculators, one after the other.

    Raises:
        ValueError: a structure has forces and no energy, or is periodic in directions that XSF does not have.
    """
    for place, atoms in enumerate([images] if isinstance(images, Atoms) else images, start=1):
        file.write("\n".join([*_head(atoms, place), *_atom_lines(atoms), ""]))


class _Reader:
    """What has been read of a file: the cell, and the labels of the structure that comes next."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.line = 0  # 0-based, of the next
        self.pbc: tuple[bool, bool, bool] = (False, False, False)
        self.cell: list[list[float]] | None = None
        self.energy: float | None = None
        self.virial: list[float] | None = None
        self.steps: int | None = None
        self.labeled = False
        self.structures: list[Atoms] = []

    @property
    def place(self) -> str:
        """The line that was read last, for errors."""
        return f"line {self.line}"

    def read(self) -> list[Atoms]:
        """Read all lines."""
        while (fields := self._next()) is not None:
            self._take(fields)
        if self.energy is not None or self.virial is not None:
            raise ValueError(f"{self.place}: no coordinates follow the last energy or virial: the file is truncated")
        if self.steps not in (None, len(self.structures)):
            raise ValueError(f"ANIMSTEPS announces {self.steps} structures, the file has {len(self.structures)}")
        if not self.labeled and any(atoms.calc is not None for atoms in self.structures):
            raise ValueError(
                "there are forces, but no '# total energy = … eV': XCrySDen's own files have hartree/Å, read them with "
                "ASE's format xsf"
            )
        return self.structures

    def _next(self) -> list[str] | None:
        """Return the fields of the next line that has any, or None at the end; take the energies of comments."""
        while self.line < len(self.lines):
            self.line += 1
            text = self.lines[self.line - 1].strip()
            if found := ENERGY.match(text):
                self._take_energy(*found.groups())
            elif fields := text.split("#")[0].split():
                return fields
        return None

    def _required(self, what: str) -> list[str]:
        fields = self._next()
        if fields is None:
            raise ValueError(f"line {self.line}: the file ends where {what} should follow")
        return fields

    def _take_energy(self, value: str, unit: str) -> None:
        if unit.rstrip(".,;").lower() not in ("ev", ""):
            raise ValueError(f"{self.place}: the total energy is in {unit}: only eV is read")
        self.energy = numbers([value], 1, "the total energy", self.place)[0]
        self.labeled = True

    def _take(self, fields: list[str]) -> None:
        word = fields[0].upper()
        if word in PERIODIC:
            self.pbc, self.cell = PERIODIC[word], None
        elif word in VECTORS:
            vectors = [numbers(self._required(f"a vector of {word}"), 3, word, self.place) for _ in range(3)]
            self.cell = vectors if word == "PRIMVEC" else self.cell
        elif word == "VIRIAL":
            self._take_virial(fields[1:])
        elif word == "PRIMCOORD":
            self._take_crystal()
        elif word == "ATOMS":
            self._take_molecule()
        elif word == "ANIMSTEPS":
            self.steps = count_of(fields[1:], "the number after ANIMSTEPS", self.place)
        elif word.startswith("BEGIN_BLOCK"):
            self._skip(word.replace("BEGIN", "END"))
        elif word != "MOLECULE":
            raise ValueError(f"{self.place}: {' '.join(fields)[:40]!r} is none of the words of XSF")

    def _take_virial(self, fields: list[str]) -> None:
        while len(fields) < 9:
            fields = [*fields, *self._required("the nine numbers of VIRIAL")]
        self.virial, self.labeled = numbers(fields, 9, "VIRIAL", self.place), True
        if len(fields) > 9:
            raise ValueError(f"{self.place}: VIRIAL has {len(fields)} numbers, not nine")

    def _take_crystal(self) -> None:
        if self.cell is None or not any(self.pbc):
            missing = "PRIMVEC" if self.cell is None else "CRYSTAL, SLAB or POLYMER"
            raise ValueError(f"{self.place}: PRIMCOORD without {missing} before it")
        if all(self.pbc) and not abs(np.linalg.det(self.cell)) > 0:
            raise ValueError(f"{self.place}: the vectors of PRIMVEC have no volume: {self.cell}")
        count = count_of(self._required("the number of atoms"), "the number of atoms", self.place)
        self._add([self._required(f"{count} atoms of PRIMCOORD") for _ in range(count)])

    def _take_molecule(self) -> None:
        self.pbc, self.cell, rows = (False, False, False), None, []
        for text in self.lines[self.line :]:
            fields = text.split("#")[0].split()
            if ENERGY.match(text.strip()) or (fields and fields[0].upper().startswith(WORDS)):
                break
            rows += [fields] if fields else []
            self.line += 1
        self._add(rows)

    def _skip(self, end: str) -> None:
        while self._required(end)[0].upper() != end:
            pass

    def _add(self, rows: Sequence[list[str]]) -> None:
        """Add a structure, which takes the labels before it."""
        columns = {len(row) - 1 for row in rows}
        if columns not in ({3}, {6}):
            found = ", ".join(map(str, sorted(columns))) or "no atoms"
            raise ValueError(f"{self.place}: each atom has 3 numbers, or 6 with forces, but those before have {found}")
        values = np.array([numbers(row[1:], len(row) - 1, "coordinates and forces", self.place) for row in rows])
        elements = [element_of(row[0], self.place) for row in rows]
        atoms = Atoms(elements, positions=values[:, :3], cell=self.cell, pbc=self.pbc)
        self._label(atoms, values[:, 3:])
        self.structures.append(atoms)

    def _label(self, atoms: Atoms, forces: Any) -> None:
        labels: dict[str, Any] = {"energy": self.energy, "forces": forces if forces.size else None}
        if self.virial is not None:
            tensor = tensor_from_components(self.virial)
            if atoms.pbc.all():
                labels["stress"] = stress_from_virial(tensor, atoms.get_volume())
            else:
                atoms.info["virial"] = tensor
        known = {key: value for key, value in labels.items() if value is not None}
        if known:
            atoms.calc = SinglePointCalculator(atoms, **known)
        self.energy = self.virial = None


def _head(atoms: Atoms, place: int) -> Iterable[str]:
    results = atoms.calc.results if atoms.calc is not None else {}
    periodic = next((word for word, pbc in PERIODIC.items() if pbc == tuple(atoms.pbc)), None)
    if periodic is None and atoms.pbc.any():
        raise ValueError(f"structure {place} is periodic along other cell vectors than XSF knows: 1, 1 and 2, or all")
    if "energy" in results:
        yield from (f"# total energy = {float(results['energy']):.10f} eV", "")
    elif "forces" in results:
        raise ValueError(f"structure {place} has forces without an energy, from which XSF shows that they are in eV/Å")
    if "stress" in results and atoms.pbc.all():
        virial = virial_from_stress(tensor_from_components(results["stress"]), atoms.get_volume())
        yield from ("VIRIAL", *_rows(virial))
    if periodic is None:
        yield "ATOMS"
    else:
        yield from (periodic, "PRIMVEC", *_rows(atoms.cell.array), "PRIMCOORD", f"{len(atoms)} 1")


def _rows(array: Any) -> list[str]:
    return [" ".join(f"{value:18.10f}" for value in row) for row in np.asarray(array).reshape(-1, 3)]


def _atom_lines(atoms: Atoms) -> list[str]:
    forces = atoms.calc.results.get("forces") if atoms.calc is not None else None
    values = atoms.positions if forces is None else np.hstack([atoms.positions, forces])
    rows = ["".join(f" {value:17.10f}" for value in row) for row in values]
    return [f"{symbol:<2}{row}" for symbol, row in zip(atoms.symbols, rows, strict=True)]
