"""Threads: how many may be asked for, and what becomes of those of torch in forked processes."""

from __future__ import annotations

import functools
import os

import torch

MOST_THREADS = 1024
"""More are a mistake, which torch and the system answer by a crash."""

_home = os.getpid()


def require_sensible(n_threads: int, what: str) -> int:
    """The number itself.

    Args:
        what: the name of the setting that holds it.
    """
    if not 1 <= n_threads <= MOST_THREADS:
        raise ValueError(f"{what} is a number of threads from 1 to {MOST_THREADS}, not {n_threads}")
    return n_threads


def threads_of_torch() -> int:
    """As torch found them in its environment, or as they were set since."""
    return require_sensible(torch.get_num_threads(), "torch.get_num_threads()")


@functools.cache
def survive_forks() -> None:
    """Let torch compute in one thread in every process that is forked from this one, and here if this is such a one.

    The threads of torch do not survive a fork, but it would wait for them forever: in the workers of a
    `multiprocessing.Pool`, for example, where these are forked. The compiled kernel makes its threads anew for every
    evaluation.
    """
    threads_of_torch()
    if os.getpid() != _home:
        torch.set_num_threads(1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))
