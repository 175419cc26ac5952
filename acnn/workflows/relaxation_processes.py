"""Relaxations in several processes, each with its share of the structures."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from ase import Atoms

from acnn.io.model_file import load_model
from acnn.workflows.relaxation import relax_many
from acnn.workflows.relaxation_tasks import Relaxation, Relaxed


class LostProcessError(RuntimeError):
    """A process that ended without a result; the message is one sentence."""


def relax_in_processes(
    model: Path, structures: Mapping[int, Atoms], relaxation: Relaxation, kernel: str | None, jobs: int
) -> Iterator[Relaxed]:
    """Relax structures in ``jobs`` processes of one thread each, and yield results as they come.

    Args:
        structures: by their places.

    Raises:
        LostProcessError: a process was killed.
    """
    order = sorted(structures, key=lambda place: (-len(structures[place]), place))
    shares = [{place: structures[place] for place in order[k::jobs]} for k in range(min(jobs, len(order)))]
    context = multiprocessing.get_context("spawn")
    running: dict[Any, Any] = {}
    try:
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(theirs, model, share, relaxation, kernel), daemon=True)
            process.start()
            theirs.close()
            running[ours] = process
        while running:
            for connection in wait(list(running)):
                found = _received(connection, running)
                if found is not None:
                    yield found
    finally:
        for process in running.values():
            process.terminate()


def _received(connection: Any, running: dict[Any, Any]) -> Relaxed | None:
    """Return a result, or None from a process that is done, which is then removed."""
    try:
        found = connection.recv()
    except EOFError:
        process = running.pop(connection)
        process.join()
        raise LostProcessError(
            f"a process that relaxed structures ended with status {process.exitcode}, perhaps for lack of memory: "
            "repeat the command to continue, with fewer --jobs"
        ) from None
    if isinstance(found, BaseException):
        raise found
    if found is None:
        running.pop(connection).join()
    return found


def _work(
    connection: Connection, model: Path, structures: dict[int, Atoms], relaxation: Relaxation, kernel: str | None
) -> None:
    """Send results one by one, then None; or the error that ended the work. Only the first process is interrupted."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        for found in relax_many(load_model(model), list(structures.values()), relaxation, kernel, list(structures)):
            connection.send(found)
        connection.send(None)
    except BrokenPipeError:  # nobody reads any more
        return
    except Exception as error:
        connection.send(error)
