"""Ranks that torch.distributed connects: gloo between processors, nccl between GPUs.

    torchrun --nproc-per-node 2 -m acnn train config.yaml

In a training torch's DistributedDataParallel averages their gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.failures import Failure, print_traceback
from acnn.parallel.launchers import end_job
from acnn.parallel.ranks import Ranks, stopped

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=365)
"""While one rank works alone, such as in a solve; torch gives up after half an hour. A rank that fails ends the job."""


@dataclass(frozen=True)
class TorchRanks(Ranks):
    """The ranks of a job of `torchrun`, connected while they are `working`.

    Attributes:
        on: the device that the user chose, "cpu" or "cuda".
    """

    on: str = "cpu"

    def gather(self, value: T) -> list[T]:
        found: list[Any] = [None] * self.size
        dist.gather_object(value, found if self.is_first else None)
        return found if self.is_first else []

    def by_first(self, function: Callable[[], T], to_send: Callable[[T], T] = lambda value: value) -> T:
        if self.is_first:
            result = function()
            dist.broadcast_object_list([to_send(result)])
            return result
        sent: list[Any] = [None]
        dist.broadcast_object_list(sent)
        return cast("T", sent[0])

    def total(self, values: Tensor) -> Tensor:
        dist.all_reduce(values)
        return values

    def wait(self) -> None:
        dist.barrier()

    def send(self, values: FloatArray, to: int) -> None:
        dist.send(torch.from_numpy(np.ascontiguousarray(values, dtype=float)), to)

    def receive(self, shape: tuple[int, ...], source: int) -> FloatArray:
        values = torch.empty(shape, dtype=torch.float64)
        dist.recv(values, source)
        return values.numpy()

    @contextmanager
    def working(self) -> Iterator[None]:
        if self.on.startswith("cuda"):
            torch.cuda.set_device(self.device(self.on))
        dist.init_process_group("nccl" if self.on.startswith("cuda") else "gloo", timeout=LONGEST_WAIT)
        try:
            yield
        except Exception as error:
            print_traceback(error)
            failure = Failure.of(error)
            end_job(stopped(self.rank, failure.sentence), None, failure.status)
        dist.destroy_process_group()
