"""run_md: the structure that arrives in LAMMPS, its energy, the ensembles, and how ranks share the atoms."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ase
import ase.build
import ase.io
import numpy as np
import pytest

from acnn.io.model_file import save_model
from acnn.testing import evaluate, random_model, random_network
from lammps_plugin.simulation import Schedule

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
finally:
    sys.path.pop(0)

AGREEMENT = 1e-10  # relative
FILE_DIGITS = 1e-7  # relative, of an energy from positions with eight decimals
DRIFT = 1e-4  # eV per atom
CUTOFF = 4.0

# Prints on rank 0 what came of it; the last line is JSON.
DRIVER = """
import json, sys
import ase.io
import lammps_plugin
settings = json.loads(sys.argv[1])
settings["structure"] = ase.io.read(settings["structure"])
result = lammps_plugin.run_md(progress=False, **settings)
if result.atoms is not None:
    thermo = {name: list(column) for name, column in result.thermo.items()}
    ase.io.write(settings["trajectory"] + ".last.extxyz", result.atoms)
    print(json.dumps({"thermo": thermo, "atoms_per_rank": result.atoms_per_rank}))
"""


@pytest.fixture(scope="module")
def usable() -> None:
    """A LAMMPS in which the potentials run."""
    if cases.module().missing:
        pytest.skip(cases.module().missing)


@pytest.fixture(scope="module")
def model():
    return random_model(["Si", "C"], seed=1, order=2, degree=5.0, cutoff=CUTOFF)


def simulate(model, atoms: ase.Atoms, folder: Path, ranks: int = 1, **settings: object) -> dict:
    save_model(model, folder / "m.acnn")
    ase.io.write(folder / "start.extxyz", atoms)
    settings |= {"structure": str(folder / "start.extxyz"), "model": str(folder / "m.acnn")}
    settings.setdefault("trajectory", str(folder / "frames.lammpstrj"))
    found = json.loads(cases.in_python("-c", DRIVER, json.dumps(settings), folder=folder, ranks=ranks).splitlines()[-1])
    found["start"] = ase.io.read(folder / "start.extxyz")
    found["last"] = ase.io.read(settings["trajectory"] + ".last.extxyz")
    return found


def crystal() -> ase.Atoms:
    atoms = ase.build.bulk("SiC", "zincblende", a=4.4, cubic=True) * (3, 3, 3)
    atoms.rattle(0.03, seed=2)
    return atoms


def triclinic() -> ase.Atoms:
    atoms = ase.build.bulk("SiC", "zincblende", a=4.4) * (4, 3, 3)
    atoms.set_cell(atoms.cell @ (np.eye(3) + [[0.02, 0.1, 0], [0, 0.0, 0.15], [0.1, 0, 0]]), scale_atoms=True)
    atoms.rattle(0.03, seed=3)
    return atoms


def slab() -> ase.Atoms:
    atoms = ase.build.bulk("SiC", "zincblende", a=4.4, cubic=True) * (2, 2, 2)
    atoms.pbc = (True, True, False)
    atoms.rattle(0.03, seed=4)
    return atoms


def molecule() -> ase.Atoms:
    return ase.Atoms("SiC2Si", [[0, 0, 0], [1.9, 0, 0.1], [0, 1.8, 0.2], [1.7, 1.9, 0.9]])


@pytest.mark.parametrize("structure", [crystal, triclinic, slab, molecule])
def test_the_first_energy_is_that_of_the_model(usable, model, tmp_path, structure):
    atoms = structure()
    found = simulate(model, atoms, tmp_path, steps=0)
    expected = float(evaluate(model, [found["start"]]).energies[0])
    assert found["thermo"]["potential_energy"][0] == pytest.approx(expected, rel=AGREEMENT)
    assert sorted(found["last"].symbols) == sorted(atoms.symbols)
    assert float(evaluate(model, [found["last"]]).energies[0]) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("ranks", [1, 2])
def test_energy_is_conserved_on_any_number_of_ranks(usable, model, tmp_path, ranks):
    atoms = crystal()
    found = simulate(model, atoms, tmp_path, ranks, steps=60, ensemble="nve", timestep=0.5, thermo_every=20)
    thermo = found["thermo"]
    assert thermo["step"] == [0, 20, 40, 60]
    assert thermo["time"] == pytest.approx([0, 10, 20, 30])
    assert thermo["temperature"][0] == pytest.approx(300.0)
    assert np.ptp(thermo["total_energy"]) < DRIFT * len(atoms)
    assert len(found["atoms_per_rank"]) == ranks
    assert sum(found["atoms_per_rank"]) == len(atoms)
    assert min(found["atoms_per_rank"]) > 0.3 * len(atoms) / ranks  # everyone owns a share
    assert len(ase.io.read(tmp_path / "frames.lammpstrj", ":")) == 1


def test_attention_conserves_energy_too(usable, tmp_path):
    model = random_network(["Si", "C"], seed=1, channels=2)
    found = simulate(model, crystal(), tmp_path, 2, steps=40, ensemble="nve", timestep=0.25, thermo_every=10)
    expected = float(evaluate(model, [found["start"]]).energies[0])
    assert found["thermo"]["potential_energy"][0] == pytest.approx(expected, rel=AGREEMENT)
    assert np.ptp(found["thermo"]["total_energy"]) < DRIFT * len(crystal())
    assert np.ptp(found["thermo"]["potential_energy"]) > 10 * np.ptp(found["thermo"]["total_energy"])


def test_ranks_find_the_same_trajectory(usable, model, tmp_path):
    atoms = crystal()
    atoms.set_velocities(np.random.default_rng(5).normal(scale=0.01, size=(len(atoms), 3)))
    columns = []
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        folder.mkdir()
        found = simulate(model, atoms, folder, ranks, steps=10, ensemble="nve", thermo_every=5)
        columns.append(found["thermo"])
        energy = float(evaluate(model, [atoms]).energies[0]) + atoms.get_kinetic_energy()
        assert found["thermo"]["total_energy"][0] == pytest.approx(energy, rel=1e-6)  # LAMMPS' constants are its own
    for name, column in columns[0].items():
        assert columns[1][name] == pytest.approx(column, rel=1e-9), name


def test_npt_moves_the_cell(usable, model, tmp_path):
    found = simulate(model, crystal(), tmp_path, steps=20, ensemble="npt", barostat_time=100.0, thermo_every=10)
    volumes = found["thermo"]["volume"]
    assert volumes[-1] != pytest.approx(volumes[0], rel=1e-4)
    assert found["last"].get_volume() == pytest.approx(volumes[-1], rel=1e-6)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ensemble": "nvp"}, "ensemble must be nve, nvt or npt, not 'nvp'"),
        ({"timestep": 0.0}, "timestep must be positive and finite, not 0.0"),
        ({"timestep": float("inf")}, "timestep must be positive and finite, not inf"),
        ({"temperature": float("nan")}, "temperature must be positive and finite, not nan"),
        ({"temperature": 0.0}, "temperature must be positive and finite, not 0.0"),
        ({"pressure": float("nan")}, "pressure must be finite, not nan"),
        ({"seed": 0}, "seed must be at least 1, not 0"),
    ],
)
def test_wrong_settings_are_a_sentence(wrong, sentence):
    right = {"ensemble": "nvt", "temperature": 300.0, "pressure": 0.0, "timestep": 1.0}
    right |= {"thermostat_time": 100.0, "barostat_time": 1000.0, "seed": 1}
    with pytest.raises(ValueError, match=sentence):
        Schedule(**(right | wrong))


def test_npt_needs_a_period():
    schedule = Schedule("npt", 300.0, 0.0, 1.0, 100.0, 1000.0, 1)
    with pytest.raises(ValueError, match="npt needs a periodic direction"):
        schedule.commands([False, False, False])
    assert "iso 10000.0 10000.0 1.0" in Schedule("npt", 300.0, 1.0, 1.0, 100.0, 1000.0, 1).commands([True] * 3)[1]
