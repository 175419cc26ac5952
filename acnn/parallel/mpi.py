"""Ranks of an MPI job.

    mpiexec -n 8 acnn fit train.xyz -o si.acnn

Each rank has one thread, unless ``OMP_NUM_THREADS`` or ``ACNN_NUM_THREADS`` is set.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.failures import Failure, print_traceback
from acnn.parallel.launchers import FORWARDING_TIME, end_job, threads_are_set
from acnn.parallel.ranks import Ranks, stopped

T = TypeVar("T")

POLLING_TIME = 0.05
"""Seconds between polls of a waiting rank: MPI's own waiting would occupy a processor."""


@dataclass(frozen=True)
class MPIRanks(Ranks):
    """The ranks of an mpi4py communicator; see `mpi_ranks`."""

    comm: Any = None

    @classmethod
    def of(cls, comm: Any) -> MPIRanks:
        """Return all ranks of a communicator."""
        return cls(int(comm.Get_rank()), int(comm.Get_size()), comm=comm)

    def gather(self, value: T) -> list[T]:
        return self.comm.gather(value, root=0) or []

    def by_first(self, function: Callable[[], T], to_send: Callable[[T], T] = lambda value: value) -> T:
        """Run the function as `Ranks` does; the other ranks sleep, and the first may use their processors."""
        if self.is_first:
            with threadpool_limits(min(self.size, os.cpu_count() or 1) if not threads_are_set() else None):
                result = function()
            self.wait()
            self.comm.bcast(to_send(result), root=0)
            return result
        self.wait()
        return cast(T, self.comm.bcast(None, root=0))

    def total(self, values: Tensor) -> Tensor:
        found = np.ascontiguousarray(values.detach().cpu().numpy())
        summed = np.empty_like(found)
        self.comm.Allreduce(found, summed)
        return values.copy_(torch.from_numpy(summed))

    def wait(self) -> None:
        request = self.comm.Ibarrier()
        while not request.Test():
            time.sleep(POLLING_TIME)

    def send(self, values: FloatArray, to: int) -> None:
        self.comm.Send(np.ascontiguousarray(values, dtype=float), dest=to)

    def receive(self, shape: tuple[int, ...], source: int) -> FloatArray:
        values = np.empty(shape)
        self.comm.Recv(values, source=source)
        return values

    def stop(self, failure: Failure) -> NoReturn:
        """Print the failure and end the job on all ranks; if all ranks fail alike, only the first prints."""
        if not self.is_first:
            time.sleep(3 * FORWARDING_TIME)
        end_job(stopped(self.rank, failure.sentence), self.comm, failure.status)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Work as `Ranks` does, with one thread per rank."""
        threads = torch.get_num_threads()
        if not threads_are_set():
            torch.set_num_threads(1)
        try:
            with threadpool_limits(None if threads_are_set() else 1):
                yield
        except Exception as error:
            print_traceback(error)
            self.stop(Failure.of(error))
        finally:
            torch.set_num_threads(threads)


def mpi_ranks(size: int) -> MPIRanks:
    """Return the ranks of this job, whose launcher started this many.

    Raises:
        ImportError: mpi4py is not installed, or uses another MPI library than the launcher.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"this job has {size} processes, but mpi4py cannot be used ({error}): pip install mpi4py mpich"
        ) from error
    seen = MPI.COMM_WORLD.Get_size()
    if seen != size:
        raise ImportError(
            f"the launcher started {size} processes, but mpi4py sees {seen}: they use different MPI libraries; "
            f"use the mpiexec of mpi4py's library, {MPI.Get_library_version().splitlines()[0][:60]}"
        )
    return MPIRanks.of(MPI.COMM_WORLD)
