"""``mpiexec acnn fit`` is ``acnn fit``, and an error on one rank ends it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.io.model_file import load_model
from acnn.parallel import ALONE, job_ranks
from acnn.parallel.mpi import MPIRanks

sys.path.insert(0, str(Path(__file__).parents[1]))
try:
    import warm
finally:
    sys.path.pop(0)

pytest.importorskip("mpi4py", reason="mpi4py is not installed")
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
needs_launcher = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
OPTIONS = ["--order", "2", "--degree", "7", "--cutoff", "4.5", "--e0", "Cu=0"]
AGREEMENT = 1e-8


def structures(n: int) -> list[Atoms]:
    rng = np.random.default_rng(1)
    found = []
    for k in range(n):
        atoms = bulk("Cu", cubic=True, a=3.7) * (1, 1, 1 + k % 3)
        atoms.rattle(0.1, rng=rng)
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3)))
        found.append(atoms)
    return found


def fit(folder: Path, ranks: int, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    launcher = [] if ranks == 1 else [MPIEXEC or "mpiexec", "-n", str(ranks)]
    command = [*launcher, warm.program("acnn"), "fit", str(folder / "train.xyz"), *OPTIONS, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert (done.returncode == 0) == check, done.stdout + done.stderr
    return done


@needs_launcher
@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_find_what_one_process_finds(tmp_path, ranks):
    ase.io.write(tmp_path / "train.xyz", structures(7))
    for n in (1, ranks):
        out = fit(tmp_path, n, "-o", str(tmp_path / f"{n}.acnn"), "--json", str(tmp_path / f"{n}.json"))
        assert out.stdout.count("basis functions,") == 1
    found, expected = (load_model(tmp_path / f"{n}.acnn").coefficients.numpy() for n in (ranks, 1))
    assert np.abs(found - expected).max() < AGREEMENT * np.abs(expected).max()
    told, known = (json.loads((tmp_path / f"{n}.json").read_text()) for n in (ranks, 1))
    assert told["n_equations"] == known["n_equations"]
    for key, value in known["train"]["total"].items():
        if value is None:  # no virials
            continue
        assert told["train"]["total"][key] == pytest.approx(value, rel=1e-6)


@needs_launcher
def test_ranks_leave_a_checkpoint_that_one_process_takes_up(tmp_path):
    everything = structures(9)
    ase.io.write(tmp_path / "train.xyz", everything[:7])
    ase.io.write(tmp_path / "more.xyz", everything[7:])
    factor = ["--checkpoint", str(tmp_path / "f.factor")]
    fit(tmp_path, 3, "-o", str(tmp_path / "a.acnn"), *factor)
    fit(tmp_path, 1, "-o", str(tmp_path / "b.acnn"), *factor, "--add", str(tmp_path / "more.xyz"))
    ase.io.write(tmp_path / "train.xyz", everything)
    fit(tmp_path, 1, "-o", str(tmp_path / "c.acnn"))
    found, expected = (load_model(tmp_path / f"{name}.acnn").coefficients.numpy() for name in "bc")
    assert np.abs(found - expected).max() < AGREEMENT * np.abs(expected).max()
    assert not list(tmp_path.glob("*.rank*"))


@needs_launcher
def test_an_error_on_one_rank_stops_all_with_its_message(tmp_path):
    broken = structures(7)
    broken[0].positions[1] = broken[0].positions[0]  # the smallest structures are dealt last
    ase.io.write(tmp_path / "train.xyz", broken)
    done = fit(tmp_path, 3, "-o", str(tmp_path / "m.acnn"), check=False)
    assert "stops the job" in done.stderr
    assert "train.xyz #0" in done.stderr
    assert not (tmp_path / "m.acnn").exists()


@needs_launcher
def test_an_error_of_all_ranks_is_told_once(tmp_path):
    done = fit(tmp_path, 2, "-o", str(tmp_path / "m.acnn"), check=False)
    assert done.stderr.count("stops the job") == 1
    assert "train.xyz" in done.stderr


class FakeComm:
    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def Get_rank(self) -> int:
        return self.rank

    def Get_size(self) -> int:
        return self.size


def test_shares_are_everything_once_and_even():
    costs = np.random.default_rng(2).integers(1, 200, 101).tolist()
    shares = [MPIRanks.of(FakeComm(rank, 4)).share(costs) for rank in range(4)]
    assert sorted(index for share in shares for index in share) == list(range(101))
    loads = [sum(costs[i] for i in share) for share in shares]
    assert max(loads) - min(loads) <= max(costs)
    assert ALONE.share(costs) == list(range(101))


def test_a_launcher_of_another_mpi_is_named(monkeypatch):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(ImportError, match="started 2 processes, but mpi4py sees 1"):
        job_ranks()


def test_torchrun_fits_too(tmp_path):
    ase.io.write(tmp_path / "train.xyz", structures(7))
    fit(tmp_path, 1, "-o", str(tmp_path / "1.acnn"))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}
    command = [warm.program("acnn"), "fit", str(tmp_path / "train.xyz"), *OPTIONS, "-o", str(tmp_path / "2.acnn")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "cwd": tmp_path}
    ranks = [{**os.environ, "OMP_NUM_THREADS": "1", **shared, "RANK": str(rank)} for rank in (0, 1)]
    started = [subprocess.Popen(command, env=environment, **pipes) for environment in ranks]
    said = [process.communicate(timeout=600)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert ["basis functions," in text for text in said] == [True, False]
    found, expected = (load_model(tmp_path / f"{n}.acnn").coefficients.numpy() for n in (2, 1))
    assert np.abs(found - expected).max() < AGREEMENT * np.abs(expected).max()
