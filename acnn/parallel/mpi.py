"""The ranks of an MPI job that work on one fit, or the one process of an ordinary run.

    mpiexec -n 8 acnn fit train.xyz -o si.acnn

Every rank makes the same calls in the same order. One thread per rank unless ``OMP_NUM_THREADS`` or
``ACNN_NUM_THREADS`` say otherwise.
"""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

import torch
from threadpoolctl import threadpool_limits

from acnn.failures import Failure, print_traceback
from acnn.parallel.launchers import FORWARDING_TIME, THREAD_VARIABLES, end_job, told_ranks

T = TypeVar("T")

POLLING_TIME = 0.05
"""Seconds between two looks of a waiting rank: MPI's own waiting would take a processor."""


@dataclass(frozen=True)
class Ranks:
    """An mpi4py communicator, or None for a process on its own."""

    comm: Any = None

    @property
    def rank(self) -> int:
        return 0 if self.comm is None else int(self.comm.Get_rank())

    @property
    def size(self) -> int:
        return 1 if self.comm is None else int(self.comm.Get_size())

    @property
    def is_root(self) -> bool:
        return self.rank == 0

    def share(self, costs: Sequence[float]) -> list[int]:
        """Indices of the work of this rank, ascending: dearest first, each to the rank with the least so far."""
        loads = [(0.0, rank) for rank in range(self.size)]
        mine = []
        for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
            load, rank = heapq.heappop(loads)
            heapq.heappush(loads, (load + costs[index], rank))
            if rank == self.rank:
                mine.append(index)
        return sorted(mine)

    def gather(self, value: T) -> list[T]:
        """The values of all ranks on rank 0, nothing elsewhere."""
        if self.comm is None:
            return [value]
        return self.comm.gather(value, root=0) or []

    def by_root(self, function: Callable[[], T], to_send: Callable[[T], T] = lambda value: value) -> T:
        """What the function returns on rank 0, on every rank; the others sleep meanwhile, their processors are its.

        Args:
            to_send: what the other ranks get of it.
        """
        if self.comm is None:
            return function()
        if self.is_root:
            with threadpool_limits(min(self.size, os.cpu_count() or 1) if not _told_threads() else None):
                result = function()
            self.wait()
            self.comm.bcast(to_send(result), root=0)
            return result
        self.wait()
        return cast(T, self.comm.bcast(None, root=0))

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.comm is not None:
            request = self.comm.Ibarrier()
            while not request.Test():
                time.sleep(POLLING_TIME)

    def stop(self, failure: Failure) -> NoReturn:
        """Print and end the job on all ranks; where all ranks fail alike, rank 0 speaks."""
        if not self.is_root:
            time.sleep(3 * FORWARDING_TIME)
        end_job(f"rank {self.rank} stops the job: {failure.sentence}", self.comm, failure.status)

    @contextmanager
    def working(self) -> Iterator[None]:
        """An error on one rank stops all; threads are kept to one per rank."""
        if self.comm is None:
            yield
            return
        threads = torch.get_num_threads()
        if not _told_threads():
            torch.set_num_threads(1)
        try:
            with threadpool_limits(None if _told_threads() else 1):
                yield
        except Exception as error:
            print_traceback(error)
            self.stop(Failure.of(error))
        finally:
            torch.set_num_threads(threads)


ALONE = Ranks()


def _told_threads() -> bool:
    return any(os.environ.get(name) for name in THREAD_VARIABLES)


def job_ranks() -> Ranks:
    """The ranks of this job as its launcher says: `mpiexec`, `srun`, or none.

    Raises:
        ImportError: several processes run, and mpi4py is not there or has another MPI library than the launcher.
    """
    told = told_ranks()
    if told == 1:
        return ALONE
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"{told} processes of one job run, and mpi4py cannot be used ({error}): pip install mpi4py mpich"
        ) from error
    seen = MPI.COMM_WORLD.Get_size()
    if seen != told:
        raise ImportError(
            f"the launcher started {told} processes, and mpi4py sees {seen}: they belong to different MPI libraries; "
            f"use the mpiexec of mpi4py's, {MPI.Get_library_version().splitlines()[0][:60]}"
        )
    return Ranks(MPI.COMM_WORLD)
