"""Python and `acnn` without the seconds they take to import: every process is a fork of one that has imported all.

`program` starts ``warm.py FOLDER``, which writes the programs `python` and `acnn` into the folder, says "ready", and
serves them until its input ends. They hand arguments, folder, environment and open files to a fork, and exit as that
does, also as ranks of mpiexec. A fork whose program has ended before it is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
files = [0, 1, 2, *(int(os.environ[name]) for name in {inherited!r} if name in os.environ)]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({address!r})
    message = json.dumps([sys.argv, os.getcwd(), dict(os.environ), files]).encode()
    socket.send_fds(server, [message], files)
    status = int(server.recv(16) or 1)
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""
INHERITED = ("PMI_FD",)
"""Environment variables with the number of a file that the launcher of ranks has opened for them."""


# --- for tests --------------------------------------------------------------------------------------------------------


def program(name: str = "python") -> str:
    """The warm `python` or `acnn`; where the system has no means for it, the real one."""
    if not hasattr(os, "pidfd_open"):
        return sys.executable if name == "python" else str(Path(sys.executable).with_name(name))
    return str(programs() / name)


@functools.cache
def programs() -> Path:
    """A folder for PATH, whose programs are served until this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    command = [sys.executable, __file__, str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert server.stdin is not None
    assert server.stdout is not None
    for end in (functools.partial(shutil.rmtree, folder), server.wait, server.stdin.close):  # the last one first
        atexit.register(end)
    assert server.stdout.readline() == b"ready\n"
    return folder


# --- the server -------------------------------------------------------------------------------------------------------


def serve(folder: Path) -> None:
    """Until standard input ends."""
    address = str(folder / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(address)
        server.listen(16)
        for name in ("python", "acnn"):
            (folder / name).write_text(CLIENT.format(python=sys.executable, address=address, inherited=INHERITED))
            (folder / name).chmod(0o755)
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                answer(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:  # those that have ended
                    pass


def answer(connection: socket.socket) -> None:
    """Run one program in a fork of its own, which may become another, and tell how it ended."""
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3 + len(INHERITED))
    running = os.fork()
    if running == 0:
        connection.close()
        leave(status(*json.loads(message), files))
    for file in (*range(3), *files):
        os.close(file)
    process = os.pidfd_open(running)
    if process not in select.select([process, connection], [], [])[0]:
        os.kill(running, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(running, 0)[1])
    with contextlib.suppress(OSError):
        connection.send(str(ended).encode())
    os._exit(0)


def status(arguments: list[str], folder: str, environment: dict[str, str], numbers: list[int], files: list[int]) -> int:
    """Be the program, in its folder and environment, with its files under their numbers, and say how it ended."""
    for number, file in zip(numbers, files, strict=True):
        os.dup2(file, number)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = (open(k, "w" if k else "r", encoding="utf-8", closefd=False) for k in range(3))  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[1:1] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    code: object = 0
    try:
        run_acnn(arguments) if Path(arguments[0]).name == "acnn" else run_python(*arguments[1:])
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    return code if isinstance(code, int) else int(code is not None)


def leave(code: int) -> None:
    """Exit as Python does, but without taking apart all that was imported, which takes seconds."""
    atexit._run_exitfuncs()
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi and mpi.Is_initialized() and not mpi.Is_finalized():
        mpi.Finalize()
    sys.stdout.flush()
    sys.stderr.flush()
    libraries = ctypes.CDLL(None)
    if any(name in os.environ for name in INHERITED):
        libraries.exit(code)  # MPI has something to do at the end, too
    libraries.fflush(None)
    os._exit(code)


def run_acnn(arguments: list[str]) -> None:
    from acnn.cli.main import run

    sys.argv = arguments
    run()


def run_python(option: str, *given: str) -> None:
    """``python -c CODE``, ``python -m MODULE`` or ``python SCRIPT``, each with arguments."""
    if option == "-c":
        sys.argv, sys.path[0] = [option, *given[1:]], ""
        exec(compile(given[0], "<string>", "exec"), {"__name__": "__main__"})
    elif option == "-m":
        sys.argv, sys.path[0] = list(given), os.getcwd()
        runpy.run_module(given[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv, sys.path[0] = [option, *given], str(Path(option).resolve().parent)
        runpy.run_path(option, run_name="__main__")


def import_all() -> None:
    """Import what programs import, also where they use it; nothing is evaluated, which would start threads."""
    from acnn.cli.main import COMMANDS, loaded

    for name in COMMANDS:
        loaded(name)
    names = ("acnn.testing", "ase_calculator.calculator", "lammps_plugin.mliap", "lammps_plugin.simulation")
    names += ("torch._dynamo",)  # by optimizers
    for name in (*names, "ase.build", "ase.io.extxyz", "matplotlib.pyplot", "scipy.linalg", "vesin"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    import_all()
    gc.freeze()
    serve(Path(sys.argv[1]))
