"""Extended XYZ: splitting a file into structures, and reading each of them through ASE."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice

from ase import Atoms
from ase.io.extxyz import read_xyz

from acnn.data.errors import DatasetError, error_sentence
from acnn.data.species import NO_SYMBOL, hydrogen_for_isotopes, unknown_species
from acnn.data.text_lines import MOST_DIGITS
from acnn.wording import shortened


def split_xyz(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield the text of each structure: number of atoms, comment, one line per atom; blank lines may separate them."""
    numbered = enumerate(lines, start=1)
    place = 0
    for number, line in numbered:
        if not line.strip():
            continue
        count = _atom_count(line, number, name, place)
        body = [text for _, text in islice(numbered, count + 1)]
        if len(body) < count + 1:
            raise DatasetError(
                f"{name} is truncated: structure #{place} (line {number}) announces {count} atoms "
                f"and the file ends after {max(len(body) - 1, 0)}"
            )
        yield "".join([line, *body])
        place += 1


def _atom_count(line: str, number: int, name: str, place: int) -> int:
    text = line.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise DatasetError(
            f"{name} is not extended XYZ, or has lost or gained a line: line {number} should be the number "
            f"of atoms of structure #{place}, but is {text[:40]!r}"
        )
    if int(text) == 0:
        raise DatasetError(f"{name} #{place} (line {number}) has no atoms: delete this structure")
    return int(text)


def parse_xyz(text: str, name: str) -> Atoms:
    """Return the structure of a text; isotopes of hydrogen become hydrogen of their mass."""
    try:
        return _read_one(text)
    except Exception as error:
        unknown = unknown_species(text)
        if unknown:
            raise DatasetError(f"{name} has the species {shortened(unknown[0], 40)!r}, {NO_SYMBOL}") from error
        known, masses = hydrogen_for_isotopes(text)
        if not masses:
            raise DatasetError(f"{name} is not a structure in extended XYZ ({error_sentence(error)})") from error
    atoms = parse_xyz(known, name)
    if not atoms.has("masses"):
        atoms.set_masses([masses.get(place, mass) for place, mass in enumerate(atoms.get_masses())])
    return atoms


def _read_one(text: str) -> Atoms:
    images: list[Atoms] = list(read_xyz(io.StringIO(text), index=slice(None)))
    return images[0]
