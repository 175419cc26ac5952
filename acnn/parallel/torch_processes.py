"""Several processes that train one model, each on its share of every batch.

    torchrun --nproc-per-node 2 -m acnn train config.yaml

torch's DistributedDataParallel averages their gradients; gloo connects processors, nccl GPUs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from acnn.failures import Failure, print_traceback
from acnn.parallel.launchers import end_job, told_ranks


@dataclass(frozen=True)
class Processes:
    """This process among all of them."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_root(self) -> bool:
        return self.rank == 0

    def total(self, values: Tensor) -> Tensor:
        """Sum over all processes, on all of them."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

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


ALONE = Processes()


def told_processes(environment: Mapping[str, str] = os.environ) -> Processes:
    """What torchrun says in the environment; one process without it.

    Raises:
        ValueError: mpirun or srun started several processes, which would not know of one another.
    """
    rank, size, local = (environment.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if rank.isdecimal() and size.isdecimal() and "MASTER_ADDR" in environment:
        found = Processes(int(rank), int(size), int(local or 0))
    else:
        found = ALONE
    ranks = told_ranks(environment)
    if found.size == 1 and ranks > 1:
        raise ValueError(
            f"{ranks} processes were started without torchrun, and each would train the same model into the same file: "
            f"use torchrun --nproc-per-node {ranks} -m acnn train …"
        )
    return found


@contextmanager
def joined_processes(device: str) -> Iterator[Processes]:
    """The processes of this job, connected; an error on one of them stops all, with its sentence."""
    processes = told_processes()
    if processes.size == 1:
        yield ALONE
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(processes.device(device))
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield processes
    except Exception as error:
        print_traceback(error)
        failure = Failure.of(error)
        end_job(f"rank {processes.rank} stops the job: {failure.sentence}", None, failure.status)
    dist.destroy_process_group()
