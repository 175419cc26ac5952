"""Dynamics in LAMMPS: a restarted run is the run that was never interrupted, and energy is conserved as in ASE."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase.build
import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from ase.md.verlet import VelocityVerlet

import acnn
from acnn.data.examples import write_silicon
from acnn.data.structures import set_thermal_momenta
from acnn.io.model_file import save_model
from acnn.models.linear import LinearACE
from acnn.testing import random_model
from ase_calculator import ACNNCalculator
from lammps_plugin import save_unified
from lammps_plugin.structures import is_restart, load_file

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Case, Launcher
finally:
    sys.path.pop(0)

ROUND_OFF = 1e-8
"""Å and eV, relative: what rounding grows to in some dozen steps."""
CONSTANTS = 1e-6
"""eV per atom: LAMMPS has its own Boltzmann constant and unit of mass."""
DRIFT = 2e-4
"""eV per atom and ps: a slope that one picosecond can tell from fluctuations."""
FLUCTUATION = 2e-4
"""eV per atom: of velocity Verlet with 1 fs."""


def model() -> LinearACE:
    return random_model(["Si"], seed=2, order=2, degree=5.0, cutoff=4.0)


def crystal() -> Atoms:
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.02, seed=1)
    set_thermal_momenta(atoms, 300.0, np.random.default_rng(0))
    return atoms


# --- restart ----------------------------------------------------------------------------------------------------------

MOVE = """\
timestep 0.0005
fix move all nvt temp 300 300 0.05
run {steps}
write_dump all custom "{name}.dump" id x y z vx vy vz modify sort id format float %.17g
print "$(step) $(pe:%.17g) $(etotal:%.17g)" file "{name}.energy"
"""
BEGIN = "velocity all create 300 1 loop geom\n"


@pytest.fixture(scope="module")
def module() -> Launcher:
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    return cases.module()


def run_deck(launcher: Launcher, text: str, folder: Path, ranks: int) -> None:
    path = folder / "in.lammps"
    path.write_text(text)
    done = launcher.run(path, ranks)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_restarted_input_continues(module, tmp_path, ranks):
    case = Case("crystal", crystal(), ("Si",))
    save_unified(model(), tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    style = cases.style(case, "m.mliap.pt")
    setup = cases.setup(case, "m.data") + style + BEGIN
    run_deck(module, setup + MOVE.format(steps=80, name="whole"), tmp_path, ranks)
    run_deck(module, setup + MOVE.format(steps=40, name="first") + "write_restart half.restart\n", tmp_path, ranks)
    again = "units metal\nnewton on\natom_modify map array\nread_restart half.restart\nneighbor 1.0 bin\n"
    run_deck(module, again + style + MOVE.format(steps=40, name="second"), tmp_path, ranks)
    whole, second = (np.loadtxt(tmp_path / f"{name}.dump", skiprows=9) for name in ("whole", "second"))
    edge = case.atoms.cell.lengths()
    difference = second - whole
    difference[:, 1:4] -= edge * np.round(difference[:, 1:4] / edge)
    assert np.abs(difference).max() < ROUND_OFF
    energies = [np.loadtxt(tmp_path / f"{name}.energy") for name in ("whole", "second")]
    assert energies[0] == pytest.approx(energies[1], rel=ROUND_OFF)
    assert energies[0][0] == 80


# Runs whole, first and second half; the last line on rank 0 is JSON.
HALVES = """
import json, sys
import ase.io, numpy as np
from lammps_plugin import run_md
settings = {"timestep": 0.5, "thermo_every": 20, "progress": False, "barostat_time": 200.0, "ensemble": sys.argv[1]}
atoms = ase.io.read("start.extxyz")
whole = run_md(atoms, "m.acnn", steps=80, **settings)
run_md(atoms, "m.acnn", steps=40, restart="half.restart", **settings)
second = run_md("half.restart", "m.acnn", elements=["Si"], steps=40, **settings)
if whole.atoms is not None:
    difference = second.atoms.get_scaled_positions() - whole.atoms.get_scaled_positions()
    print(json.dumps({
        "difference": float(np.abs(difference - np.round(difference)).max()),
        "velocities": float(np.abs(second.atoms.get_velocities() - whole.atoms.get_velocities()).max()),
        "masses": second.atoms.get_masses().tolist(),
        "whole": {name: list(column) for name, column in whole.thermo.items()},
        "second": {name: list(column) for name, column in second.thermo.items()},
    }))
"""


@pytest.mark.parametrize(("ranks", "ensemble"), [(1, "nve"), (2, "nvt"), (1, "npt"), (2, "npt")])
def test_run_md_continues_from_a_restart_file(module, tmp_path, ranks, ensemble):
    save_model(model(), tmp_path / "m.acnn")
    ase.io.write(tmp_path / "start.extxyz", crystal())
    script = tmp_path / "halves.py"
    script.write_text(HALVES)
    found = json.loads(of_python(script, tmp_path, ranks, ensemble))
    assert found["difference"] < ROUND_OFF
    assert found["velocities"] < ROUND_OFF
    assert found["second"]["step"] == [40, 60, 80]
    for name, column in found["whole"].items():
        assert found["second"][name] == pytest.approx(column[2:], rel=ROUND_OFF, abs=ROUND_OFF), name


def of_python(script: Path, folder: Path, ranks: int = 1, *arguments: str) -> str:
    """The last line."""
    return cases.in_python(str(script), *arguments, folder=folder, ranks=ranks).splitlines()[-1]


def test_files_that_cannot_be_read_are_a_sentence(tmp_path):
    (tmp_path / "m.data").write_text("a data file\n")
    assert not is_restart(tmp_path / "m.data")
    with pytest.raises(ValueError, match=r"elements must give the element of every atom type of m\.restart"):
        load_file(None, tmp_path / "m.restart", None)
    with pytest.raises(ValueError, match="there is no data or restart file"):
        load_file(None, tmp_path / "m.restart", ["Si"])


# --- constant energy --------------------------------------------------------------------------------------------------

NVE = """
import json
import ase.io
from lammps_plugin import run_md
result = run_md(ase.io.read("start.extxyz"), "m.acnn", steps=1000, ensemble="nve", thermo_every=10, progress=False)
print(json.dumps({name: list(column) for name, column in result.thermo.items()}))
"""


@pytest.fixture(scope="module")
def silicon(module: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was fitted: dynamics with random coefficients go where no energy is conserved."""
    folder = tmp_path_factory.mktemp("silicon")
    train, _ = write_silicon(folder, quick=True)
    data = acnn.read_dataset(train)
    specification = acnn.BasisSpecification(elements=("Si",), order=2, degree=8, cutoff=4.0)
    energies = acnn.isolated_atom_energies(data)
    fit = acnn.fit_linear(specification, data.structures, energies, acnn.BLR(), acnn.AlgebraicPrior())
    save_model(fit.model, folder / "m.acnn")
    return folder / "m.acnn"


def test_energy_is_conserved_for_a_picosecond_as_in_ase(silicon, tmp_path):
    start = ase.build.bulk("Si", a=5.43, cubic=True) * (2, 2, 2)
    set_thermal_momenta(start, 1000.0, np.random.default_rng(0))
    ase.io.write(tmp_path / "start.extxyz", start)
    (tmp_path / "m.acnn").write_bytes(silicon.read_bytes())
    script = tmp_path / "nve.py"
    script.write_text(NVE)
    thermo = json.loads(of_python(script, tmp_path))
    in_lammps = np.array(thermo["total_energy"]) / len(start)
    in_ase = energies_in_ase(ase.io.read(tmp_path / "start.extxyz"), silicon, steps=1000) / len(start)
    assert 300.0 < np.mean(thermo["temperature"]) < 700.0
    assert in_lammps[0] == pytest.approx(in_ase[0], abs=CONSTANTS)
    for energies in (in_lammps, in_ase):
        picoseconds = 0.01 * np.arange(1, len(energies))
        assert abs(np.polyfit(picoseconds, energies[1:], 1)[0]) < DRIFT
        assert np.std(energies[1:]) < FLUCTUATION


def energies_in_ase(atoms: Atoms, model: Path, steps: int) -> np.ndarray:
    """Total energies every 10 steps of 1 fs, eV."""
    atoms.calc = ACNNCalculator(model)
    dynamics, energies = VelocityVerlet(atoms, timestep=units.fs), []
    for step in range(0, steps + 1, 10):
        dynamics.run(10 if step else 0)
        energies.append(atoms.get_total_energy())
    return np.array(energies)
