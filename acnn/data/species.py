"""Species in extended XYZ that ASE does not know: isotopes of hydrogen, and words that are not chemical symbols."""

from __future__ import annotations

import re

from ase.data import atomic_numbers

ISOTOPES = {"D": 2.0141, "T": 3.0160}
"""Masses of isotopes of hydrogen, amu; to electrons they are hydrogen."""
NO_SYMBOL = "which is not a chemical symbol: write the element (atomic numbers need a column Z:I:1, not species:S:1)"


def unknown_species(text: str) -> list[str]:
    """Return the entries of the species column of one structure that are not chemical symbols."""
    return [species for species in _species(text) if species not in atomic_numbers and species not in ISOTOPES]


def hydrogen_for_isotopes(text: str) -> tuple[str, dict[int, float]]:
    """Return the text with H for D and T, and the masses (amu) of these atoms by index."""
    column, species = _column(text), _species(text)
    masses = {place: ISOTOPES[symbol] for place, symbol in enumerate(species) if symbol in ISOTOPES}
    lines = text.split("\n")
    for place in masses:
        lines[place + 2] = re.sub(rf"^(\s*(?:\S+\s+){{{column}}})\S+", r"\1H", lines[place + 2])
    return "\n".join(lines), masses


def _species(text: str) -> list[str]:
    column = _column(text)
    rows = [line.split() for line in text.split("\n")[2:] if line.strip()]
    return [row[column] for row in rows if len(row) > column] if column is not None else []


def _column(text: str) -> int | None:
    """Return the column of the chemical symbols; None if the file gives atomic numbers."""
    found = re.search(r"Properties=['\"]?([^\s'\"]+)", text.split("\n")[1], re.IGNORECASE)
    if found is None:
        return 0
    fields = found.group(1).split(":")
    column = 0
    for name, count in zip(fields[::3], fields[2::3], strict=False):
        if name == "species":
            return column
        column += int(count) if count.isdigit() else 1
    return None
