"""A Python function that watches a run: what it sees is what ASE computes, it ends runs, and errors are sentences."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.build
import numpy as np
import pytest

from ase_calculator import ACNNCalculator
from lammps_plugin import save_unified
from lammps_plugin.monitor import Frame, Monitor, load_monitor, watching

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Case, Launcher
finally:
    sys.path.pop(0)

AGREEMENT = 1e-9

# Writes what each rank sees, and ends the run at step 10.
WATCHER = """
import json, os
from lammps_plugin.monitor import watching

@watching(every=5)
def watch(frame):
    with open(f"seen.{frame.step}.{os.getpid()}", "w") as file:
        json.dump({name: getattr(frame, name).tolist() for name in ("ids", "positions", "energies", "forces")}, file)
    return frame.step == 10 and 1 in frame.ids

@watching(every=1)
def fail(frame):
    raise ValueError("the monitor of the test fails")
"""


@pytest.fixture
def launcher(ranks: int) -> Launcher:
    """The program, which has to start Python for the monitor, on one rank; on two the module, which runs in one."""
    found = cases.binary() if ranks == 1 else cases.quickest()
    if found.missing:
        pytest.skip(found.missing)
    return found


def crystal() -> Case:
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return Case("crystal", atoms, ("Si",))


def deck(launcher: Launcher, folder: Path, name: str = "watch", computes: str = "site_energies") -> Path:
    """The two ways to call the same file, by what this LAMMPS has."""
    case = crystal()
    save_unified(cases.model(), folder / "m.mliap.pt")
    (folder / "m.data").write_text(cases.data_file(case))
    (folder / "watch.py").write_text(WATCHER)
    own = f"python {name} file watch.py\nfix watch all python/invoke 1 end_of_step {name}\n"
    watched = f"fix watch all acnn/monitor watch.py {name}\n" if launcher.plugin else own
    path = folder / "in.lammps"
    path.write_text(
        cases.setup(case, "m.data")
        + cases.style(case, "m.mliap.pt")
        + f"compute {computes} all pe/atom pair\n{watched}"
        + 'timestep 0.0005\nfix move all nve\nrun 30\nprint "ended at $(step)"\n'
        + ("" if launcher.plugin else "timer timeout off\n")
        + 'run 7\nprint "goes on to $(step)"\n'
    )
    return path


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_monitor_sees_energies_and_forces_and_ends_the_run(launcher, tmp_path, ranks):
    done = launcher.run(deck(launcher, tmp_path), ranks)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "ended at 10" in done.stdout
    assert "goes on to 17" in done.stdout
    assert ("until the line: timer timeout off" in done.stdout) != launcher.plugin
    assert {path.name.split(".")[1] for path in tmp_path.glob("seen.*")} == {"5", "10", "15"}
    for step in (5, 10):
        parts = [json.loads(path.read_text()) for path in tmp_path.glob(f"seen.{step}.*")]
        assert len(parts) == ranks
        found = {name: np.concatenate([np.array(part[name]) for part in parts]) for name in parts[0]}
        order = np.argsort(found["ids"])
        atoms = crystal().atoms
        assert found["ids"][order].tolist() == list(range(1, len(atoms) + 1))
        atoms.positions = found["positions"][order]
        atoms.calc = ACNNCalculator(cases.model())
        assert np.abs(found["energies"][order] - atoms.get_potential_energies()).max() < AGREEMENT
        assert np.abs(found["forces"][order] - atoms.get_forces()).max() < AGREEMENT


@pytest.mark.parametrize("ranks", [1, 2])
def test_an_error_in_the_monitor_ends_all_ranks(launcher, tmp_path, ranks):
    done = launcher.run(deck(launcher, tmp_path, "fail"), ranks)
    assert done.returncode != 0
    assert "the monitor of the test fails" in done.stdout


@pytest.mark.parametrize("ranks", [2])
def test_a_missing_compute_is_named(launcher, tmp_path, ranks):
    done = launcher.run(deck(launcher, tmp_path, computes="others"), ranks)
    assert done.returncode != 0
    assert "the monitor needs this line before the run: compute site_energies all pe/atom pair" in done.stdout


FROM_PYTHON = """
import json
from mpi4py import MPI
import lammps, lammps_plugin, numpy as np
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.file("in.setup")
lammps_plugin.attach(lmp, "m.acnn", ["Si"])
seen, ends = [], []

def look(frame):
    parts = MPI.COMM_WORLD.allgather((frame.ids, frame.positions, frame.energies))
    ids, positions, energies = (np.concatenate(part) for part in zip(*parts))
    order = np.argsort(ids)
    seen.append([frame.step, positions[order].tolist(), energies[order].tolist()])
    return frame.step in (0, 20)

lammps_plugin.watch(lmp, look, every=10)
for command in ("timestep 0.0005", "fix move all nve", "run 15", "run 15", "run 100", "run 5 pre no"):
    lmp.command(command)
    ends.append(lmp.extract_global("ntimestep"))
if MPI.COMM_WORLD.Get_rank() == 0:
    print(json.dumps([ends[2:], seen]))
"""


@pytest.mark.parametrize("ranks", [1, 2])
def test_the_same_from_python(tmp_path, ranks):
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    from acnn.io.model_file import save_model

    save_model(cases.model(), tmp_path / "m.acnn")
    (tmp_path / "m.data").write_text(cases.data_file(crystal()))
    (tmp_path / "in.setup").write_text(cases.setup(crystal(), "m.data"))
    said = cases.in_python("-c", FROM_PYTHON, folder=tmp_path, ranks=ranks)
    ends, seen = json.loads(said.splitlines()[-1])
    assert (ends, [step for step, *_ in seen]) == ([1, 16, 20, 25], [0, 10, 20])
    atoms = crystal().atoms
    atoms.calc = ACNNCalculator(cases.model())
    for _, positions, energies in seen:
        atoms.positions = positions
        assert np.abs(atoms.get_potential_energies() - energies).max() < AGREEMENT


def test_the_largest_force():
    none = np.zeros((0, 3))
    assert Frame(0, np.zeros(0, dtype=np.int64), none, np.zeros(0), none).largest_force() == 0.0
    forces = np.array([[0.0, 1.0, 0.0], [3.0, 0.0, 4.0]])
    assert Frame(0, np.array([1, 2]), forces, np.zeros(2), forces).largest_force() == 5.0


def test_wrong_monitors_are_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="every must be at least 1 step, not 0"):
        watching(every=0)(lambda frame: None)
    (tmp_path / "m.py").write_text("def watch(frame): pass\n")
    with pytest.raises(ValueError, match="defines no monitor watch: decorate a function of that name"):
        load_monitor(tmp_path / "m.py", "watch")
    (tmp_path / "m.py").write_text(WATCHER)
    assert isinstance(load_monitor(tmp_path / "m.py", "watch"), Monitor)
