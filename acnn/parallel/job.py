"""The ranks of this job, as reported by the program that started it."""

from __future__ import annotations

import os
from collections.abc import Mapping

from acnn.parallel.launchers import mpi_place, torchrun_place
from acnn.parallel.ranks import ALONE, Ranks


def job_ranks() -> Ranks:
    """Return the ranks of `mpiexec`, `srun` or `torchrun`; without them, a single process.

    Raises:
        ImportError: MPI cannot be used, see `acnn.parallel.mpi.mpi_ranks`.
    """
    place = torchrun_place()
    if place.size > 1:
        from acnn.parallel.torch_processes import TorchRanks

        return TorchRanks(*place)
    size = mpi_place().size
    if size == 1:
        return ALONE
    from acnn.parallel.mpi import mpi_ranks

    return mpi_ranks(size)


def training_ranks(device: str, environment: Mapping[str, str] = os.environ) -> Ranks:
    """Return the ranks of `torchrun`, the only launcher for trainings; without it, a single process.

    Args:
        device: that of the training, "cpu", "cuda", …

    Raises:
        ValueError: mpiexec or srun started several processes, which would train independently.
    """
    from acnn.parallel.torch_processes import TorchRanks

    place, started = torchrun_place(environment), mpi_place(environment).size
    if place.size == 1 and started > 1:
        raise ValueError(
            f"{started} processes were started without torchrun, so that each would train the same model and write "
            f"the same file: use torchrun --nproc-per-node {started} -m acnn train …"
        )
    return ALONE if place.size == 1 else TorchRanks(*place, on=device)
