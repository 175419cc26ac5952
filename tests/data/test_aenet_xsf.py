"""XSF of aenet and ACNN: units, signs, molecules and animations, and what each error says."""

from __future__ import annotations

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.data import DatasetError, read_acnn_xsf, read_dataset, write_acnn_xsf
from acnn.failures import is_meant

CRYSTAL = """# total energy = -20.5 eV

VIRIAL
1 2 3 4 5 6 7 8 9
CRYSTAL
PRIMVEC
  4.0 0.0 0.0
  0.0 4.0 0.0
  0.0 0.0 5.0
PRIMCOORD
2 1
Ti 0.0 0.0 0.0  0.1 0.2 0.3
O  2.0 2.0 2.5 -0.1 -0.2 -0.3
"""
MOLECULE = """# total energy = -2.5 eV
ATOMS
H 0.0 0.0 0.0 0.0 0.0 1.0
1 0.0 0.0 0.7 0.0 0.0 -1.0
"""


def written(images) -> str:
    file = io.StringIO()
    write_acnn_xsf(file, images)
    return file.getvalue()


def results(atoms: Atoms) -> dict[str, object]:
    return {} if atoms.calc is None else atoms.calc.results


def assert_same(one: Atoms, other: Atoms) -> None:
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.pbc, other.pbc)
    np.testing.assert_allclose(one.positions, other.positions, atol=1e-9)
    np.testing.assert_allclose(one.cell.array, other.cell.array, atol=1e-9)
    assert results(one).keys() == results(other).keys()
    for key, value in results(one).items():
        np.testing.assert_allclose(value, results(other)[key], atol=1e-9)


def test_labels_of_a_crystal():
    (atoms,) = read_acnn_xsf(CRYSTAL)
    assert atoms.pbc.all()
    assert atoms.get_potential_energy() == -20.5
    np.testing.assert_array_equal(atoms.get_forces()[1], [-0.1, -0.2, -0.3])
    np.testing.assert_allclose(atoms.calc.results["stress"], -np.arange(1.0, 10.0).reshape(3, 3) / 80.0)


def test_the_virial_is_minus_the_derivative_of_the_energy(tmp_path):
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    atoms.calc = EMT()
    atoms.get_stress()

    def energy(strain):
        strained = atoms.copy()
        strained.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
        strained.calc = EMT()
        return strained.get_potential_energy()

    step = 1e-4 * np.diag([0.0, 1.0, 0.0])
    slope = (energy(step) - energy(-step)) / 2e-4
    path = tmp_path / "cu.xsf"
    path.write_text(written(atoms))
    assert float(path.read_text().split("VIRIAL")[1].split()[4]) == pytest.approx(-slope, abs=1e-4)
    (structure,) = read_dataset(path).structures
    assert structure.virial[1, 1] == pytest.approx(-slope, abs=1e-4)
    np.testing.assert_allclose(structure.forces, atoms.get_forces(), atol=1e-9)


def test_molecules():
    water = molecule("H2O")
    water.calc = SinglePointCalculator(water, energy=-14.0, forces=np.arange(9.0).reshape(3, 3))
    first, second = read_acnn_xsf(MOLECULE + written(water))
    assert not first.pbc.any()
    assert str(first.symbols) == "H2"
    assert first.get_potential_energy() == -2.5
    assert_same(second, water)


def test_slabs_keep_their_directions():
    slab = fcc111("Al", (1, 1, 3), vacuum=6.0)
    slab.pbc = (True, True, False)
    slab.calc = SinglePointCalculator(slab, energy=-1.0)
    assert_same(*read_acnn_xsf(written([slab, slab])))
    assert_same(read_acnn_xsf(written(slab))[0], slab)
    slab.pbc = (True, False, True)
    with pytest.raises(ValueError, match="other cell vectors than XSF knows"):
        written(slab)


def test_animations_may_share_a_cell():
    steps = "\n".join(
        f"# total energy = {energy} eV\nPRIMCOORD {step}\n1 1\nSi 0 0 {energy} 0 0 1"
        for step, energy in ((1, -5.0), (2, -6.0))
    )
    text = f"ANIMSTEPS 2\nCRYSTAL\nPRIMVEC\n5 0 0\n0 5 0\n0 0 5\nCONVVEC\n5 0 0\n0 5 0\n0 0 5\n{steps}\n"
    images = read_acnn_xsf(text)
    assert [atoms.get_potential_energy() for atoms in images] == [-5.0, -6.0]
    assert images[1].get_volume() == pytest.approx(125.0)
    with pytest.raises(ValueError, match="ANIMSTEPS announces 3 structures, the file has 2"):
        read_acnn_xsf(text.replace("ANIMSTEPS 2", "ANIMSTEPS 3"))


def test_labels_belong_to_the_structure_after_them():
    crystal, plain = read_acnn_xsf(CRYSTAL + "CRYSTAL" + CRYSTAL.split("CRYSTAL")[1])
    assert set(results(crystal)) == {"energy", "forces", "stress"}
    assert set(results(plain)) == {"forces"}


def test_round_trip_with_an_asymmetric_virial():
    images = read_acnn_xsf(CRYSTAL + MOLECULE)
    for one, other in zip(images, read_acnn_xsf(written(images)), strict=True):
        assert_same(one, other)


@pytest.mark.parametrize(
    "variant",
    [
        CRYSTAL.replace("\n", "\r\n"),
        CRYSTAL.replace(" ", "\t"),
        "# from a run\n" + CRYSTAL.replace("PRIMVEC", "# cell\nPRIMVEC").replace("0.3\nO", "0.3 # moved\n\nO"),
        CRYSTAL.replace("# total energy = -20.5 eV", "#Total Energy= -2.05E+01 eV."),
        CRYSTAL + "BEGIN_BLOCK_DATAGRID_3D\ndensity\n1 2 3\nEND_BLOCK_DATAGRID_3D\n",
        CRYSTAL.replace("VIRIAL\n1 2 3", "VIRIAL 1 2 3\n"),
    ],
    ids=["crlf", "tabs", "comments", "exponent", "grid", "virial-on-its-line"],
)
def test_variants_mean_the_same(variant):
    assert_same(read_acnn_xsf(variant)[0], read_acnn_xsf(CRYSTAL)[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (CRYSTAL.replace("eV", "Ry"), "line 1: the total energy is in Ry: only eV is read"),
        (
            CRYSTAL.replace("-20.5", "low"),
            "line 1: the total energy must be 1 number, not 'low'",
        ),
        (CRYSTAL.replace("4 5 6 7 8 9", ""), "VIRIAL must be 9 numbers"),
        (CRYSTAL.replace("PRIMVEC", "# "), "line 7: '4.0 0.0 0.0' is none of the words of XSF"),
        (CRYSTAL.replace("2 1\n", "3 1\n"), "the file ends where 3 atoms of PRIMCOORD should follow"),
        (CRYSTAL.replace("2 1\n", "two\n"), "the number of atoms must be a number of at least 1, not 'two'"),
        (CRYSTAL.replace("O  2.0", "Qq 2.0"), "'Qq' is not a chemical symbol"),
        (CRYSTAL.replace("-0.2 -0.3", ""), "each atom has 3 numbers, or 6 with forces, but those before have 4, 6"),
        (CRYSTAL.split("CRYSTAL")[0], "no coordinates follow the last energy or virial"),
        (CRYSTAL.replace("PRIMVEC", "CONVVEC"), "PRIMCOORD without PRIMVEC"),
        (CRYSTAL.replace("CRYSTAL", ""), "PRIMCOORD without CRYSTAL, SLAB or POLYMER"),
    ],
)
def test_each_error_is_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "bad.xsf"
    path.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        read_dataset(path)


def test_forces_of_xcrysden_are_in_hartree(tmp_path):
    """ASE's own files have no energy; their forces come out as they went in, through ASE."""
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=2)
    atoms.calc = EMT()
    atoms.get_forces()
    ase.io.write(tmp_path / "ase.xsf", atoms)
    np.testing.assert_allclose(read_dataset(tmp_path / "ase.xsf")[0].forces, atoms.get_forces(), atol=1e-9)
    with pytest.raises(ValueError, match="no '# total energy = … eV'"):
        read_acnn_xsf((tmp_path / "ase.xsf").read_text())


def test_ase_reads_the_geometry_of_what_is_written(tmp_path):
    (tmp_path / "x.xsf").write_text(written(read_acnn_xsf(CRYSTAL)[0]).split("CRYSTAL")[1].join(["CRYSTAL", ""]))
    again = ase.io.read(tmp_path / "x.xsf")
    np.testing.assert_allclose(again.positions, read_acnn_xsf(CRYSTAL)[0].positions)


def test_damaged_text_is_a_structure_or_a_sentence():
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(400):
        damaged = list(CRYSTAL + MOLECULE)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.choice(list("0-. \nAé#x"))
        try:
            read_acnn_xsf("".join(damaged))
        except ValueError as error:
            errors.append(error)
    assert [error for error in errors if not is_meant(error)] == []
    assert len(errors) > 40


def test_forces_need_an_energy():
    atoms = bulk("Cu")
    atoms.calc = SinglePointCalculator(atoms, forces=np.zeros((1, 3)))
    with pytest.raises(ValueError, match="forces without an energy"):
        written(atoms)
