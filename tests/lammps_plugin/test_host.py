"""A model knows the units of its LAMMPS, and which atoms LAMMPS tries to be without, whatever couples them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import ase.build
import numpy as np
import pytest

from acnn.io.model_file import save_model
from lammps_plugin import save_unified
from lammps_plugin.host import UNITS_PER_EV, Host, energy_unit, lammps_of

sys.path.insert(0, str(Path(__file__).parent))
try:
    import cases
    from cases import Case, Launcher
finally:
    sys.path.pop(0)

KCAL_PER_MOL = 23.060549  # per eV
BAR_PER_ATM = 1.01325
CONSTANTS = 2e-6  # the constants of LAMMPS' two unit styles fit each other so well


@pytest.mark.parametrize("units", ["lj", "electron", "si", "cgs", "micro", "nano"])
def test_units_in_which_lengths_are_not_angstrom_are_refused(units):
    with pytest.raises(
        ValueError, match=f"it needs 'units metal' or 'units real', but this LAMMPS has 'units {units}'"
    ):
        energy_unit(units)


def test_kcal_per_mol_are_those_of_lammps_constants():
    """By Boltzmann's constant, and by the force that gives a mass the same acceleration, in both unit styles."""
    assert UNITS_PER_EV["real"] == pytest.approx(0.0019872067 / 8.617343e-5, rel=CONSTANTS)
    assert UNITS_PER_EV["real"] == pytest.approx(48.88821291**2 / 1.0364269e-4 * 1e-6, rel=CONSTANTS)


def test_what_is_no_interface_leads_nowhere():
    class MLIAPUnifiedInterface:
        __slots__ = ("descriptor", "model", "unified_impl")

        def __init__(self) -> None:
            self.model = self.descriptor = self.unified_impl = 1.5

    for interface in (None, object(), MLIAPUnifiedInterface()):
        assert lammps_of(interface) is None
    assert Host(None).energy_unit(object()) == 1.0


# --- in LAMMPS --------------------------------------------------------------------------------------------------------


def crystal() -> Case:
    atoms = ase.build.bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return Case("crystal", atoms, ("Si",))


@pytest.fixture
def launcher() -> Launcher:
    found = cases.quickest()
    if found.missing:
        pytest.skip(found.missing)
    return found


MOVE = """\
timestep {timestep}
velocity all create 300 5 loop geom
compute energies all pe/atom pair
compute stresses all stress/atom NULL
compute total all reduce sum c_energies c_stresses[1]
thermo_style custom step pe ke press c_total[1] c_total[2]
thermo 10
thermo_modify format float %.12g
fix nve all nve
run 30
"""


def test_dynamics_in_units_real_are_those_in_units_metal_and_others_end_the_run(launcher, tmp_path):
    """Step, energies, pressure, and sums of energies and stresses of atoms."""
    case = crystal()
    save_unified(cases.model(), tmp_path / "m.mliap.pt")
    (tmp_path / "m.data").write_text(cases.data_file(case))
    decks = [
        cases.setup(case, "m.data").replace("metal", units)
        + cases.style(case, "m.mliap.pt")
        + MOVE.format(timestep=timestep)
        for units, timestep in (("metal", 0.001), ("real", 1.0), ("electron", 1.0))
    ]
    (tmp_path / "in.lammps").write_text("clear\n".join(decks))
    done = launcher.run(tmp_path / "in.lammps")
    tables = re.findall(r"^ *Step .*\n((?: *[-\d.]+.*\n)+)", done.stdout, re.MULTILINE)
    metal, real = (np.array([line.split() for line in table.splitlines()], float) for table in tables)
    assert len(metal) == 4
    units = [1.0, KCAL_PER_MOL, KCAL_PER_MOL, 1 / BAR_PER_ATM, KCAL_PER_MOL, 1 / BAR_PER_ATM]
    np.testing.assert_allclose(real, metal * units, CONSTANTS)
    assert done.returncode != 0
    assert "it needs 'units metal' or 'units real', but this LAMMPS has 'units electron'" in done.stdout


ATTEMPT = """
import mpi4py.MPI, lammps, lammps_plugin
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.file("in.setup")
lammps_plugin.attach(lmp, "m.acnn", ["Si"])
lmp.commands_string("compute energies all pe/atom pair\\ncompute sum all reduce sum c_energies")
lmp.commands_string("thermo_style custom step pe c_sum\\nrun 0")
atom = list(lmp.numpy.extract_atom("id")).index(7)
print("before", lmp.get_thermo("pe"), lmp.numpy.extract_compute("energies", 1, 1)[atom])
lmp.numpy.extract_atom("mask")[atom] = 2
lmp.command("run 0")
print("after", lmp.get_thermo("pe"))
"""


def test_an_atom_that_a_fix_takes_out_has_no_energy(tmp_path):
    """What fix gcmc does to an atom: it takes it from the group of all atoms.

    (And it excludes it from neighbor lists. The plugin goes by that: `test_exclusions`.)
    """
    launcher = cases.module()
    if launcher.missing or launcher.plugin:
        pytest.skip(launcher.missing or "this LAMMPS has no Python coupling of its own")
    save_model(cases.model(), tmp_path / "m.acnn")
    (tmp_path / "m.data").write_text(cases.data_file(crystal()))
    (tmp_path / "in.setup").write_text(cases.setup(crystal(), "m.data"))
    said = cases.in_python("-c", ATTEMPT, folder=tmp_path)
    energy, site_energy, without = map(float, re.search(r"before (.*) (.*)\nafter (.*)", said).groups())
    assert abs(site_energy) > 1e-4
    assert without == pytest.approx(energy - site_energy, rel=1e-12)


class Molecules:
    """A LAMMPS of three atoms, two of which a bond connects."""

    def __init__(self, *factors: float, numbers: object = ((1, 1, 1), (1, 1, 1), (0, 0, 0))) -> None:
        self.factors, self.numbers, self.numpy = [1.0, *factors], numbers, self

    def extract_global(self, name: str) -> list[float]:
        return {"special_lj": self.factors}[name]

    def extract_atom(self, name: str, nelem: int, dim: int) -> object:
        assert (name, nelem, dim) == ("nspecial", 3, 3)
        return None if self.numbers is None else np.array(self.numbers)


def test_bonds_must_leave_the_neighbors():
    """In LAMMPS' own coupling; the plugin's is `test_bonded`."""
    data, host = SimpleNamespace(nlocal=3), Host(None)
    for lmp in (
        None,
        Molecules(1, 1, 1),
        Molecules(0, 0, 0, numbers=None),
        Molecules(0, 0, 0, numbers=np.zeros((3, 3))),
    ):
        host._lmp = lmp
        host.require_bonded_neighbors(data)
    for factors in ((0, 0, 0), (1, 1, 0.5)):
        host._lmp = Molecules(*factors)
        with pytest.raises(ValueError, match="add the line 'special_bonds lj/coul 1 1 1'"):
            host.require_bonded_neighbors(data)
