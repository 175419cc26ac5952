"""Parallel jobs: environment variables set by the programs that start them, and how to end such a job."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

MPI_VARIABLES = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}
"""Variables of `mpiexec` and `srun`: the number of processes, and the index of this one."""

THREAD_VARIABLES = ("ACNN_NUM_THREADS", "OMP_NUM_THREADS")
"""Variables with which users set the number of threads of a process."""

FORWARDING_TIME = 1.0
"""Seconds for the launcher to forward a rank's last output, which it may drop once the job is ending."""


class Place(NamedTuple):
    """The index of this process and the number of processes; ``local_rank`` is the index on this machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0


def mpi_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the place given by `mpiexec` or `srun`; without them, the only one."""
    found = [_number(environment, rank, size) for size, rank in MPI_VARIABLES.items()]
    return max(found, key=lambda place: place.size)


def torchrun_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the place given by `torchrun`; without it, the only one."""
    if "MASTER_ADDR" not in environment or "RANK" not in environment:
        return Place()
    return _number(environment, "RANK", "WORLD_SIZE", "LOCAL_RANK")


def _number(environment: Mapping[str, str], *names: str) -> Place:
    """Return the place in the variables with these names: rank, size and, if there is one, local rank."""
    texts = [environment.get(name, "") for name in names]
    rank, size, *local = (int(text) if text.isdecimal() else None for text in texts)
    return Place(rank or 0, size, *(number or 0 for number in local)) if size else Place()


def threads_are_set() -> bool:
    """Return whether the user has set the number of threads of a process."""
    return any(os.environ.get(name) for name in THREAD_VARIABLES)


def end_job(sentence: str, comm: Any, status: int) -> NoReturn:
    """Print the sentence, leave time to forward it, and end all processes of an mpi4py communicator (or None)."""
    print(sentence, file=sys.stderr, flush=True)
    time.sleep(FORWARDING_TIME)
    if comm is not None and comm.Get_size() > 1:
        comm.Abort(status)
    os._exit(status)  # launchers end a job when a rank exits before it has finished with MPI
