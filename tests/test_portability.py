"""What other systems lack is missed by no one: modules and functions of POSIX, /proc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import acnn
from acnn.fit import memory

# The other packages are imported first: they know Windows by its name.
LIKE_WINDOWS = """
import importlib, os, pkgutil, signal, sys
import ase.build, ase.calculators.calculator, ase.io.extxyz, matplotlib, multiprocessing.pool, numpy, pydantic
import rich.console, scipy.linalg, torch.distributed, typer.testing, vesin, yaml

for name in ("fcntl", "grp", "posix", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("chown", "fork", "geteuid", "getuid", "killpg", "sched_getaffinity", "setsid", "sysconf", "uname"):
    delattr(os, name)
for name in ("SIGALRM", "SIGBUS", "SIGHUP", "SIGKILL"):
    delattr(signal, name)
    del signal.Signals._member_map_[name]
import acnn, ase_calculator, lammps_plugin
for package in (acnn, ase_calculator, lammps_plugin):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith(("__main__", "._kernel")):
            importlib.import_module(found.name)
"""

RUN = """
import ase.io, numpy
from ase.calculators.emt import EMT
from acnn.cli.main import app
from ase_calculator import ACNNCalculator

frames = [ase.build.bulk("Cu", cubic=True) for _ in range(4)]
for seed, atoms in enumerate(frames):
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    atoms.get_forces()
ase.io.write("cu.xyz", frames)
options = ["--order", "2", "--degree", "6", "--e0", "Cu=0", "--checkpoint", "cu.factor", "--json", "cu.json"]
app(["fit", "cu.xyz", "-o", "cu.acnn", *options], standalone_mode=False)
expected = frames[0].get_forces()
frames[0].calc = ACNNCalculator("cu.acnn")
print("error", numpy.abs(frames[0].get_forces() - expected).max())
"""


def run(code: str, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(acnn.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **changes}
    command = [sys.executable, "-c", code]
    pipes = {"capture_output": True, "encoding": "utf-8", "errors": "replace"}
    return subprocess.run(command, cwd=folder, env=environment, timeout=600, **pipes)


@pytest.mark.slow
def test_without_what_windows_lacks(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run(LIKE_WINDOWS + RUN, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(done.stdout.rpartition("error")[2]) < 0.1
    assert " s, peak memory" not in done.stdout
    assert '"peak_bytes": null' in (tmp_path / "cu.json").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"cu.xyz", "cu.acnn", "cu.factor", "cu.json"}


def test_without_proc_all_memory_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    free = memory.available_bytes()
    monkeypatch.setattr(memory, "Path", lambda name: Path("nothing"))
    assert free <= memory.available_bytes() < sys.maxsize
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert memory.available_bytes() == sys.maxsize
