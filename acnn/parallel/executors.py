"""Where independent calculations run: here, in other processes, or as jobs of a cluster."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acnn.extras import optional

ATTEMPTS = 3
"""At a job of Slurm: others cancel jobs, and nodes fail."""
POLL = 2.0
"""Seconds between two looks at the queue."""
ABSENCES = 3
"""Looks in succession at which a job is missing before it counts as ended; its result may come late."""
_submitting = threading.Lock()


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


class SlurmJobs(Executor):
    """Runs every call as a job of Slurm, which is submitted again where it ends without a result.

    Whether a job still runs is asked of squeue: unlike sacct it needs no accounting.

    Args:
        folder: for the files of the jobs.
        parameters: of submitit's executor: ``slurm_partition``, ``timeout_min``, ``cpus_per_task`` …
    """

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        submitit = optional("submitit", "jobs of Slurm", "slurm")
        self._submitit = submitit.AutoExecutor(folder=str(folder), cluster="slurm")
        self._submitit.update_parameters(**parameters)

    def submit(self, function: Callable[..., Any], /, *args: Any, **keywords: Any) -> Future[Any]:
        """Submit a job, and return a future that waits for it in a thread."""
        future: Future[Any] = Future()
        with _submitting:
            job = self._submitit.submit(function, *args, **keywords)

        def wait() -> None:
            try:
                future.set_result(self._result(job, function, args, keywords))
            except Exception as error:
                future.set_exception(error)

        threading.Thread(target=wait, daemon=True).start()
        return future

    def _result(self, job: Any, function: Callable[..., Any], args: Any, keywords: Any) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            _wait_for(job)
            if job.paths.result_pickle.exists():
                return job.result()
            if attempt < ATTEMPTS:
                with _submitting:
                    job = self._submitit.submit(function, *args, **keywords)
        raise RuntimeError(f"{ATTEMPTS} jobs of Slurm ended without a result, the last one with {job.paths.stderr}")


def _wait_for(job: Any) -> None:
    """Return when a job has a result, or is no longer in the queue."""
    gone = 0
    while gone < ABSENCES and not job.paths.result_pickle.exists():
        time.sleep(POLL)
        asked = ["squeue", "--noheader", "--jobs", str(job.job_id), "--format", "%T"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
        unknown = "Invalid job id" in found.stderr
        gone = gone + 1 if unknown or (found.returncode == 0 and not found.stdout.strip()) else 0


@contextmanager
def executor(jobs: int, slurm: Mapping[str, Any] | None = None, folder: Path | None = None) -> Iterator[Any]:
    """Yield an executor with ``submit(function, *args)``, whose futures have ``result()``.

    Args:
        jobs: processes of one thread each; with 1, calls run in this one.
        slurm: parameters of submitit; every call is a job of Slurm.
        folder: for the files of such jobs.
    """
    if slurm is not None:
        yield SlurmJobs(folder or Path("slurm"), slurm)
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


def ahead(pool: Executor, function: Callable[..., Any], items: Iterable[Any], n: int) -> Iterator[Future[Any]]:
    """Yield the futures of a function of every item, in order, of which n are submitted ahead."""
    waiting: deque[Future[Any]] = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= n:
            yield waiting.popleft()
    yield from waiting


def _one_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
