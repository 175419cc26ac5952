"""The processes that work on one fit or one training: their common operations, whatever connects them.

Every rank makes the same calls in the same order. The first one reads what only one needs, prints and writes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from acnn.arrays import FloatArray

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """A single process; `acnn.parallel.mpi` and `acnn.parallel.torch_processes` connect several.

    Attributes:
        rank, size: index of this process, and number of processes.
        local_rank: index of this process among those on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process is the first one."""
        return self.rank == 0

    def share(self, costs: Sequence[float]) -> list[int]:
        """Return this rank's tasks, ascending; the costliest are assigned first, each to the least loaded rank."""
        loads = [(0.0, rank) for rank in range(self.size)]
        mine = []
        for index in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
            load, rank = heapq.heappop(loads)
            heapq.heappush(loads, (load + costs[index], rank))
            if rank == self.rank:
                mine.append(index)
        return sorted(mine)

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks on the first, an empty list elsewhere."""
        return [value]

    def by_first(self, function: Callable[[], T], to_send: Callable[[T], T] = lambda value: value) -> T:
        """Call the function on the first rank, and return its result on every rank.

        Args:
            to_send: reduces the result to what the other ranks get.
        """
        return function()

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks on all of them; the values are overwritten."""
        return values

    def wait(self) -> None:
        """Wait until all ranks have called this."""

    def send(self, values: FloatArray, to: int) -> None:
        """Send an array to another rank, which calls `receive`."""
        raise ValueError(f"there is no rank {to} to send to")

    def receive(self, shape: tuple[int, ...], source: int) -> FloatArray:
        """Return the array of this shape that another rank sends."""
        raise ValueError(f"there is no rank {source} to receive from")

    def device(self, name: str) -> torch.device:
        """Return the device of this process: with "cuda", each process of a machine has its own GPU."""
        device = torch.device(name)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"the device is {name!r}, but torch finds no GPU: choose cpu")
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise ValueError(
                f"the device is {name}, but torch finds {torch.cuda.device_count()} GPUs: cuda:0 is the first"
            )
        if device.index is not None and self.size > 1:
            raise ValueError(f"{self.size} processes cannot share {name}: choose cuda, so that each has its own GPU")
        return torch.device("cuda", self.local_rank) if name == "cuda" and self.size > 1 else device

    @contextmanager
    def working(self) -> Iterator[None]:
        """Connect the ranks during the block; an error on one of them stops all, with its message."""
        yield


ALONE = Ranks()


def stopped(rank: int, sentence: str) -> str:
    """Return the message for the failure of one of several ranks."""
    return f"rank {rank} stops the job: {sentence}"
