"""What `neigh_modify exclude` keeps from all others brings nothing, the energy of an isolated atom neither."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
try:
    from toy import FCC, MEASURE, SETTINGS, UNIFIED, thermo_of
finally:
    sys.path.pop(0)

GROUP = "group gone id 5 6 7 100 250\n"
WARNING = "neigh_modify exclude takes away neighbors that the model needs"


def measured(lammps, tmp_path, deck: str, ranks: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Energy and pressures, and rows of atoms sorted by id: id, force, energy."""
    dump = tmp_path / "result.dump"
    settings = SETTINGS.replace("atomic", "atomic\natom_modify map array")
    columns = MEASURE.replace("x y z fx", "id fx").replace("dump_modify result", "dump_modify result sort id")
    done = lammps(settings + FCC + deck + columns.format(dump=dump), ranks)
    assert done.status == 0, done.output
    assert WARNING not in done.output
    return thermo_of(done.output)[-1, 1:], np.loadtxt(dump, skiprows=9)[:, :5]


TYPE = "neigh_modify exclude type 2 1\nneigh_modify exclude type 2 2\n"
DELETE = "delete_atoms group gone compress no\n"


@pytest.mark.parametrize(
    ("exclusion", "deletion", "ranks"),
    [
        (GROUP + "neigh_modify exclude group gone all\n", GROUP + DELETE, 2),
        (GROUP + "neigh_modify exclude group all gone\n", GROUP + DELETE, 1),
        (TYPE, "group gone type 2\n" + DELETE, 2),
    ],
    ids=["group", "all", "type"],
)
def test_excluded_is_as_deleted(lammps, model, tmp_path, exclusion, deletion, ranks):
    potential = UNIFIED.format(model("Isolated()"))
    thermo, atoms = measured(lammps, tmp_path, exclusion + potential, ranks)
    expected, remaining = measured(lammps, tmp_path, deletion + potential)
    thermo[1:], expected[1:] = 0.0, 0.0  # pressures have the temperature of another number of atoms
    np.testing.assert_allclose(thermo, expected, 1e-12)
    gone = ~np.isin(atoms[:, 0], remaining[:, 0])
    assert gone.sum() >= 5
    assert np.all(atoms[gone, 1:] == 0.0)
    np.testing.assert_allclose(atoms[~gone], remaining, 1e-9, 1e-9)


PARTIAL = ["type 1 2", "group gone gone", "molecule/intra all", "group gone rest"]


def test_a_partial_exclusion_is_a_warning(lammps, model):
    """The atoms stay centers, without some of their neighbors."""
    decks = [
        SETTINGS.replace("atomic", "molecular") + FCC + GROUP + "group rest subtract all gone\n"
        f"neigh_modify exclude {partial}\n" + UNIFIED.format(model("Isolated()")) + "run 0\nrun 0\n"
        for partial in PARTIAL
    ]
    done = lammps("clear\n".join(decks))
    assert done.status == 0, done.output
    assert done.output.count(WARNING) == len(PARTIAL)


N, SIDE, T = 30, 20.0, 1000.0  # mean number of atoms of an ideal gas, Å, K
BOLTZMANN, PLANCK, MVV2E = 8.617343e-5, 4.135667403e-3, 1.0364269e-4  # LAMMPS' own, units metal
GAS = f"""
region box block 0 {SIDE} 0 {SIDE} 0 {SIDE}
create_box 2 box
create_atoms 1 single 1 1 1
mass * 40.0
"""
EXCHANGE = """
fix 1 all gcmc 1 20 0 1 29494 {t} {mu:.15g} 0.1 full_energy
thermo_style custom step atoms pe
thermo 1
thermo_modify lost ignore
run 200
"""


def number_of_atoms(lammps, potential: str, mu: float) -> np.ndarray:
    """At every step, in equilibrium with a reservoir."""
    done = lammps(SETTINGS + GAS + potential + EXCHANGE.format(t=T, mu=mu))
    assert done.status == 0, done.output
    return thermo_of(done.output)[:, 1]


def test_the_density_of_an_ideal_gas(lammps, model):
    """That of p = n k T for E0 = 0, and the same, move by move, for E0 and a chemical potential shifted by E0."""
    wavelength = PLANCK / math.sqrt(2 * math.pi * 40.0 * MVV2E * BOLTZMANN * T)
    mu = BOLTZMANN * T * math.log(N * wavelength**3 / SIDE**3)
    with_e0 = model("Isolated(-0.2, epsilon=(0.0, 0.0))")
    without = number_of_atoms(lammps, UNIFIED.format(model("LennardJones(epsilon=(0.0, 0.0))", "free.pkl")), mu)
    blocks = without[21:].reshape(-1, 20).mean(axis=1)
    assert abs(blocks.mean() - N) < 4 * blocks.std(ddof=1) / math.sqrt(len(blocks))
    assert np.array_equal(number_of_atoms(lammps, UNIFIED.format(with_e0), mu - 0.2), without)
