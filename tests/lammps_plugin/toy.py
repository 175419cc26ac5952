"""Models of NumPy for `mliap unified`, decks of LAMMPS that measure them, and what the decks print."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

SCRIPTS = Path(sys.prefix) / "bin"
TIMEOUT = 600  # seconds: what hangs fails
RELATIVE, ABSOLUTE = 1e-10, 1e-10  # sums in another order; bar, eV, eV/Å

MODEL = '''
import os
import numpy as np


class LennardJones:
    """lj/cut for several elements, one epsilon each, mixed geometrically; all of one sigma."""

    ndescriptors = 1
    nparams = 1

    def __init__(self, elements=("Ar", "Kr"), epsilon=(0.01, 0.02), sigma=3.4, cutoff=7.0):
        self.element_types, self.epsilon, self.sigma = list(elements), np.array(epsilon), sigma
        self.rcutfac = cutoff / 2

    def compute_descriptors(self, data):
        pass

    def compute_gradients(self, data):
        pass

    def compute_forces(self, data):
        ielems = np.repeat(data.ielems, data.numneighs)
        epsilon = np.sqrt(self.epsilon[ielems] * self.epsilon[data.jelems])
        r2 = np.sum(data.rij**2, axis=1)
        s6 = (self.sigma**2 / r2) ** 3
        e = 2 * epsilon * (s6**2 - s6)  # half of the pair energy: the other half is the neighbor's
        dE = 2 * epsilon * (-12 * s6**2 + 6 * s6) / r2
        centers = np.repeat(np.arange(data.nlistatoms), data.numneighs)
        data.eatoms = np.bincount(centers, e, data.nlistatoms)
        data.energy = e.sum()
        data.update_pair_forces(dE[:, None] * data.rij)


class PairEnergy(LennardJones):
    """Writes forces itself, and energies through update_pair_energy."""

    def compute_forces(self, data):
        ielems = np.repeat(data.ielems, data.numneighs)
        epsilon = np.sqrt(self.epsilon[ielems] * self.epsilon[data.jelems])
        r2 = np.sum(data.rij**2, axis=1)
        s6 = (self.sigma**2 / r2) ** 3
        fij = (2 * epsilon * (-12 * s6**2 + 6 * s6) / r2)[:, None] * data.rij
        np.add.at(data.f, data.pair_i, fij)
        np.add.at(data.f, data.pair_j, -fij)
        data.update_pair_energy(4 * epsilon * (s6**2 - s6))


class Isolated(LennardJones):
    """With the energy e0 of an isolated atom."""

    def __init__(self, e0=-3.0, **others):
        super().__init__(**others)
        self.e0 = e0

    def compute_forces(self, data):
        super().compute_forces(data)
        data.eatoms = data.eatoms + self.e0
        data.energy = data.eatoms.sum()


class Nothing(LennardJones):
    def compute_forces(self, data):
        data.energy = 0.0


class Checks(LennardJones):
    """Looks at everything the contract lists."""

    def compute_forces(self, data):
        n, pairs, total = data.nlistatoms, data.npairs, data.ntotal
        shapes = dict(rij=(pairs, 3), f=(total, 3), eatoms=(n,), elems=(total,))
        shapes |= dict.fromkeys(("pair_i", "pair_j", "jatoms", "jelems"), (pairs,))
        shapes |= dict.fromkeys(("iatoms", "ielems", "numneighs"), (data.natomneigh,))
        for name, shape in shapes.items():
            array = getattr(data, name)
            assert array.shape == shape, (name, array.shape, shape)
            assert array.dtype == ("f8" if name in ("rij", "f", "eatoms") else "i4"), name
            assert array.flags.c_contiguous and array.flags.writeable, name
            assert pairs == 0 or name == "f" or np.shares_memory(array, getattr(data, name)), name
        assert (data.nelements, data.ndescriptors, data.nparams) == (len(self.element_types), 1, 1)
        assert data.nneigh_max >= pairs and data.nlocal >= n and total >= data.nlocal
        assert isinstance(data.eflag, int) and isinstance(data.vflag, int)
        assert np.all(np.linalg.norm(data.rij, axis=1) < 2 * self.rcutfac)
        assert np.all(np.diff(data.pair_i) >= 0)
        assert np.array_equal(data.pair_i, np.repeat(data.iatoms, data.numneighs))
        assert np.array_equal(data.jelems, data.elems[data.pair_j])
        assert np.array_equal(data.ielems, data.elems[data.iatoms])
        if data.vflag:
            self.refuses(data)
        self.kept = data
        super().compute_forces(data)

    def refuses(self, data):
        for function, wrong in ((data.update_pair_forces, np.zeros(2)), (data.update_pair_energy, np.zeros((3, 3)))):
            try:
                function(wrong)
            except ValueError as error:
                assert "needs an array of shape" in str(error)
            else:
                raise AssertionError("a wrong shape was taken")

    def compute_gradients(self, data):
        assert data.energy == 0.0 and not data.eatoms.any()


class With(LennardJones):
    def __init__(self, **attributes):
        super().__init__()
        vars(self).update(attributes)


class Late(LennardJones):
    """Uses what is no longer there."""

    def compute_descriptors(self, data):
        if hasattr(self, "kept"):
            self.kept.npairs  # the same object, in another call
            self.rij.sum()
        self.kept, self.rij = data, data.rij


class Fails(LennardJones):
    """On one rank, or on all, in the step number `calls`."""

    def __init__(self, rank=None, calls=1):
        super().__init__()
        self.rank, self.calls = rank, calls

    def compute_forces(self, data):
        self.calls -= 1
        mine = int(os.environ.get("PMI_RANK", "0"))
        if self.calls <= 0 and self.rank in (None, mine):
            raise RuntimeError(f"{{this}} is %s of rank {mine}")
        super().compute_forces(data)


class FailsToLoad(Fails):
    def __setstate__(self, state):
        vars(self).update(state)
        if os.environ.get("PMI_RANK") == "1":
            raise RuntimeError("not on this rank")
'''

LJ_CUT = """
pair_style lj/cut 7.0
pair_coeff 1 1 0.01 3.4
pair_coeff 2 2 0.02 3.4
pair_coeff 1 2 $(sqrt(0.0002)) 3.4
"""
UNIFIED = "pair_style mliap unified {} 0\npair_coeff * * Ar Kr\n"

SETTINGS = """
units metal
atom_style atomic
newton on
"""
FCC = """
lattice fcc 5.3
region box block 0 4 0 4 0 4
create_box 2 box
create_atoms 1 box
set type 1 type/fraction 2 0.4 7
displace_atoms all random 0.4 0.4 0.4 11 units box
mass * 40.0
"""
TRICLINIC = FCC.replace("block 0 4 0 4 0 4", "prism 0 4 0 4 0 4 0.7 0.3 -0.4")
# A few atoms in a large box: pairs, one isolated atom, and ranks with nothing.
SPARSE = """
region box block 0 80 0 40 0 40
create_box 2 box
create_atoms 1 single 10 10 10
create_atoms 2 single 13.5 10.4 11
create_atoms 1 single 12 13 9
create_atoms 2 single 30 30 30
mass * 40.0
"""
SLAB = "boundary p p f\n" + FCC.replace("0 4\ncreate_box", "-2 6\ncreate_box").replace(
    "create_atoms 1 box", "region half block 0 4 0 4 0 2\ncreate_atoms 1 region half"
)
SYSTEMS = {"fcc": FCC, "triclinic": TRICLINIC, "slab": SLAB, "sparse": SPARSE}

MEASURE = """
compute energy all pe/atom
compute stress all stress/atom NULL
thermo_style custom step pe pxx pyy pzz pxy pxz pyz
thermo_modify format float %.16g
dump result all custom 1 {dump} x y z fx fy fz c_energy c_stress[1] c_stress[2] c_stress[3] &
  c_stress[4] c_stress[5] c_stress[6]
dump_modify result format float %.16g
run 0
"""


class Result(NamedTuple):
    thermo: np.ndarray
    """pe, pressure tensor"""
    atoms: np.ndarray
    """(atom, [position, force, energy, stress]), in an order that the number of ranks, unlike the ids, leaves alone"""
    output: str


class Run(NamedTuple):
    status: int
    output: str


def thermo_of(output: str) -> np.ndarray:
    """Rows of the thermo tables."""
    tables = re.findall(r"^ *Step .*\n((?: *[-\d.]+.*\n)+)", output, re.MULTILINE)
    return np.array([line.split() for table in tables for line in table.splitlines()], float)


def assert_same(result: Result, expected: Result):
    np.testing.assert_allclose(result.thermo, expected.thermo, RELATIVE, ABSOLUTE * np.abs(expected.thermo).max())
    for column in range(expected.atoms.shape[1]):
        largest = np.abs(expected.atoms[:, column]).max()
        np.testing.assert_allclose(result.atoms[:, column], expected.atoms[:, column], RELATIVE, ABSOLUTE * largest)
