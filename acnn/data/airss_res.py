"""Structures in SHELX form as AIRSS writes them (``.res``), one or many in a file.

The form::

    TITL name pressure volume enthalpy spin modspin n (symmetry) n - copies
    REM any text
    CELL 1.54180 a b c α β γ
    LATT -1
    SFAC B H
    B 1 x y z occupancy [spin]
    END

Pressure P in GPa, volume V in Å³, enthalpy H in eV, lengths in Å, angles in degrees, fractional coordinates. The energy
of a structure is E = H − P V with the volume of its cell. Where the title holds an internal energy instead, as in some
data sets, that is what the key ``enthalpy`` names. ``atoms.info`` has name, pressure, enthalpy, magnetization,
absolute_magnetization, spacegroup, times_found, and the lines REM as a list, rem, as far as the file has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.geometry import cell_to_cellpar, cellpar_to_cell
from ase.units import GPa

from acnn.arrays import FloatArray
from acnn.data.text_lines import element_of, lines_of, numbers

TITLE = re.compile(r"(?P<head>.*?)(?:\s+\((?P<spacegroup>[^)]*)\))?(?:\s+n\s+-\s+(?P<times_found>\d+))?")
NUMBERS_OF_TITLE = ("pressure", "volume", "enthalpy", "magnetization", "absolute_magnetization", "n")
LINE = re.compile(r"\s*(\S+)[ \t]?(.*)")
KEY_AND_VALUE = re.compile(r"(\w+)=(.*?)(?=\s+\w+=|$)")
FLAT = 1e-9
"""Squared volume of a cell of unit lengths that is none."""
UNKNOWN = ("n/a", "None")
WAVELENGTH = 1.54180
"""Å, of the X-rays that SHELX was written for; means nothing here."""
WITHOUT_MEANING = {"ZERR", "UNIT", "TEMP", "FVAR", "WGHT", "HKLF", "L.S.", "BOND", "FMAP", "PLAN", "LIST", "SIZE"}
"""Instructions of SHELX that say nothing about the structure."""


@dataclass
class Block:
    """The lines of one structure, with their numbers where errors need them."""

    line: int
    title: str
    rem: list[str] = field(default_factory=list)
    cell: list[float] | None = None
    elements: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Where the structure is, for errors."""
        return f"line {self.line} ({self.title.split(maxsplit=1)[0] if self.title.strip() else 'without a name'})"


def read_airss_res(file: str | IO[str], index: slice | int = slice(None)) -> list[Atoms]:
    """Read the structures of a text or an open file.

    Raises:
        ValueError: the file is not as above; the sentence has the line.
    """
    blocks = list(_blocks(lines_of(file)))
    chosen = blocks[index]
    return [_atoms(block) for block in (chosen if isinstance(chosen, list) else [chosen])]


def write_airss_res(file: IO[str], images: Atoms | Sequence[Atoms]) -> None:
    """Write structures that are periodic in three directions, one after the other.

    The enthalpy is that of `enthalpy_of`, or n/a without an energy. A left-handed cell becomes right-handed: a mirror
    image.

    Raises:
        ValueError: a structure is not periodic in three directions, or its name has blanks.
    """
    for place, atoms in enumerate([images] if isinstance(images, Atoms) else images, start=1):
        file.write(_text(atoms, place))


def enthalpy_of(atoms: Atoms) -> float | None:
    """Return H = E + P V in eV, or None without an energy E of a calculator; P is ``info["pressure"]`` in GPa, or 0."""
    energy = atoms.calc.results.get("energy") if atoms.calc is not None else None
    return None if energy is None else float(energy) + pressure_of(atoms) * GPa * atoms.get_volume()


def pressure_of(atoms: Atoms) -> float:
    """Return ``info["pressure"]`` in GPa, or 0."""
    return float(atoms.info.get("pressure", 0.0))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    block: Block | None = None
    for number, line in enumerate(lines, start=1):
        found = LINE.match(line)
        word, rest = (found[1], found[2]) if found else ("", "")
        if not word or word[0] in "#!" or (word.upper() == "REM" and block is None):
            continue
        if block is None:
            block = _begun(word, rest, number)
        elif word.upper() == "TITL":
            raise ValueError(f"{block.place}: the structure has no END before the next TITL in line {number}")
        elif word.upper() == "END":
            yield block
            block = None
        else:
            _take(block, word, rest, f"line {number}")
    if block is not None:
        raise ValueError(f"{block.place}: the structure has no END: the file is truncated")


def _begun(word: str, rest: str, number: int) -> Block:
    if word.upper() != "TITL":
        raise ValueError(f"line {number}: a structure begins with TITL, not with {f'{word} {rest}'.strip()[:40]!r}")
    return Block(number, rest.strip())


def _take(block: Block, label: str, rest: str, place: str) -> None:
    """Add a line to a structure."""
    word, fields = label.upper(), rest.split("!")[0].split()
    if word == "REM":
        block.rem.append(rest.rstrip())
    elif word == "CELL":
        block.cell = numbers(fields[1:], 6, "a, b, c, α, β, γ after the wavelength of CELL", place)
    elif word == "SFAC":
        block.elements += [element_of(symbol, place) for symbol in fields]
    elif word == "SYMM" or (word == "LATT" and fields[:1] != ["-1"]):
        raise ValueError(f"{place}: {word} {' '.join(fields)} makes copies of atoms: write all of them, with LATT -1")
    elif word not in WITHOUT_MEANING and word != "LATT":
        _take_atom(block, label, fields, place)


def _take_atom(block: Block, label: str, fields: list[str], place: str) -> None:
    kind, *rest = fields or [""]
    if not (kind.isdigit() and 0 < int(kind) <= len(block.elements)):
        raise ValueError(f"{place}: {label[:20]} needs the place of its element in SFAC, not {kind[:20]!r}")
    row = numbers(rest, min(max(len(rest), 3), 5), "fractional coordinates, occupancy and spin", place)
    if row[3:4] not in ([], [1.0], [11.0]):
        raise ValueError(f"{place}: the atom has an occupancy of {row[3]:g}: only 1 can be calculated")
    block.numbers.append(block.elements[int(kind) - 1])
    block.rows.append([*row[:3], row[4] if len(row) > 4 else 0.0])


def _atoms(block: Block) -> Atoms:
    if block.cell is None:
        raise ValueError(f"{block.place}: the structure has no CELL")
    if not block.rows:
        raise ValueError(f"{block.place}: the structure has no {'atoms' if block.elements else 'SFAC'}")
    title = _title(block)
    if (n := title.pop("n", None)) is not None and n != len(block.rows):
        raise ValueError(f"{block.place}: the title has {n:.0f} atoms, the structure {len(block.rows)}")
    rows = np.array(block.rows)
    atoms = Atoms(block.numbers, scaled_positions=rows[:, :3], cell=_cell(block), pbc=True)
    if rows[:, 3].any():
        atoms.set_initial_magnetic_moments(rows[:, 3])
    energy = title.pop("energy", None)
    if energy is None and "enthalpy" in title:
        energy = title["enthalpy"] - title.get("pressure", 0.0) * GPa * atoms.get_volume()
    if energy is not None:
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
    atoms.info.update(title, **({"rem": block.rem} if block.rem else {}))
    return atoms


def _cell(block: Block) -> FloatArray:
    assert block.cell is not None
    lengths, cosines = np.array(block.cell[:3]), np.cos(np.radians(block.cell[3:]))
    if not ((lengths > 0).all() and 1 + 2 * cosines.prod() - (cosines**2).sum() > FLAT):
        raise ValueError(f"{block.place}: CELL {' '.join(f'{x:g}' for x in block.cell)} has no volume")
    return np.asarray(cellpar_to_cell(block.cell))


def _title(block: Block) -> dict[str, Any]:
    """Return what the title has; of ASE's writer (``energy=…``), the energy itself."""
    if re.match(r"\w+=", block.title):
        return _title_of_ase(block)
    found = TITLE.fullmatch(block.title)
    assert found is not None  # head takes any text
    name, *fields = found["head"].split() or [""]
    known = [(key, text) for key, text in zip(NUMBERS_OF_TITLE, fields, strict=False) if text not in UNKNOWN]
    values = numbers([text for _, text in known], len(known), "what follows the name in TITL", block.place)
    title: dict[str, Any] = dict(zip([key for key, _ in known], values, strict=True))
    title.pop("volume", None)
    return title | _words({"name": name, "spacegroup": found["spacegroup"], "times_found": found["times_found"]})


def _title_of_ase(block: Block) -> dict[str, Any]:
    pairs = {key: value.strip() for key, value in KEY_AND_VALUE.findall(block.title) if value.strip() not in UNKNOWN}
    known = [key for key in ("pressure", "energy") if key in pairs]
    values = numbers([pairs[key] for key in known], len(known), f"{' and '.join(known)} in TITL", block.place)
    return dict(zip(known, values, strict=True)) | _words(
        {k: pairs.get(k) for k in ("name", "spacegroup", "times_found")}
    )


def _words(words: dict[str, str | None]) -> dict[str, Any]:
    known = {key: word for key, word in words.items() if word and word not in UNKNOWN}
    return {key: int(word) if key == "times_found" and word.isdigit() else word for key, word in known.items()}


def _text(atoms: Atoms, place: int) -> str:
    if not atoms.pbc.all():
        raise ValueError(f"structure {place} is not periodic in three directions: write extended XYZ, not .res")
    species = list(dict.fromkeys(atoms.symbols))
    lengths = " ".join(f"{value:.10f}" for value in cell_to_cellpar(atoms.cell))
    rem = [f"REM {line}".rstrip() for line in atoms.info.get("rem", ())]
    head = [f"TITL {_title_text(atoms, place)}", *rem, f"CELL {WAVELENGTH:.5f} {lengths}", "LATT -1"]
    return "\n".join([*head, f"SFAC {' '.join(species)}", *_atom_lines(atoms, species), "END", ""])


def _title_text(atoms: Atoms, place: int) -> str:
    info = atoms.info
    name = str(info.get("name", f"{atoms.get_chemical_formula()}-{place}"))
    group = info.get("spacegroup", "n/a")
    group = "".join(str(getattr(group, "symbol", group)).split())
    if not name or name.split() != [name]:
        raise ValueError(f'structure {place} has the name {name!r}: a name in .res has no blanks: change info["name"]')
    enthalpy = enthalpy_of(atoms)
    energy = "n/a" if enthalpy is None else f"{enthalpy:.10f}"
    spins = f"{float(info.get('magnetization', 0)):.10g} {float(info.get('absolute_magnetization', 0)):.10g}"
    state = f"{pressure_of(atoms):.10g} {atoms.get_volume():.6f} {energy} {spins}"
    return f"{name} {state} {len(atoms)} ({group}) n - {info.get('times_found', 1)}"


def _atom_lines(atoms: Atoms, species: Sequence[str]) -> list[str]:
    spins = atoms.get_initial_magnetic_moments()
    ends = [f" {spin:.6f}" for spin in spins] if spins.ndim == 1 and spins.any() else [""] * len(atoms)
    fractions = atoms.get_scaled_positions(wrap=False)
    return [
        f"{symbol:<6} {species.index(symbol) + 1:2d} {x:.13f} {y:.13f} {z:.13f} 1.0{end}"
        for symbol, (x, y, z), end in zip(atoms.symbols, fractions, ends, strict=True)
    ]
