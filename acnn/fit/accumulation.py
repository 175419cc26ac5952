"""From structures to the triangular factor of all equations, in one process or on the ranks of an MPI job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from acnn.data.dataset import LabeledStructure
from acnn.fit.assembly import Assembler
from acnn.fit.checkpoint import Checkpoint, Saver, remaining
from acnn.parallel import Ranks
from acnn.solvers import StreamingQR


def accumulate(
    assemble: Assembler,
    structures: Sequence[LabeledStructure],
    ranks: Ranks,
    checkpoint: Checkpoint | None,
    advance: Callable[[], None],
) -> StreamingQR:
    """Accumulate the equations of all structures on rank 0; other ranks return parts of them.

    Every rank assembles and factors its share; the factors are combined two by two (TSQR). With a checkpoint, only
    structures that it does not contain are assembled.

    Args:
        advance: called once for each structure; in an MPI job, rank 0 extrapolates from its share.
    """
    done = ranks.by_first(checkpoint.collect) if checkpoint else []
    left = remaining(structures, done, str(checkpoint.path)) if checkpoint else list(structures)
    mine = [left[index] for index in ranks.share([len(structure) for structure in left])]
    saver = Saver(checkpoint, ranks.rank) if checkpoint else None
    progress = _Progress(len(structures), len(left), len(mine), advance)
    accumulator = StreamingQR(assemble.n_columns)
    rows = assemble.each(mine)
    for structure in mine:
        try:
            accumulator.add(*next(rows))
        except ValueError as error:
            raise ValueError(f"{structure.name}: {error}") from error
        if saver:
            saver.done(structure, accumulator)
        progress.one_more()
    total = combined(ranks, accumulator)
    if checkpoint and saver:
        parts = ranks.gather((saver.identity, saver.fingerprints))
        if ranks.is_first:
            total = checkpoint.finish(total, parts)
        ranks.wait()
    return total


class _Progress:
    """Number of structures done in all, estimated from those of one rank."""

    def __init__(self, total: int, left: int, mine: int, advance: Callable[[], None]) -> None:
        self._shown, self._advance = 0, advance
        self._step, self._count = left / max(mine, 1), float(total - left)
        self._show()

    def one_more(self) -> None:
        self._count += self._step
        self._show()

    def _show(self) -> None:
        while self._shown < round(self._count):
            self._shown += 1
            self._advance()


def combined(ranks: Ranks, accumulator: StreamingQR) -> StreamingQR:
    """Combine the rows of all ranks on rank 0.

    In log2(size) rounds, the upper half of each group of ranks sends to the lower half.
    """
    step = 1
    while step < ranks.size:
        if ranks.rank % (2 * step) == step:
            _send(ranks, accumulator, ranks.rank - step)
            break
        if ranks.rank + step < ranks.size:
            accumulator.combine(_receive(ranks, accumulator.n_columns, ranks.rank + step))
        step *= 2
    return accumulator


def _send(ranks: Ranks, accumulator: StreamingQR, to: int) -> None:
    ranks.send(np.array([accumulator.n_rows]), to)
    ranks.send(accumulator.triangle(), to)


def _receive(ranks: Ranks, n_columns: int, source: int) -> StreamingQR:
    (n_rows,) = ranks.receive((1,), source)
    triangle = ranks.receive(((n_columns + 1) * (n_columns + 2) // 2,), source)
    return StreamingQR.from_triangle(triangle, n_columns, int(n_rows))


def together(factors: Mapping[int, StreamingQR], subset: Sequence[int]) -> StreamingQR:
    """Combine the rows of the parts of a subset and of part -1; the factors are not changed."""
    members = [factors[part] for part in (-1, *subset) if part in factors]
    total = StreamingQR(members[0].n_columns)
    for member in members:
        total.combine(member)
    return total
