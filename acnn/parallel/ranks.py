"""The processes that work on one fit or one training: what all of them can do together, whatever connects them.

Every rank makes the same calls in the same order. The first one reads what only one needs, tells and writes.
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
    """A process on its own; `acnn.parallel.mpi` and `acnn.parallel.torch_processes` connect several.

    Attributes:
        rank, size: which of how many this process is.
        local_rank: which of those on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
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
        """The values of all ranks on the first, nothing elsewhere."""
        return [value]

    def by_first(self, function: Callable[[], T], to_send: Callable[[T], T] = lambda value: value) -> T:
        """What the function returns on the first rank, on every rank.

        Args:
            to_send: what the other ranks get of it.
        """
        return function()

    def total(self, values: Tensor) -> Tensor:
        """The sum over all ranks, on all of them; the values are overwritten."""
        return values

    def wait(self) -> None:
        """Until all ranks are here."""

    def send(self, values: FloatArray, to: int) -> None:
        """Numbers for another rank, which calls `receive`."""
        raise ValueError(f"there is no rank {to} to send to")

    def receive(self, shape: tuple[int, ...], source: int) -> FloatArray:
        """Numbers of this shape that another rank sends."""
        raise ValueError(f"there is no rank {source} to receive from")

    def device(self, name: str) -> torch.device:
        """That of this process: "cuda" is a GPU for each process of a machine."""
        device = torch.device(name)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ValueError(f"the device is {name!r}, and torch finds no GPU: choose cpu")
        if device.index is not None and device.index >= torch.cuda.device_count():
            raise ValueError(f"the device is {name}, and torch finds {torch.cuda.device_count()}: cuda:0 is the first")
        if device.index is not None and self.size > 1:
            raise ValueError(f"{self.size} processes cannot share {name}: choose cuda, and each takes a GPU of its own")
        return torch.device("cuda", self.local_rank) if name == "cuda" and self.size > 1 else device

    @contextmanager
    def working(self) -> Iterator[None]:
        """While they work: connected, and an error on one rank stops all with its sentence."""
        yield


ALONE = Ranks()


def stopped(rank: int, sentence: str) -> str:
    """What is printed where one of several ranks fails."""
    return f"rank {rank} stops the job: {sentence}"
