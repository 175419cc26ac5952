"""`acnn` without the seconds it takes to import: every command is a fork of one process that has imported all.

``warm.py FOLDER`` writes a program `acnn` into the folder, says "ready" and serves it until its input ends. The program
hands arguments, folder, environment and open files to a fork, and exits as that does.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.connect({address!r})
    message = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [message], [0, 1, 2])
    sys.exit(int(server.recv(16) or 1))
"""


def serve(folder: Path) -> None:
    """Until standard input ends."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.bind(str(folder / "socket"))
        server.listen()
        program = folder / "acnn"
        program.write_text(CLIENT.format(python=sys.executable, address=str(folder / "socket")))
        program.chmod(0o755)
        print("ready", flush=True)
        while sys.stdin not in select.select([server, sys.stdin], [], [])[0]:
            connection, _ = server.accept()
            if os.fork() == 0:
                os._exit(answer(connection))
            connection.close()


def answer(connection: socket.socket) -> int:
    """Let one command run, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    arguments, folder, environment = json.loads(message)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    command = os.fork()  # which may become another program
    if command == 0:
        os._exit(status(arguments))
    ended = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    connection.send(str(ended).encode())
    return 0


def status(arguments: list[str]) -> int:
    """Of the command."""
    from acnn.cli.main import app

    sys.argv = arguments
    try:
        app()
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    from acnn.cli.main import COMMANDS, loaded

    for name in COMMANDS:
        loaded(name)
    for name in ("ase_calculator", "matplotlib.pyplot", "scipy.linalg", "vesin"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    serve(Path(sys.argv[1]))
