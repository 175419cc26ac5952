"""A pool of structures in SQLite: each once, with where it came from and what it was used for."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from acnn.data.airss_res import enthalpy_of, pressure_of
from acnn.data.atoms_record import atoms_of, atoms_record

SCHEMA = """
CREATE TABLE IF NOT EXISTS structures (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    formula TEXT NOT NULL,
    atoms INTEGER NOT NULL,
    pressure REAL NOT NULL,
    enthalpy REAL,
    volume REAL,
    source TEXT NOT NULL,
    content TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS uses (
    structure INTEGER NOT NULL REFERENCES structures (id),
    purpose TEXT NOT NULL,
    time TEXT NOT NULL,
    UNIQUE (structure, purpose)
);
"""
COLUMNS = "key, name, formula, atoms, pressure, enthalpy, volume, source, content"
INSERT = f"INSERT OR IGNORE INTO structures ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
SIGNATURE = b"SQLite format 3"
RESOLUTION = 6
"""Decimals of Å, within which equal structures count as the same."""


class Statistics(NamedTuple):
    """A row of the statistics of a pool: one composition.

    Attributes:
        formula: reduced formula.
        structures: their number.
        used: how many were used for something.
        lowest: lowest enthalpy in eV per atom; None if none is known.
        pressures: the lowest and the highest, GPa.
        volume: mean volume in Å³ per atom; None without cells.
    """

    formula: str
    structures: int
    used: int
    lowest: float | None
    pressures: tuple[float, float]
    volume: float | None


class Pool:
    """A pool in a file.

    Args:
        path: the file; it is made if it does not exist.

    Raises:
        ValueError: the file is no pool.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and _beginning(path) not in (b"", SIGNATURE):
            raise ValueError(f"{path} is no pool, which is a SQLite database: choose another name")
        self._connection = sqlite3.connect(path)
        with self._sentences():
            self._connection.executescript(SCHEMA)
            names = {row[1] for row in self._connection.execute("PRAGMA table_info(structures)")}
        if not names >= {"id", *COLUMNS.split(", ")}:
            self._connection.close()
            raise ValueError(f"{path} is a database of another kind, not a pool: choose another name")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._connection.execute("SELECT COUNT(*) FROM structures").fetchone()[0])

    def add(self, structures: Iterable[Atoms], source: str) -> int:
        """Add structures that are not there yet, all or none; return how many those were.

        Args:
            source: the file they come from.
        """
        before = len(self)
        rows = [_row(atoms, source) for atoms in structures]
        with self._sentences(), self._connection:
            self._connection.executemany(INSERT, rows)
        return len(self) - before

    def merge(self, other: Path) -> int:
        """Add the structures of another pool with what they were used for; return how many were new.

        Raises:
            ValueError: the file is no pool.
        """
        if not other.is_file():
            raise ValueError(f"there is no pool {other}")
        with Pool(other) as pool:
            rows = pool._connection.execute(f"SELECT {COLUMNS} FROM structures").fetchall()
            uses = pool._connection.execute(
                "SELECT key, purpose, time FROM uses JOIN structures ON uses.structure = structures.id"
            ).fetchall()
        before = len(self)
        with self._sentences(), self._connection:
            self._connection.executemany(INSERT, rows)
            self._connection.executemany(
                "INSERT OR IGNORE INTO uses SELECT id, ?, ? FROM structures WHERE key = ?",
                [(purpose, time, key) for key, purpose, time in uses],
            )
        return len(self) - before

    @contextmanager
    def taken(self, n: int, purpose: str, formula: str | None = None) -> Iterator[list[Atoms]]:
        """Yield structures that were not used for this purpose yet, by enthalpy per atom.

        If the block ends without an error, it is noted that they are used now.

        Args:
            n: how many, at most.
            formula: reduced formula; None takes all.
        """
        with self._sentences(), self._connection:
            rows = self._connection.execute(
                "SELECT id, content FROM structures WHERE id NOT IN (SELECT structure FROM uses WHERE purpose = ?) "
                "AND (? IS NULL OR formula = ?) ORDER BY enthalpy IS NULL, enthalpy / atoms, id LIMIT ?",
                (purpose, formula, formula, n),
            ).fetchall()
            yield [atoms_of(json.loads(content)) for _, content in rows]
            now = datetime.now(timezone.utc).isoformat(timespec="seconds")
            self._connection.executemany("INSERT INTO uses VALUES (?, ?, ?)", [(row[0], purpose, now) for row in rows])

    def statistics(self) -> list[Statistics]:
        """Return the facts of each composition."""
        rows = self._connection.execute(
            "SELECT formula, COUNT(*), SUM(id IN (SELECT structure FROM uses)), MIN(enthalpy / atoms), MIN(pressure), "
            "MAX(pressure), AVG(volume / atoms) FROM structures GROUP BY formula ORDER BY formula"
        )
        return [Statistics(row[0], row[1], row[2], row[3], (row[4], row[5]), row[6]) for row in rows]

    def purposes(self) -> dict[str, int]:
        """Return what structures were used for, and how many were."""
        return dict(self._connection.execute("SELECT purpose, COUNT(*) FROM uses GROUP BY purpose ORDER BY purpose"))

    def sources(self) -> dict[str, int]:
        """Return the files that structures came from, and how many did."""
        return dict(self._connection.execute("SELECT source, COUNT(*) FROM structures GROUP BY source ORDER BY source"))

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._connection.close()
            raise ValueError(f"{self.path} cannot be used as a pool: {error}") from error


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SIGNATURE))


def _row(atoms: Atoms, source: str) -> tuple[Any, ...]:
    content = atoms_record(atoms)
    enthalpy = enthalpy_of(atoms) if atoms.cell.rank == 3 else content["results"].get("energy")
    return (
        key_of(atoms),
        str(atoms.info.get("name", "")),
        str(atoms.symbols.formula.reduce()[0]),
        len(atoms),
        pressure_of(atoms),
        enthalpy,
        float(atoms.cell.volume) if atoms.cell.rank == 3 else None,
        source,
        json.dumps(content),
    )


def key_of(atoms: Atoms) -> str:
    """Return what identifies a structure: elements, periodicity, cell and positions within the `RESOLUTION`."""
    places = (np.round(values, RESOLUTION) + 0.0 for values in (atoms.cell.array, atoms.positions))
    parts: Sequence[Any] = (atoms.numbers, atoms.pbc, *places)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
