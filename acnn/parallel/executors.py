"""Where independent calculations run: here, in other processes, or as jobs of a cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acnn.extras import optional


class Here(Executor):
    """Runs every call at once, in this process."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """Call the function, and return its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def executor(jobs: int, slurm: Mapping[str, Any] | None = None, folder: Path | None = None) -> Iterator[Any]:
    """Yield an executor with ``submit(function, *args)``, whose futures have ``result()``.

    Args:
        jobs: processes of one thread each; with 1, calls run in this one.
        slurm: parameters of submitit; every call is a job of Slurm.
        folder: for the files of such jobs.
    """
    if slurm is not None:
        submitit = optional("submitit", "jobs of Slurm", "slurm")
        found = submitit.AutoExecutor(folder=str(folder or "slurm"), cluster="slurm")
        found.update_parameters(**slurm)
        yield found
        return
    if jobs == 1:
        yield Here()
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_one_thread)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
