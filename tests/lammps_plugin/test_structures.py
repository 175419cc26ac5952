"""run_md takes what ASE's Atoms may be: flat molecules, layers, chains, one atom, isotopes, constraints; or says no."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

import ase.build
import numpy as np
import pytest
from ase import Atoms, units
from ase.constraints import FixAtoms, FixBondLength, FixCartesian, FixCom
from ase.io.jsonio import decode
from ase.md.verlet import VelocityVerlet

from acnn.potential import Potential
from acnn.testing import evaluate, random_model
from ase_calculator import ACNNCalculator
from lammps_plugin.constraints import Constraints
from lammps_plugin.structures import MOST_TYPES, load_atoms

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
finally:
    sys.path.pop(0)

AGREEMENT = 1e-10  # of energies, relative
CONSTANTS = 1e-5  # LAMMPS has its own Boltzmann constant and unit of mass
STEPS = 10  # of 0.2 fs
FIXED = 1e-12  # Å, over all steps


def model() -> Potential:
    return random_model(["H", "C", "Si"], seed=1, order=2, degree=5.0, cutoff=4.0)


def chain(axis: int) -> Atoms:
    cell, positions = np.zeros((3, 3)), np.zeros((8, 3))
    cell[axis, axis], positions[:, axis] = 10.4, 1.3 * np.arange(8)
    return Atoms("C8", positions, cell=cell, pbc=[k == axis for k in range(3)])


def crystal() -> Atoms:
    atoms = ase.build.bulk("Si", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.positions += 1.0
    return atoms


def slab(axis: int) -> Atoms:
    """Its vacuum is not at right angles to the layers."""
    atoms = ase.build.bulk("Si") * 3
    atoms.pbc = [k != axis for k in range(3)]
    return atoms


def held(*constraints: object) -> Atoms:
    atoms = crystal()
    atoms.set_constraint(list(constraints))
    return atoms


def turned(*constraints: object) -> Atoms:
    atoms = held(*constraints)
    atoms.rotate(30, "z", rotate_cell=True)
    return atoms


def moving(atoms: Atoms, velocities: object) -> Atoms:
    atoms.set_velocities(np.broadcast_to(np.asarray(velocities, dtype=float), (len(atoms), 3)))
    return atoms


def deuterated() -> Atoms:
    atoms = ase.build.molecule("C2H6")
    masses = atoms.get_masses()
    masses[[2, 3]] = 2.014, 3.016
    atoms.set_masses(masses)
    return moving(atoms, np.random.default_rng(0).normal(scale=0.01, size=(8, 3)))


STRUCTURES = {
    "planar molecule": ase.build.molecule("C6H6"),
    "linear molecule": ase.build.molecule("C2H2"),
    "two atoms": Atoms("H2", [[3, 4, 5], [3, 4.5, 5.5]]),
    "monolayer": ase.build.graphene("CC", a=2.46, size=(2, 2, 1)),
    "monolayer with vacuum": ase.build.graphene("CC", a=2.46, size=(2, 2, 1), vacuum=6.0),
    "chain along x": chain(0),
    "chain along y": chain(1),
    "chain along z": chain(2),
    "slab in yz": slab(0),
    "slab in xz": slab(1),
    "slab in xy": slab(2),
}
CONSTRAINED = {
    "held": held(FixAtoms([0, 1]), FixCartesian([2, 3, 6], (True, False, True))),
    "center": moving(held(FixCom()), 0.01),
    "rest": moving(crystal(), 0.0),
    "isotopes": deuterated(),
    "one atom": Atoms("Si", [[1, 2, 3]]),
    "one atom on its way": moving(Atoms("Si", [[1, 2, 3]]), [0.01, 0.0, -0.02]),
}
RUNS = [
    *((name, atoms, {}) for name, atoms in STRUCTURES.items()),
    ("held nvt", CONSTRAINED["held"], {}),
    ("held nve", CONSTRAINED["held"], {"ensemble": "nve"}),
    ("center nvt", CONSTRAINED["center"], {}),
    ("center npt", held(FixCom()), {"ensemble": "npt", "barostat_time": 50.0}),
    ("rest nvt", CONSTRAINED["rest"], {}),
    ("rest nve", CONSTRAINED["rest"], {"ensemble": "nve"}),
    ("0 K", crystal(), {"ensemble": "nve", "temperature": 0.0}),
    ("isotopes", CONSTRAINED["isotopes"], {"ensemble": "nve"}),
    ("one atom", CONSTRAINED["one atom"], {"ensemble": "nve"}),
    ("one atom on its way", CONSTRAINED["one atom on its way"], {"ensemble": "nve"}),
]
REFUSED = {
    "length": (held(FixBondLength(0, 1)), {}, "supports FixAtoms, FixCartesian and FixCom, not FixBondLengths"),
    "both": (held(FixAtoms([0]), FixCom()), {}, "FixCom cannot be combined with FixAtoms or FixCartesian"),
    "all": (held(FixAtoms(range(8))), {}, "every atom is held: there is nothing to move"),
    "cell": (held(FixAtoms([0])), {"ensemble": "npt"}, "npt moves every atom with the cell"),
    "turned": (turned(FixCartesian([0], (True, False, False))), {}, "FixCartesian needs LAMMPS' axes"),
    "one": (Atoms("Si"), {}, "nvt needs a temperature, but all free atoms move as one"),
    "order": (
        "heavy.data",
        {"elements": ["C", "Si"]},
        "type 2 of heavy.data has the mass 12.011 of C, but elements says",
    ),
    "nowhere": (Atoms("Si", [[0, 0, np.nan]]), {}, "a position is infinite or not a number"),
    "no vector": (
        Atoms("Si", cell=[3, 3, 0], pbc=True),
        {},
        "periodic along a direction in which its cell has no vector",
    ),
}
HEAVY = """
2 atoms
2 atom types
0 9 xlo xhi
0 9 ylo yhi
0 9 zlo zhi

Masses

1 2.014  # D
2 12.011

Atoms # atomic

1 1 1.0 1.0 1.0
2 2 2.0 1.0 1.5
"""
SCRIPT = """
import sys
from pathlib import Path
from ase.io.jsonio import encode
sys.path.insert(0, {tests!r})
import test_structures as t
from lammps_plugin import run_md
model, found = t.model(), {{}}
settings = dict(steps=t.STEPS, timestep=0.2, thermo_every=t.STEPS // 2, progress=False)
for name, atoms, more in t.RUNS:
    result = run_md(atoms, model, **(settings | more))
    found[name] = result.thermo, result.atoms
run_md(t.CONSTRAINED["held"], model, restart="held.restart", **settings)
result = run_md("held.restart", model, elements=["Si"], **settings)
found["restarted"] = result.thermo, result.atoms
result = run_md("heavy.data", model, elements=["H", "C"], ensemble="nve", **settings)
found["data file"] = result.thermo, result.atoms
for name, (atoms, more, _) in t.REFUSED.items():
    try:
        run_md(atoms, model, **(settings | more))
    except ValueError as error:
        found[name] = str(error)
if result.atoms is not None:
    Path("found.json").write_text(encode(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Thermo and last structure of every run, on two ranks."""
    if cases.module().missing:
        pytest.skip(cases.module().missing)
    folder = tmp_path_factory.mktemp("structures")
    (folder / "run.py").write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    (folder / "heavy.data").write_text(HEAVY)
    cases.in_python("run.py", folder=folder, ranks=2)
    return decode((folder / "found.json").read_text())


@pytest.mark.parametrize("name", STRUCTURES)
def test_flat_and_thin_structures(found, name):
    thermo, last = found[name]
    potential = model()
    for atoms, row in ((STRUCTURES[name], 0), (last, -1)):
        energy = float(evaluate(potential, [atoms]).energies[0])
        assert thermo["potential_energy"][row] == pytest.approx(energy, rel=AGREEMENT)
    assert thermo["temperature"][0] == pytest.approx(300.0)
    assert (
        np.abs(last.positions - STRUCTURES[name].positions).max() > 1e-4 or last.pbc.sum() > 1
    )  # others may be turned


@pytest.mark.parametrize("name", ["held nvt", "held nve", "restarted"])
def test_held_atoms_stay_and_the_temperature_is_that_of_the_others(found, name):
    thermo, last = found[name]
    moved = last.positions - CONSTRAINED["held"].positions
    assert np.abs(moved[[0, 1]]).max() < FIXED
    assert np.abs(moved[[2, 3, 6]][:, [0, 2]]).max() < FIXED
    assert np.abs(moved[[2, 3, 6], 1]).min() > 1e-4
    assert np.abs(moved[[4, 5, 7]]).min() > 1e-5
    assert [type(c) for c in last.constraints] == [FixCartesian, FixAtoms]
    assert [c.index.tolist() for c in last.constraints] == [[2, 3, 6], [0, 1]]
    if name != "restarted":
        assert thermo["temperature"][0] == pytest.approx(300.0)
    assert thermo["temperature"][-1] == pytest.approx(last.get_temperature(), rel=CONSTANTS)
    if name == "held nve":
        assert np.ptp(thermo["total_energy"]) < 1e-4


@pytest.mark.parametrize("name", ["center nvt", "center npt"])
def test_the_center_of_mass_stays(found, name):
    _, last = found[name]
    assert np.abs(last.get_center_of_mass() - crystal().get_center_of_mass()).max() < 1e-10
    assert (np.abs(last.cell.lengths() - crystal().cell.lengths()).max() > 1e-4) == (name == "center npt")
    assert np.abs(last.get_momenta().sum(axis=0)).max() < 1e-10
    assert [type(c) for c in last.constraints] == [FixCom]


def test_what_is_at_rest_is_woken_by_a_thermostat_only(found):
    assert found["rest nvt"][0]["temperature"][0] == pytest.approx(300.0)
    for name in ("rest nve", "0 K"):
        thermo, last = found[name]
        assert thermo["temperature"][0] == 0.0
        kinetic = thermo["temperature"][-1] * units.kB * 1.5 * (len(last) - 1)
        assert kinetic == pytest.approx(-np.diff(thermo["potential_energy"][[0, -1]])[0], rel=1e-3)
        assert kinetic > 1e-4


def test_isotopes_move_with_their_masses_as_in_ase(found):
    thermo, last = found["isotopes"]
    atoms = deuterated()
    assert np.array_equal(last.get_masses(), atoms.get_masses())
    assert thermo["temperature"][0] * 1.5 * 7 * units.kB == pytest.approx(atoms.get_kinetic_energy(), rel=CONSTANTS)
    atoms.calc = ACNNCalculator(model())
    VelocityVerlet(atoms, timestep=0.2 * units.fs).run(STEPS)
    assert np.abs(last.positions - atoms.positions).max() < CONSTANTS
    assert np.abs(last.get_velocities() - atoms.get_velocities()).max() < CONSTANTS


def test_masses_of_a_data_file_are_kept(found):
    assert found["data file"][1].get_masses().tolist() == [2.014, 12.011]
    assert found["data file"][0]["temperature"][0] == pytest.approx(300.0)


def test_one_atom_keeps_its_velocity(found):
    thermo, last = found["one atom"]
    assert thermo["total_energy"] == pytest.approx(float(evaluate(model(), [Atoms("Si")]).energies[0]))
    assert np.array_equal(last.positions, [[1, 2, 3]])
    thermo, last = found["one atom on its way"]
    way = 0.2 * STEPS * units.fs * np.array([0.01, 0.0, -0.02])
    assert last.positions[0] - [1, 2, 3] == pytest.approx(way, rel=CONSTANTS)
    kinetic = thermo["total_energy"] - thermo["potential_energy"]
    assert kinetic == pytest.approx(CONSTRAINED["one atom on its way"].get_kinetic_energy(), rel=CONSTANTS)


def test_what_cannot_be_meant_is_a_sentence(found):
    for name, (_, _, sentence) in REFUSED.items():
        assert sentence in found[name], name


def test_many_masses_are_refused():
    atoms = Atoms(f"H{MOST_TYPES + 1}", positions=np.zeros((MOST_TYPES + 1, 3)), masses=np.arange(1, MOST_TYPES + 2))
    with pytest.raises(ValueError, match="the atoms have 1001 different masses, but run_md supports at most 1000"):
        load_atoms(None, atoms, 5.0)


def test_groups_of_many_atoms_are_short():
    constraints = Constraints(np.zeros((4000, 3), dtype=bool), center=True)
    constraints.held[:1500] = True
    constraints.held[1600::2] = [True, False, False]
    x, xyz, center = [list(group) for _, group in groupby(constraints.commands(), key=lambda line: line.split()[1])]
    assert xyz == ["group acnn_held_xyz id 1:1500"]
    assert [line.split()[-1] for line in x] == ["2599:2599", "3599:3599", "3999:3999"]
    assert center == ["group acnn_center empty"]
