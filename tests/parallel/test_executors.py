"""Calls in this process, in others, and as jobs of Slurm that vanish."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from acnn.parallel import executors
from acnn.parallel.executors import ATTEMPTS, SlurmJobs, executor


def test_here_results_and_errors_are_those_of_the_call():
    with executor(1) as here:
        assert here.submit(os.getpid).result() == os.getpid()
        with pytest.raises(ZeroDivisionError):
            here.submit(divmod, 1, 0).result()


def test_processes_are_others_of_one_thread():
    with executor(2) as pool:
        assert pool.submit(os.getpid).result() != os.getpid()
        assert pool.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"


class Queue:
    """A stand-in for submitit and squeue: of the jobs it gets, the first few vanish."""

    def __init__(self, folder: Path, vanishing: int) -> None:
        self.folder, self.vanishing, self.submitted = folder, vanishing, 0

    def submit(self, function: Any, *args: Any) -> Any:
        self.submitted += 1
        paths = SimpleNamespace(result_pickle=self.folder / f"{self.submitted}.pkl", stderr=self.folder / "err")
        if self.submitted > self.vanishing:
            paths.result_pickle.write_text("done")
        return SimpleNamespace(paths=paths, job_id=self.submitted, result=lambda: function(*args))


@pytest.mark.parametrize("said", [("", ""), ("", "slurm_load_jobs error: Invalid job id specified")])
@pytest.mark.parametrize("vanishing", [0, 1, ATTEMPTS])
def test_a_job_that_vanishes_is_submitted_again(tmp_path, monkeypatch, vanishing, said):
    def squeue(asked: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(asked, int(bool(said[1])), *said)

    monkeypatch.setattr(executors, "POLL", 0.0)
    monkeypatch.setattr(executors.subprocess, "run", squeue)
    jobs = SlurmJobs.__new__(SlurmJobs)
    jobs._submitit = Queue(tmp_path, vanishing)
    future = jobs.submit(max, 3, 4)
    if vanishing < ATTEMPTS:
        assert future.result(timeout=20) == 4
        assert jobs._submitit.submitted == vanishing + 1
    else:
        with pytest.raises(RuntimeError, match="3 jobs of Slurm ended without a result"):
            future.result(timeout=20)


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="there is no Slurm here")
def test_a_real_job(tmp_path):
    pytest.importorskip("submitit")
    if subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        pytest.skip("Slurm does not run here")
    with executor(1, {"timeout_min": 2}, tmp_path) as slurm:
        assert slurm.submit(os.getpid).result(timeout=120) != os.getpid()
