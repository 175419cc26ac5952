"""Forked workers evaluate models of every kind, whatever their parent has done before."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from acnn.io.model_file import save_model
from acnn.threads import survive_forks

DRIVER = Path(__file__).with_name("forking.py")
TIMEOUT = 600
VARIABLES = ("OMP_NUM_THREADS", "ACNN_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ACNN_KERNEL")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def lines_of(command, timeout):
    """What a program prints; with it, its workers are ended."""
    environment = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    environment["OMP_WAIT_POLICY"] = "passive"  # waiting threads take no time from others
    program = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True, start_new_session=True)
    try:
        out, _ = program.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        out, _ = program.communicate()
        pytest.fail(f"hangs after {len(out.splitlines())} models")
    assert program.returncode == 0
    return [json.loads(line) for line in out.splitlines()]


@needs_fork
def test_forked_workers_find_the_same(models, tmp_path):
    for kind, model in models.items():
        save_model(model, tmp_path / f"{kind}.acnn")
    cases = [*(("auto", kind) for kind in models), ("torch", "attention")]
    arguments = [f"{kernel}:{tmp_path / kind}.acnn" for kernel, kind in cases]
    lines = lines_of([sys.executable, str(DRIVER), *arguments], TIMEOUT)
    assert len(lines) == len(cases)
    for found, case in zip(lines, cases, strict=True):
        expected = np.array(found.pop("here"))
        assert np.ptp(expected, axis=0).max() > 1e-3
        assert len(found) == 3
        for where, forces in found.items():
            np.testing.assert_allclose(forces, expected, rtol=0, atol=1e-10, err_msg=f"{case}, {where}")


@needs_fork
def test_torch_has_one_thread_in_forked_processes_and_keeps_them_here():
    survive_forks()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.apply(torch.get_num_threads) == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_senseless_number_of_threads_of_torch_is_refused(monkeypatch):
    """Torch would end in a segmentation fault where it evaluates something."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1025)
    with pytest.raises(ValueError, match=r"get_num_threads\(\) must be a number of threads from 1 to 1024, not 1025"):
        survive_forks.__wrapped__()  # what the first potential calls
