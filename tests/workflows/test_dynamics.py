"""acnn md: the physics of its ensembles, what is watched, and runs that are killed and go on."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner, Result

from acnn.cli.main import app
from acnn.data.dataset import LabeledStructure, Weights
from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from acnn.uncertainty.grade import active_set_of
from acnn.workflows.dynamics import Protocol, columns, run_dynamics
from acnn.workflows.run_files import RunFiles


def copper(size: int = 2) -> Atoms:
    atoms = bulk("Cu", cubic=True, a=3.62) * size
    atoms.calc = EMT()
    return atoms


def test_nve_conserves_energy() -> None:
    found = columns(run_dynamics(copper(), Protocol("nve", (600.0, 600.0), steps=100, timestep=2.0)).records)
    assert np.ptp(found["total"]) < 0.05 * np.ptp(found["potential"])
    assert found["time"][-1] == pytest.approx(0.2)


def test_nvt_reaches_its_temperature() -> None:
    found = columns(run_dynamics(copper(), Protocol("nvt", (500.0, 500.0), steps=400, timestep=4.0)).records)
    assert found["temperature"][10:].mean() == pytest.approx(500, rel=0.2)


@pytest.mark.slow
def test_npt_reaches_its_pressure() -> None:
    atoms = copper()
    atoms.set_cell(1.02 * atoms.cell, scale_atoms=True)
    found = columns(run_dynamics(atoms, Protocol("npt", (300.0, 300.0), pressure=5.0, steps=500, timestep=4.0)).records)
    assert found["pressure"][-20:].mean() == pytest.approx(5.0, abs=2.0)
    assert found["volume"][-1] < found["volume"][0]
    np.testing.assert_allclose(atoms.cell.angles(), 90.0)
    with pytest.raises(ValueError, match="periodic in three directions"):
        run_dynamics(Atoms("Cu2", [[0, 0, 0], [2, 0, 0]], calculator=EMT()), Protocol("npt"))


def test_a_temperature_rises_in_steps() -> None:
    protocol = Protocol("nvt", (100.0, 900.0), steps=400, timestep=4.0)
    found = columns(run_dynamics(copper(), protocol).records)
    assert found["temperature"][:8].mean() < 350 < 500 < found["temperature"][-8:].mean()
    assert [protocol.temperature(step) for step in (0, 200, 400, 500)] == [100, 500, 900, 900]


def test_momenta_that_there_are_are_kept() -> None:
    atoms = copper(1)
    atoms.set_momenta(np.full((4, 3), 1.0))
    energy = atoms.get_kinetic_energy()
    first = run_dynamics(atoms, Protocol("nve", steps=1, every=1)).records[0]
    assert first.total - first.potential == pytest.approx(energy / 4)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"halt": 3.0}, "limits of a monitored property"),
        ({"temperatures": (0.0, 300.0)}, "must be positive, not 0 and 300 K"),
        ({"temperatures": (-1.0, -1.0), "ensemble": "nve"}, "must be positive"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Protocol(**given)  # type: ignore[arg-type]


# --- watched ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> LinearACE:
    """Of silicon that is rattled by 0.1 Å."""
    model = random_model(["Si"], order=2, degree=5.0)
    crystals = [bulk("Si", cubic=True) for _ in range(20)]
    for seed, atoms in enumerate(crystals):
        atoms.rattle(0.1, seed=seed)
    model.active_set = active_set_of(
        model, [LabeledStructure(atoms, 0.0, None, None, "bulk", Weights(), "bulk") for atoms in crystals]
    )
    return model


@pytest.fixture
def folder(model: LinearACE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save_model(model, "si.acnn")
    ase.io.write("si.xyz", bulk("Si", cubic=True))
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200", "TERM": "dumb"})


HOT = ("md", "si.xyz", "si.acnn", "-o", "run", "--temperature", "100:20000", "--monitor", "gamma", "--every", 2)


def test_a_run_ends_where_the_data_do(folder: Path) -> None:
    done = run(*HOT, "--steps", 400, "--keep", 3, "--halt", 30)
    assert done.exit_code == 0, done.output
    assert "gamma of an atom is" in done.output
    rows = np.loadtxt("run.csv", delimiter=",", skiprows=1)
    assert rows[-1, -1] > 30
    assert (rows[:-1, -1] <= 30).all()
    frames, kept = ase.io.read("run.xyz", ":"), ase.io.read("run.keep.xyz", ":")
    assert len(frames) == len(rows)
    assert len(kept) == (rows[:, -1] > 3).sum() > 0
    assert kept[-1].arrays["acnn_gamma"].max() == pytest.approx(rows[-1, -1], rel=1e-6)
    assert (folder / "run.png").stat().st_size > 1000


def test_a_killed_run_goes_on(folder: Path, model: LinearACE) -> None:
    """What was written after the last state is cut off, and the momenta are those of the state."""
    assert run(*HOT, "--steps", 20).exit_code == 0
    before = [path.read_bytes() for path in RunFiles(Path("run")).all if path.is_file()]
    for path in (Path("run.csv"), Path("run.xyz")):
        path.write_bytes(path.read_bytes() + b"torn")
    assert run(*HOT, "--steps", 20, "--resume").exit_code == 0
    done = run(*HOT, "--steps", 40, "--resume")
    assert done.exit_code == 0, done.output
    steps = np.loadtxt("run.csv", delimiter=",", skiprows=1)[:, 0]
    assert set(steps) == set(range(0, 41, 2))
    assert Path("run.csv").read_bytes().startswith(before[0])
    assert [atoms.info["step"] for atoms in ase.io.read("run.xyz", ":")] == list(steps)


def test_what_cannot_run_is_refused(folder: Path) -> None:
    words = ("md", "si.xyz", "si.acnn", "-o", "run", "--steps", 2)
    for more, what in (
        (("--resume",), "there is no run to continue"),
        (("--monitor", "charge"), "no property 'charge'"),
        (("--monitor", "energy"), "no property of single atoms"),
        (("--halt", 3), "choose one to monitor"),
        (("--temperature", "hot"), "a number of K, or two"),
        (("--repeat", "2,2"), "three numbers"),
    ):
        done = run(*words, *more)
        assert done.exit_code == 2, done.output
        assert what in done.output


def test_a_structure_that_explodes_ends(folder: Path) -> None:
    atoms = bulk("Si", cubic=True)
    atoms.positions[0] = atoms.positions[1] + 0.4
    ase.io.write("si.xyz", atoms)
    done = run("md", "si.xyz", "si.acnn", "-o", "run", "--steps", 200, "--ensemble", "nve", "--every", 1)
    assert done.exit_code == 0, done.output
    assert "exploded" in done.output
