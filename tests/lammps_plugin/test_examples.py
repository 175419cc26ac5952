"""Every example of examples/lammps runs at a small size and gives physics: fit, input, plot, run from Python."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT

from ase_calculator import ACNNCalculator

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Launcher
finally:
    sys.path.pop(0)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "lammps"
sys.path.insert(0, str(EXAMPLES))
try:
    from flexible_water import FlexibleWater
finally:
    sys.path.pop(0)

LATTICE = 2e-3  # relative; of the model against the potential that labeled its data
ALLOY_ENERGY = 0.02  # eV per atom
WATER_ENERGY = 0.02  # eV per molecule
DRIFT = 1e-3  # eV per atom


@pytest.fixture(scope="module")
def lmp() -> Launcher:
    if cases.binary().missing:
        pytest.skip(cases.binary().missing)
    return cases.binary()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples, where they may write."""
    folder = tmp_path_factory.mktemp("examples") / "lammps"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(lmp: Launcher, folder: Path, name: str, ranks: int = 1, **variables: object) -> str:
    given = [word for key, value in variables.items() for word in ("-var", key, str(value))]
    done = cases.finished([*cases.on_ranks(ranks), *lmp.command, name, *given], folder, 300)
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def silicon(lmp: Launcher, folder: Path) -> Path:
    if cases.module().missing:
        pytest.skip(f"silicon is labeled by LAMMPS from Python: {cases.module().missing}")
    cases.in_python("fit.py", "silicon", "--quick", folder=folder)
    return folder


def test_thermal_expansion_is_that_of_the_labels(lmp, silicon):
    for potential in ("acnn", "sw"):
        run(lmp, silicon, "in.expansion", 2, n=2, steps=200, potential=potential)
    model, reference = (np.loadtxt(silicon / f"expansion.{potential}.dat") for potential in ("acnn", "sw"))
    assert model[:, 0].tolist() == [0, 300, 600, 900, 1200]
    assert model[0, 1] == pytest.approx(reference[0, 1], rel=LATTICE / 2)  # at rest
    assert model[:, 1] == pytest.approx(reference[:, 1], rel=2 * LATTICE)  # 0.2 ps
    cases.in_python("plot.py", "expansion", folder=silicon)
    assert (silicon / "expansion.png").stat().st_size > 0


def test_thermal_expansion_from_python(silicon):
    printed = cases.in_python(
        "expansion.py", "--n", "2", "--steps", "100", "--temperatures", "300", ranks=2, folder=silicon
    )
    assert "300 K: 5.4" in printed
    assert np.loadtxt(silicon / "expansion.python.dat")[1] == pytest.approx(5.43, rel=2 * LATTICE)


def test_a_watched_run_ends_at_a_large_force(lmp, silicon):
    coupling = "no" if lmp.plugin else "yes"
    printed = run(lmp, silicon, "in.monitor", n=2, steps=3000, hot=9000, python=coupling)
    assert ": the run ends" in printed
    last = ase.io.read(silicon / "monitor.lammpstrj", format="lammps-dump-text")
    assert np.linalg.norm(last.get_forces(), axis=1).max() > 10.0
    assert "the run ended at step 3000" not in printed


def test_a_run_ends_outside_the_data(lmp, silicon):
    if not lmp.plugin:
        pytest.skip("fix pair asks acnn's plugin")
    printed = run(lmp, silicon, "in.stop", n=2, steps=3000, hot=9000)
    step = int(re.search(r"the run ended at step (\d+)$", printed, re.MULTILINE)[1])
    assert 0 < step < 3000
    assert step % 10 == 0
    last = ase.io.read(silicon / "stop.lammpstrj", format="lammps-dump-text")
    grades = last.arrays["f_grades"].ravel()
    assert grades.max() > 10.0
    assert grades == pytest.approx(ACNNCalculator(silicon / "silicon.acnn").get_property("gamma", last), rel=0.01)


def test_frames_outside_the_data_are_collected(lmp, silicon):
    run(lmp, silicon, "in.collect", 2, n=2, steps=800, hot=9000)
    frames, atoms = (
        ase.io.read(silicon / f"collect{of}.lammpstrj", ":", format="lammps-dump-text") for of in ("", ".atoms")
    )
    outside = [frame.arrays["d_acnn_gamma"].ravel() for frame in frames]
    assert 0 < len(frames) < 41
    assert all(grades.max() > 2.0 for grades in outside)
    assert sum((grades > 2.0).sum() for grades in outside) == sum(map(len, atoms))


def test_the_alloy_has_the_energy_of_its_labels(lmp, folder):
    cases.in_python("fit.py", "alloy", "--quick", folder=folder)
    run(lmp, folder, "in.alloy", 2, n=3, steps=400)
    last = ase.io.read(folder / "alloy.lammpstrj", format="lammps-dump-text")
    assert last.get_chemical_formula() == "Al27Cu81"
    last.calc = EMT()
    energy = float((folder / "alloy.energy").read_text())
    assert energy == pytest.approx(last.get_potential_energy(), abs=ALLOY_ENERGY * len(last))
    _, kelvin, energies, volumes = np.loadtxt(folder / "alloy.dat").T
    assert kelvin[-1] > 500.0
    assert energies[-1] > energies[0]
    assert volumes[-5:].mean() == pytest.approx(13.5, rel=0.1)
    cases.in_python("plot.py", "alloy", folder=folder)


def test_water_stays_water_and_keeps_its_energy(lmp, folder):
    cases.in_python("fit.py", "water", "--quick", folder=folder)
    run(lmp, folder, "in.water", n=1, steps=1000)
    last = ase.io.read(folder / "water.lammpstrj", format="lammps-dump-text")
    assert len(last) == 24
    bonded = last.get_all_distances(mic=True)[np.ix_(last.symbols == "O", last.symbols == "H")] < 1.3
    assert (bonded.sum(axis=1) == 2).all()
    assert (bonded.sum(axis=0) == 1).all()
    time, energies, _ = np.loadtxt(folder / "water.dat").T
    assert time[-1] == pytest.approx(0.5)
    assert np.abs(energies - energies[0]).max() < DRIFT * len(last)
    cases.in_python("plot.py", "water", folder=folder)


def test_forces_and_stress_of_the_water_labels():
    """Against finite differences of the energy, in a cell that is not cubic."""
    rng = np.random.default_rng(0)
    water = molecules(rng)
    water.calc = FlexibleWater()
    forces, stress = water.get_forces(), water.get_stress(voigt=False)
    direction, step = rng.normal(size=forces.shape), 1e-5
    assert slope(water, step, lambda a, h: a.translate(h * direction)) == pytest.approx(
        -(forces * direction).sum(), rel=1e-5
    )
    strain = np.array([[0.3, 0.1, -0.2], [0.1, -0.5, 0.4], [-0.2, 0.4, 0.7]])
    strained = slope(water, step, lambda a, h: a.set_cell(a.cell.array @ (np.eye(3) + h * strain), scale_atoms=True))
    assert strained == pytest.approx((stress * strain).sum() * water.get_volume(), rel=1e-5)


def slope(atoms: Atoms, step: float, move) -> float:
    energies = []
    for h in (step, -step):
        moved = atoms.copy()
        move(moved, h)
        moved.calc = FlexibleWater()
        energies.append(moved.get_potential_energy())
    return (energies[0] - energies[1]) / (2 * step)


def molecules(rng: np.random.Generator) -> Atoms:
    """Eight, in a cell smaller than the range of the charges."""
    shape = np.array([[0.0, 0.0, 0.1], [0.0, 0.8, -0.5], [0.0, -0.75, -0.5]])
    places = 3.1 * np.stack(np.meshgrid(*[[0, 1]] * 3), axis=-1).reshape(-1, 3)
    positions = np.concatenate([place + shape @ np.linalg.qr(rng.normal(size=(3, 3)))[0] for place in places])
    cell = [[6.2, 0, 0], [0.4, 6.2, 0], [0.1, -0.3, 6.2]]
    return Atoms("OHH" * 8, positions + rng.normal(0, 0.02, positions.shape), cell=cell, pbc=True)
