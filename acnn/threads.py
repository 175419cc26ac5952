"""Threads: the allowed number, and torch's threads in forked processes."""

from __future__ import annotations

import functools
import os

import torch

MOST_THREADS = 1024
"""More are a mistake, and make torch or the system crash."""

_home = os.getpid()


def require_sensible(n_threads: int, what: str) -> int:
    """Return the number, and require that it is sensible.

    Args:
        what: the name of the setting, for the message.
    """
    if not 1 <= n_threads <= MOST_THREADS:
        raise ValueError(f"{what} must be a number of threads from 1 to {MOST_THREADS}, not {n_threads}")
    return n_threads


def threads_of_torch() -> int:
    """Return torch's number of threads, from its environment or as set since."""
    return require_sensible(torch.get_num_threads(), "torch.get_num_threads()")


@functools.cache
def survive_forks() -> None:
    """Make torch compute in one thread in every process forked from this one, and here if this process was forked.

    The threads of torch do not survive a fork, but torch would wait for them forever, for example in the forked workers
    of a `multiprocessing.Pool`. The compiled kernel handles forks by itself.
    """
    threads_of_torch()
    if os.getpid() != _home:
        torch.set_num_threads(1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))
