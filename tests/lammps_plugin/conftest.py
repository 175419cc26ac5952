"""The plugin compiled from the sources as they are, and LAMMPS run with it."""

from __future__ import annotations

import importlib
import os
import pickle
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

import lammps_plugin
from lammps_plugin import plugin_build

sys.path.insert(0, str(Path(__file__).parent))
try:
    from toy import MEASURE, MODEL, SCRIPTS, SETTINGS, TIMEOUT, Result, Run, thermo_of
finally:
    sys.path.pop(0)


@pytest.fixture(scope="session")
def plugin():
    """Compiled from the sources as they are, which its name in the cache tells."""
    if util.find_spec("lammps") is None:
        pytest.skip("the plugin needs LAMMPS: pip install 'acnn[lammps]'")
    try:
        plugin_build.compiler()
        target = plugin_build.find_target()
    except plugin_build.PluginError as error:
        pytest.skip(str(error))
    if target.python_library is None:
        pytest.skip("lmp can only start a Python that has a shared library")
    return plugin_build.build()


@pytest.fixture(scope="session")
def models(plugin, tmp_path_factory):
    """A folder with the module of the models above, from which they can be imported here, too."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "toy_models.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture
def run(plugin, models, tmp_path):
    """Runs a program in an empty folder, with the plugin."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "LAMMPS_PLUGIN_PATH": str(plugin.parent),
        "ACNN_LAMMPS_PLUGIN": "0",  # the entry point has a test of its own
        "PYTHONPATH": os.pathsep.join([str(models), str(Path(lammps_plugin.__file__).parents[1])]),
        "ACNN_LAMMPS_UNPICKLE": "1",  # models of toy.py
        "PATH": os.environ["PATH"],  # the environment need not come first
    }

    def start(command, ranks=1, stdin="", **more) -> Run:
        launcher = [SCRIPTS / "mpiexec", "-n", str(ranks)] if ranks > 1 else []
        if ranks > 1 and not launcher[0].exists():
            pytest.skip("several ranks need the mpiexec of the mpich package")
        done = subprocess.run(
            [*launcher, *command],
            cwd=tmp_path,
            env={**environment, **more},
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
        )
        return Run(done.returncode, done.stdout)

    return start


@pytest.fixture
def model(models, tmp_path):
    """Writes a model to a file and names it."""

    def write(expression="LennardJones()", name="toy.pkl") -> Path:
        path, made = tmp_path / name, eval(expression, vars(importlib.import_module("toy_models")))
        torch.save(made, path) if name.endswith(".pt") else path.write_bytes(pickle.dumps(made))
        return path

    return write


@pytest.fixture
def lammps(run, tmp_path):
    """Runs a deck, in lmp or in Python."""
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import sys\nfrom mpi4py import MPI\nimport lammps\nlmp = lammps.lammps()\nlmp.file(sys.argv[1])\nlmp.close()\n"
    )
    programs = {"lmp": [SCRIPTS / "lmp", "-in"], "python": [sys.executable, driver]}

    def start(deck, ranks=1, program="lmp", **more) -> Run:
        path = tmp_path / "in.deck"
        path.write_text(deck)
        return run([*programs[program], path], ranks, **more)

    return start


@pytest.fixture
def piped(run):
    """Runs a deck that comes through a pipe."""

    def start(deck, ranks=1) -> Run:
        return run([SCRIPTS / "lmp"], ranks, deck)

    return start


@pytest.fixture
def measure(lammps, tmp_path):
    def start(system, potential, ranks=1, program="lmp", settings=SETTINGS, **more) -> Result:
        dump = tmp_path / "result.dump"
        done = lammps(settings + system + potential + MEASURE.format(dump=dump), ranks, program, **more)
        assert done.status == 0, done.output
        atoms = np.loadtxt(dump, skiprows=9, ndmin=2)
        order = np.lexsort(np.round(atoms[:, :3], 6).T)
        return Result(thermo_of(done.output)[-1, 1:], atoms[order], done.output)

    return start
