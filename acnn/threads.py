"""Threads of torch, and what becomes of them in forked processes."""

from __future__ import annotations

import functools
import os

import torch

_home = os.getpid()


@functools.cache
def survive_forks() -> None:
    """Let torch compute in one thread in every process that is forked from this one, and here if this is such a one.

    The threads of torch do not survive a fork, but it would wait for them forever: in the workers of a
    `multiprocessing.Pool`, for example, where these are forked. The compiled kernel makes its threads anew for every
    evaluation.
    """
    if os.getpid() != _home:
        torch.set_num_threads(1)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=functools.partial(torch.set_num_threads, 1))
