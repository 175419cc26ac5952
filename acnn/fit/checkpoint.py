"""Factors on disk: a killed fit continues where it stopped, and new structures join without reassembling the old ones.

FILE holds the triangular factor of [A | y] and the fingerprints of the structures in it. While equations are assembled,
every rank writes its share so far to FILE.rankN every few minutes; at the end everything is in FILE. Each file is
written completely or not at all. Like model files, these are safetensors with a JSON header and a checksum.
"""

from __future__ import annotations

import glob
import hashlib
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from acnn.arrays import FloatArray
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.files import write_atomically
from acnn.locks import locked
from acnn.models.linear import LinearACE
from acnn.parallel import Ranks
from acnn.sealed import reading_checkpoint, require_version, sealed, unsealed
from acnn.solvers import StreamingQR

FORMAT_VERSION = 1
SAVE_EVERY = 300.0
"""Seconds between two checkpoints of a rank."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message is one sentence."""


def fingerprint(structure: LabeledStructure) -> str:
    """Hash everything that the equations of a structure depend on: geometry, labels and weights."""
    atoms, weights = structure.atoms, structure.weights
    parts = [atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, structure.energy, structure.forces]
    parts += [structure.virial, (weights.energy, weights.forces, weights.virial)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"-" if part is None else np.ascontiguousarray(part, dtype=np.float64).tobytes() + b"|")
    return digest.hexdigest()[:24]


@dataclass
class Factor:
    """A factor and its content.

    Attributes:
        triangle: upper triangle of the factor of [A | y], row by row.
        fingerprints: those of the structures whose equations it holds; a structure may occur twice.
        model: everything else the equations depend on: basis, E0, ZBL.
        identity: that of the rank and run that made it.
        absorbed: identities of the parts it was combined from.
    """

    n_columns: int
    triangle: FloatArray
    n_rows: int
    fingerprints: list[str]
    model: dict[str, Any]
    identity: str = ""
    absorbed: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, accumulator: StreamingQR, fingerprints: Sequence[str], model: Mapping[str, Any], identity: str = ""
    ) -> Factor:
        """Make a factor from what has been accumulated so far."""
        triangle = accumulator.triangle()
        return cls(accumulator.n_columns, triangle, accumulator.n_rows, list(fingerprints), dict(model), identity)

    def accumulator(self) -> StreamingQR:
        """Return an accumulator that continues from here."""
        return StreamingQR.from_triangle(self.triangle, self.n_columns, self.n_rows)

    def write(self, path: Path) -> None:
        """Write the factor to a file."""
        header = {
            "format_version": FORMAT_VERSION,
            "n_columns": self.n_columns,
            "n_rows": self.n_rows,
            "fingerprints": self.fingerprints,
            "model": self.model,
            "identity": self.identity,
            "absorbed": self.absorbed,
        }
        write_atomically(path, *sealed(save, {"triangle": self.triangle}, "acnn_factor", header))

    @classmethod
    def read(cls, path: Path) -> Factor:
        """Read a factor.

        Raises:
            CheckpointError: the file is not a checkpoint, or damaged.
        """
        with reading_checkpoint(path, "acnn fit", CheckpointError):
            header, tensors = unsealed(load, path.read_bytes(), "acnn_factor")
            require_version(header, FORMAT_VERSION)
            return cls(triangle=tensors["triangle"], **header)


def basis_of(path: Path | None, elements: Sequence[str]) -> BasisSpecification | None:
    """Return the basis of the equations in a checkpoint, if there is one for these elements."""
    if path is None or not path.is_file():
        return None
    found = BasisSpecification.model_validate(Factor.read(path).model["basis"])
    return found if set(found.elements) == set(elements) else None


@dataclass
class Checkpoint:
    """The checkpoint of one fit: FILE and the files that the ranks of an unfinished run left beside it."""

    path: Path
    model: dict[str, Any]
    n_columns: int

    def partial(self, rank: int) -> Path:
        """Return the file of one rank."""
        return self.path.with_name(f"{self.path.name}.rank{rank}")

    def held(self, ranks: Ranks) -> AbstractContextManager[None]:
        """Lock the checkpoint for this fit; rank 0 does so for all ranks."""
        return locked(self.path) if ranks.is_first else nullcontext()

    def collect(self) -> list[str]:
        """Merge what earlier runs left into FILE, and return the fingerprints in it; called on one rank."""
        whole = self._whole()
        parts = [factor for factor in map(self._read, self._partials()) if factor.identity not in whole.absorbed]
        if parts:
            total = whole.accumulator()
            for part in parts:
                total.combine(part.accumulator())
            self._write(whole, total, [(part.identity, part.fingerprints) for part in parts])
        self._forget_partials()
        return whole.fingerprints

    def finish(self, accumulator: StreamingQR, parts: Sequence[tuple[str, list[str]]]) -> StreamingQR:
        """Add what this run has accumulated to FILE, and return the total; called on one rank.

        Args:
            parts: identity and fingerprints of each rank.
        """
        whole = self._whole()
        total = whole.accumulator()
        total.combine(accumulator)
        self._write(whole, total, parts)
        self._forget_partials()
        return total

    def _write(self, whole: Factor, total: StreamingQR, parts: Sequence[tuple[str, list[str]]]) -> None:
        whole.triangle, whole.n_rows = total.triangle(), total.n_rows
        whole.fingerprints += [name for _, fingerprints in parts for name in fingerprints]
        whole.absorbed = [identity for identity, _ in parts]
        whole.write(self.path)

    def _whole(self) -> Factor:
        if self.path.is_file():
            return self._read(self.path)
        return Factor.of(StreamingQR(self.n_columns), [], self.model)

    def _partials(self) -> list[Path]:
        return sorted(self.path.parent.glob(f"{glob.escape(self.path.name)}.rank*"))

    def _forget_partials(self) -> None:
        """Remove the files of the ranks, once their sum has been written."""
        for path in self._partials():
            path.unlink()

    def _read(self, path: Path) -> Factor:
        factor = Factor.read(path)
        different = [key for key in self.model if factor.model.get(key) != self.model[key]]
        if different:
            raise CheckpointError(
                f"{path} was made with another {' and another '.join(different)}, so its equations cannot be used: "
                "use a new --checkpoint"
            )
        return factor


def remaining(structures: Sequence[LabeledStructure], done: Sequence[str], source: str) -> list[LabeledStructure]:
    """Return the structures whose equations are not in a factor.

    Raises:
        CheckpointError: the factor holds structures that are not given.
    """
    counts = Counter(done)
    left = []
    for structure in structures:
        name = fingerprint(structure)
        if counts[name] > 0:
            counts[name] -= 1
        else:
            left.append(structure)
    if foreign := counts.total():
        raise CheckpointError(
            f"{source} holds equations of {foreign} structures that are not in the data, or had other weights: "
            "structures cannot be removed from a checkpoint, use a new --checkpoint"
        )
    return left


class Saver:
    """Saves the share of a rank every few minutes."""

    def __init__(self, checkpoint: Checkpoint, rank: int) -> None:
        self.checkpoint, self.path = checkpoint, checkpoint.partial(rank)
        self.identity, self.fingerprints = uuid.uuid4().hex, list[str]()
        self._last = time.monotonic()

    def done(self, structure: LabeledStructure, accumulator: StreamingQR) -> None:
        """Record a structure that has been accumulated, and save if it is time."""
        self.fingerprints.append(fingerprint(structure))
        if time.monotonic() - self._last >= SAVE_EVERY:
            Factor.of(accumulator, self.fingerprints, self.checkpoint.model, self.identity).write(self.path)
            self._last = time.monotonic()


def checkpoint_of(path: Path | None, model: LinearACE, n_columns: int) -> Checkpoint | None:
    """Return the checkpoint of the equations of a model's fit, if there is a file for it."""
    if path is None:
        return None
    fixed = {
        "basis": model.basis.specification.model_dump(mode="json"),
        "E0": model.e0.energies,
        "zbl": model.zbl is not None,
    }
    return Checkpoint(path, fixed, n_columns)
