"""What a run of hyperactive learning has done so far: one database of ASE, to which rows are only added.

Everything else follows from it and the settings, so a run that was killed continues as if it had not been.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.conventions import stress_from_virial, voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.data.labeling import Labels
from acnn.data.structures import unlabeled
from acnn.data.weights import WeightTable
from acnn.settings.base import SettingsError

Kind = Literal["isolated", "start", "labeled", "rejected", "quiet"]
"""Quiet: a run without a flag, with its last structure; rejected: a structure whose calculation is of no use."""
LAST = "last"
"""The fact that marks a rejected structure as the last that a run had to offer."""


@dataclass(frozen=True)
class Row:
    """A structure and what became of it.

    Attributes:
        iteration: 0 before the first one.
        walker: the run within the iteration, or the number among the first structures.
        facts: of the run that led to it.
    """

    kind: Kind
    iteration: int
    walker: int
    atoms: Atoms
    labels: Labels | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    def structure(self, weights: WeightTable) -> LabeledStructure:
        """Return the structure with its labels, to be fitted to."""
        assert self.labels is not None
        kind = {"isolated": "isolated_atom", "start": "start"}.get(self.kind, "hal")
        name = f"{self.kind} structure {self.walker} of iteration {self.iteration}"
        labels = self.labels
        return LabeledStructure(
            unlabeled(self.atoms), labels.energy, labels.forces, labels.virial, kind, weights.weights_of(kind), name
        )


class Store:
    """The database.

    Args:
        path: of its file.
    """

    def __init__(self, path: Path) -> None:
        from ase.db import connect

        self.path, self._db = path, connect(path, type="db")

    def add(self, row: Row) -> None:
        """Add a row; it is there completely or not at all."""
        atoms = unlabeled(row.atoms)
        data: dict[str, Any] = {"facts": row.facts}
        if row.labels is not None:
            data |= {name: getattr(row.labels, name) for name in ("energy", "forces", "virial")}
            atoms.calc = _shown(atoms, row.labels)
        self._db.write(atoms, kind=row.kind, iteration=row.iteration, walker=row.walker, data=data)

    def rows(self) -> list[Row]:
        """Return all rows, by iteration and walker."""
        try:
            found = [_row(row) for row in self._db.select(sort="id")] if self.path.is_file() else []
        except (sqlite3.DatabaseError, KeyError, AttributeError) as error:
            raise SettingsError(
                f"{self.path} is damaged, or not from acnn hal ({error}): restore a copy, or add --overwrite to start "
                "anew"
            ) from error
        return sorted(found, key=lambda row: (row.iteration, row.walker))


def _row(row: Any) -> Row:
    data, atoms = row.data, unlabeled(row.toatoms())
    labels = None
    if "forces" in data:
        virial = data["virial"]
        labels = Labels(data["energy"], np.asarray(data["forces"]), None if virial is None else np.asarray(virial))
    return Row(row.kind, row.iteration, row.walker, atoms, labels, dict(data["facts"]))


def _shown(atoms: Atoms, labels: Labels) -> SinglePointCalculator:
    """Return the labels as programs that show the database expect them."""
    found: dict[str, Any] = {"energy": labels.energy, "forces": labels.forces}
    if labels.virial is not None:
        found["stress"] = voigt_from_full(stress_from_virial(labels.virial, atoms.get_volume()))
    return SinglePointCalculator(atoms, **{name: value for name, value in found.items() if value is not None})


def require_rows_of(rows: Sequence[Row], starts: Sequence[Atoms], path: Path) -> None:
    """Require that rows belong to a run from these structures.

    Raises:
        SettingsError: they do not.
    """
    for row in rows:
        if row.kind != "start":
            continue
        own = starts[row.walker] if row.walker < len(starts) else Atoms()
        if not np.array_equal(own.numbers, row.atoms.numbers) or not np.allclose(own.positions, row.atoms.positions):
            raise SettingsError(
                f"{path} is of another run: its structure {row.walker} to start from is {row.atoms.symbols}, and not "
                "that of the settings"
            )


def ended(rows: Sequence[Row], iteration: int) -> set[int]:
    """Return the walkers of an iteration that have come to an end."""
    return {
        row.walker
        for row in rows
        if row.iteration == iteration and (row.kind in ("labeled", "quiet") or row.facts.get(LAST))
    }


def iterations_done(rows: Sequence[Row], walkers: int) -> int:
    """Return the number of iterations all of whose walkers have come to an end."""
    done = 0
    while len(ended(rows, done + 1)) >= walkers:
        done += 1
    return done
