"""What a model says of single atoms stands in LAMMPS where an input makes room for it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import ase.build
import numpy as np
import pytest

from acnn.data.dataset import LabeledStructure, Weights
from acnn.models.linear import LinearACE
from acnn.testing import random_crystal, with_random_committee
from acnn.uncertainty.grade import active_set_of
from ase_calculator import ACNNCalculator
from lammps_plugin import UnifiedPotential, save_unified
from lammps_plugin.host import UNITS_PER_EV, Host
from lammps_plugin.site_properties import SITE_PROPERTIES, site_property

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Case
    from fake import PlainData
finally:
    sys.path.pop(0)

AGREEMENT = 1e-9
ROOM = "acnn_energies_std"


def with_committee() -> LinearACE:
    """And with an active set, of rattled silicon."""
    model = with_random_committee(cases.model(), 3)
    crystals = [ase.build.bulk("Si", cubic=True) for _ in range(20)]
    for seed, atoms in enumerate(crystals):
        atoms.rattle(0.1, seed=seed)
    structures = [LabeledStructure(atoms, 0.0, None, None, "bulk", Weights(), "bulk") for atoms in crystals]
    model.active_set = active_set_of(model, structures)
    return model


def test_atoms_of_this_rank_that_are_listed_are_filled() -> None:
    model, atoms = with_committee(), random_crystal(cases.model().elements)
    expected = ACNNCalculator(model).get_property("energies_std", atoms)
    data = PlainData(atoms, model.cutoff, model.elements, local=range(6), listed=[4, 0, 2])
    data.rooms, data.eflag, data.units = {ROOM: np.full(6, 7.0)}, 1, "real"
    UnifiedPotential(model, n_ranks=2)._evaluate(data, UNITS_PER_EV["real"], None, data.rooms)
    filled = np.where(np.isin(np.arange(6), [4, 0, 2]), UNITS_PER_EV["real"] * expected[:6], 0.0)
    np.testing.assert_allclose(data.rooms[ROOM], filled, rtol=AGREEMENT)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(ValueError, match=r"d_acnn_charge, which this model cannot fill: choose from d_acnn_energies$"):
        site_property(cases.model(), "acnn_charge")
    assert site_property(with_committee(), ROOM).name == "energies_std"


def test_lammps_own_coupling_is_asked_for_what_there_is_room_for() -> None:
    room = np.zeros(3)
    lmp = SimpleNamespace(
        extract_atom=lambda name, nelem=0: room[:nelem] if name == f"d_{ROOM}" else None,
        extract_global=lambda _: "metal",
    )
    lmp.numpy = lmp
    host = Host(None)
    assert host.rooms(SimpleNamespace()) == {}
    host._lmp, host._rooms = lmp, [name for name in SITE_PROPERTIES if lmp.extract_atom(f"d_{name}") is not None]
    assert list(host.rooms(SimpleNamespace(nlocal=2))) == [ROOM]
    with pytest.raises(ValueError, match="run without -k on"):
        host.rooms(SimpleNamespace(nlocal=2, update_pair_forces_gpu=None))
    lmp.extract_atom = lambda name, nelem=0: None  # unfix
    assert host.rooms(SimpleNamespace(nlocal=2)) == {}


@pytest.mark.parametrize("ranks", [1, 2])
def test_in_lammps(ranks: int, tmp_path: Path) -> None:
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    model, case = with_committee(), Case("crystal", atoms, ("Si",))
    save_unified(model, tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    deck = cases.setup(case, "m.data") + cases.style(case, "m.mliap.pt")
    deck += f"fix room all property/atom d_{ROOM} d_acnn_energies d_acnn_gamma d_own\nrun 0\n"
    columns = f"d_{ROOM} d_acnn_energies d_acnn_gamma d_own"
    deck += f'write_dump all custom m.dump id {columns} modify sort id format float "%.15g"\n'
    deck += "fix wrong all property/atom d_acnn_charge\nrun 0\n"
    (tmp_path / "in.lammps").write_text(deck)
    done = launcher.run(tmp_path / "in.lammps", ranks)
    assert "choose from d_acnn_energies, d_acnn_energies_std" in done.stdout, done.stdout[-3000:]
    assert done.returncode != 0
    lines = re.search(r"ITEM: ATOMS [^\n]*\n(.*)", (tmp_path / "m.dump").read_text(), re.DOTALL)
    assert lines
    _, std, energies, gamma, own = np.array([line.split() for line in lines[1].splitlines()], float).T
    calculator = ACNNCalculator(model)
    np.testing.assert_allclose(std, calculator.get_property("energies_std", atoms), rtol=1e-7)
    np.testing.assert_allclose(gamma, calculator.get_property("gamma", atoms), rtol=1e-7)
    np.testing.assert_allclose(energies, calculator.get_property("energies", atoms), rtol=AGREEMENT)
    assert not own.any()


def test_a_run_ends_where_the_data_do(tmp_path: Path) -> None:
    """A crystal is compressed; the run stops, and the atoms outside the data are written."""
    launcher = cases.quickest()
    if launcher.missing:
        pytest.skip(launcher.missing)
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    model, case = with_committee(), Case("crystal", atoms, ("Si",))
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
