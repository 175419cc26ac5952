"""What programs that start parallel jobs tell their processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, NoReturn

RANK_VARIABLES = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "SLURM_STEP_NUM_TASKS": "SLURM_PROCID",
}
"""Environment variables with the number of processes, and which of them this one is."""

THREAD_VARIABLES = ("ACNN_NUM_THREADS", "OMP_NUM_THREADS")
"""Environment variables by which a user says how many threads a process has."""

FORWARDING_TIME = 1.0
"""Seconds that a launcher is given to forward a rank's last words: it may drop them once the job is ending."""


def told_ranks(environment: Mapping[str, str] = os.environ) -> int:
    """Number of processes of this job, as its launcher says; 1 without a launcher."""
    return max((int(text) for text in map(environment.get, RANK_VARIABLES) if text and text.isdecimal()), default=1)


def end_job(sentence: str, comm: Any, status: int) -> NoReturn:
    """Print the sentence, leave time to forward it, and end all processes of an mpi4py communicator (or None)."""
    print(sentence, file=sys.stderr, flush=True)
    time.sleep(FORWARDING_TIME)
    if comm is not None and comm.Get_size() > 1:
        comm.Abort(status)
    os._exit(status)  # launchers end a job when a rank exits before it has finished with MPI
