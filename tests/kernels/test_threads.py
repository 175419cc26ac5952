"""Threads of the kernel: parked between calls, for several callers, after errors and forks, and at exit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import ase.build
import pytest
import torch

from acnn.graph import AtomicGraph
from acnn.kernels.energy import EnergyKernel, KernelGradients
from acnn.neighbors import atomic_graph
from acnn.testing import random_model

TIMEOUT = 60.0
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="this system does not list threads in /proc"
)


@pytest.fixture(scope="module")
def graph() -> AtomicGraph:
    crystal = ase.build.bulk("Si", cubic=True) * (4, 4, 4)
    crystal.rattle(0.1, seed=1)
    return atomic_graph(crystal, 4.5)


@pytest.fixture
def kernel() -> EnergyKernel:
    return EnergyKernel(random_model(["Si"]).program())


def bits(found: KernelGradients) -> bytes:
    return found.site_energies.numpy().tobytes() + found.pair_gradients.numpy().tobytes()


def n_system_threads() -> int:
    return len(os.listdir("/proc/self/task"))


@needs_proc
def test_threads_are_kept_and_take_no_time(
    kernel: EnergyKernel, graph: AtomicGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACNN_NUM_THREADS", "9")
    kernel(graph)
    n_threads = n_system_threads()
    assert n_threads >= 9
    for requested in ("2", "9", "1", "5"):
        monkeypatch.setenv("ACNN_NUM_THREADS", requested)
        for _ in range(5):
            kernel(graph)
    assert n_system_threads() == n_threads
    start = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - start < 0.05


def test_several_callers_at_a_time(kernel: EnergyKernel, graph: AtomicGraph) -> None:
    expected = bits(kernel(graph))
    kernels = [EnergyKernel(kernel.program, threads=n) for n in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as callers:
        found = callers.map(lambda i: bits((kernels + [kernel])[i % 5](graph)), range(40))
        assert set(found) == {expected}


def test_an_error_in_any_thread_is_raised_and_leaves_all_as_it_was(graph: AtomicGraph) -> None:
    kernel = EnergyKernel(random_model(["Si"]).program(), threads=4)
    expected, memory = bits(kernel(graph)), kernel.workspace_bytes
    for pair in (0, graph.n_pairs // 2, graph.n_pairs - 1):
        vectors = graph.pair_vectors.clone()
        vectors[pair] = torch.nan
        with pytest.raises(ValueError, match="is zero, infinite or not a number: two atoms coincide"):
            kernel(replace(graph, pair_vectors=vectors))
    assert kernel.workspace_bytes >= memory
    assert bits(kernel(graph)) == expected


def test_tiny_numbers_become_zero_in_all_threads_or_in_none(graph: AtomicGraph) -> None:
    model = random_model(["Si"])
    model.coefficients *= 1e-40
    single = graph.to(dtype=torch.float32)
    one, four = (EnergyKernel(model.program(), threads=n) for n in (1, 4))
    with_them = bits(four(single))
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not make tiny numbers zero")
    try:
        without = [bits(kernel(single)) for kernel in (one, *[four] * 20)]
    finally:
        torch.set_flush_denormal(False)
    assert set(without) == {without[0]} != {with_them}
    assert bits(four(single)) == bits(one(single)) == with_them


@needs_fork
def test_forked_processes_have_threads_of_their_own(graph: AtomicGraph) -> None:
    """Also where another thread of the parent computes meanwhile, and in the children of children."""
    model, over = random_model(["Si"]), threading.Event()
    mine, its = (EnergyKernel(model.program(), threads=3) for _ in range(2))
    expected = bits(mine(graph))

    def same() -> bool:
        return bits(mine(graph)) == expected

    def compute() -> None:
        while not over.is_set():
            its(graph)

    other = threading.Thread(target=compute)
    other.start()
    try:
        for _ in range(5):
            assert status_of_fork(lambda: same() and status_of_fork(same) == 0) == 0
    finally:
        over.set()
        other.join()
    assert same()


def status_of_fork(action: Callable[[], bool]) -> int:
    """0 where action(), called in a forked process, is true."""
    child = os.fork()
    if child == 0:
        os._exit(0 if action() else 1)
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -1


def test_the_interpreter_ends_while_threads_wait() -> None:
    """Also after calls that are under way have ended."""
    code = """
import threading, ase.build
from acnn.kernels.energy import EnergyKernel
from acnn.neighbors import atomic_graph
from acnn.testing import random_model
graph = atomic_graph(ase.build.bulk("Si", cubic=True) * (4, 4, 4), 4.5)
kernel = EnergyKernel(random_model(["Si"]).program(), threads=3)
kernel(graph)
threading.Thread(target=lambda: [kernel(graph) for _ in range(20)]).start()
print("at the end")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "at the end\n", "")
