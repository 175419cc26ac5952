"""Factors on disk: a killed fit goes on where it was, and new structures join without assembling the old ones again.

FILE holds the triangular factor of [A | y] and the fingerprints of the structures in it. While equations are assembled,
every rank writes what it has done so far to FILE.rankN every few minutes; at the end all of it is in FILE. Each file
appears whole or not at all. Safetensors with a JSON header and a checksum, as model files.
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
from acnn.data.dataset import LabeledStructure
from acnn.files import write_atomically
from acnn.locks import locked
from acnn.parallel.mpi import Ranks
from acnn.sealed import SealError, sealed, unsealed
from acnn.solvers import StreamingQR

FORMAT_VERSION = 1
SAVE_EVERY = 300.0
"""Seconds between two checkpoints of a rank."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used, said in one sentence."""


def fingerprint(structure: LabeledStructure) -> str:
    """Of all that its equations depend on: geometry, labels and weights."""
    atoms, weights = structure.atoms, structure.weights
    parts = [atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc, structure.energy, structure.forces]
    parts += [structure.virial, (weights.energy, weights.forces, weights.virial)]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"-" if part is None else np.ascontiguousarray(part, dtype=np.float64).tobytes() + b"|")
    return digest.hexdigest()[:24]


@dataclass
class Factor:
    """A factor and what is in it.

    Attributes:
        triangle: upper triangle of the factor of [A | y], row by row.
        fingerprints: of the structures whose equations it holds; a structure may be there twice.
        model: what else the equations depend on: basis, E0, ZBL.
        identity: of the rank and run that made it.
        absorbed: identities of the parts it is the sum of.
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
        """What has been accumulated so far."""
        triangle = accumulator.triangle()
        return cls(accumulator.n_columns, triangle, accumulator.n_rows, list(fingerprints), dict(model), identity)

    def accumulator(self) -> StreamingQR:
        """One that goes on from here."""
        return StreamingQR.from_triangle(self.triangle, self.n_columns, self.n_rows)

    def write(self, path: Path) -> None:
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
        try:
            header, tensors = unsealed(load, path.read_bytes(), "acnn_factor")
            version = header.pop("format_version")
            if version != FORMAT_VERSION:
                raise CheckpointError(f"{path}: a checkpoint in format {version}, this acnn reads {FORMAT_VERSION}")
            return cls(triangle=tensors["triangle"], **header)
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{path}: not a checkpoint of acnn fit") from error
        except SealError as error:
            raise CheckpointError(f"{path}: not a checkpoint of acnn fit, or a damaged one: {error}") from error


@dataclass
class Checkpoint:
    """The checkpoint of one fit: FILE and what the ranks of an unfinished run have left beside it."""

    path: Path
    model: dict[str, Any]
    n_columns: int

    def partial(self, rank: int) -> Path:
        return self.path.with_name(f"{self.path.name}.rank{rank}")

    def held(self, ranks: Ranks) -> AbstractContextManager[None]:
        """Inside, no other fit works on it; by rank 0 for all."""
        return locked(self.path) if ranks.is_root else nullcontext()

    def collect(self) -> list[str]:
        """Put all that earlier runs have left into FILE, and return the fingerprints in it. By one rank."""
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
        """Add what this run has accumulated to FILE, and return all there is. By one rank.

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
        """After their sum has been written."""
        for path in self._partials():
            path.unlink()

    def _read(self, path: Path) -> Factor:
        factor = Factor.read(path)
        different = [key for key in self.model if factor.model.get(key) != self.model[key]]
        if different:
            raise CheckpointError(
                f"{path} was made with another {' and another '.join(different)}: its equations cannot be used, "
                "choose another --checkpoint"
            )
        return factor


def remaining(structures: Sequence[LabeledStructure], done: Sequence[str], source: str) -> list[LabeledStructure]:
    """The structures whose equations are not in a factor.

    Raises:
        CheckpointError: the factor holds structures that are not there.
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
            "what is in a factor stays in it, choose another --checkpoint"
        )
    return left


class Saver:
    """Writes a rank's part every few minutes."""

    def __init__(self, checkpoint: Checkpoint, rank: int) -> None:
        self.checkpoint, self.path = checkpoint, checkpoint.partial(rank)
        self.identity, self.fingerprints = uuid.uuid4().hex, list[str]()
        self._last = time.monotonic()

    def done(self, structure: LabeledStructure, accumulator: StreamingQR) -> None:
        """After each structure."""
        self.fingerprints.append(fingerprint(structure))
        if time.monotonic() - self._last >= SAVE_EVERY:
            Factor.of(accumulator, self.fingerprints, self.checkpoint.model, self.identity).write(self.path)
            self._last = time.monotonic()
