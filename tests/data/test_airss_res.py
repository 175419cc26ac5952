"""SHELX files of AIRSS: what the title means, many structures in a file, and what each error says."""

from __future__ import annotations

import gzip
import io

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from acnn.data import DatasetError, enthalpy_of, read_airss_res, read_dataset, write_airss_res
from acnn.failures import is_meant

TEXT = """TITL B2H-1 12.5 30.0 -160.25 0.5 1.5 3 (P-1) n - 4
REM
REM  CASTEP 21.1, cut-off 340 eV
CELL 1.54180 3.0 2.5 4.0 90.0 100.0 90.0
LATT -1
SFAC B H
B 1 0.0 0.25 0.5 1.0
B 1 0.6 -0.25 0.5 1.0
H 2 0.3 0.25 1.1 1.0
END
"""
VOLUME = 3.0 * 2.5 * 4.0 * np.sin(np.radians(100.0))


def written(images) -> str:
    file = io.StringIO()
    write_airss_res(file, images)
    return file.getvalue()


def assert_same(one: Atoms, other: Atoms) -> None:
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_allclose(one.cell.cellpar(), other.cell.cellpar(), atol=1e-9)
    fractions = [atoms.get_scaled_positions(wrap=False) for atoms in (one, other)]
    np.testing.assert_allclose(*fractions, atol=1e-12)
    assert one.info == other.info
    energies = [atoms.calc and atoms.calc.results["energy"] for atoms in (one, other)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-9)


def test_the_energy_is_the_enthalpy_less_pressure_times_volume():
    (atoms,) = read_airss_res(TEXT)
    assert str(atoms.symbols) == "B2H"
    np.testing.assert_allclose(atoms.get_scaled_positions(wrap=False)[1], [0.6, -0.25, 0.5], atol=1e-12)
    assert atoms.get_volume() == pytest.approx(VOLUME)
    assert atoms.get_potential_energy() == pytest.approx(-160.25 - 12.5 * GPa * VOLUME, abs=1e-9)
    assert enthalpy_of(atoms) == pytest.approx(-160.25)
    assert atoms.info == {
        "name": "B2H-1",
        "pressure": 12.5,
        "enthalpy": -160.25,
        "magnetization": 0.5,
        "absolute_magnetization": 1.5,
        "spacegroup": "P-1",
        "times_found": 4,
        "rem": ["", " CASTEP 21.1, cut-off 340 eV"],
    }


def test_an_internal_energy_in_the_title_is_chosen_by_its_key(tmp_path):
    path = tmp_path / "all.res"
    path.write_text(TEXT)
    assert read_dataset(path)[0].energy == pytest.approx(-160.25 - 12.5 * GPa * VOLUME)
    assert read_dataset(path, energy_key="enthalpy")[0].energy == -160.25


@pytest.mark.parametrize("suffix", [".res", ".res.gz"])
def test_packed_files_are_data(tmp_path, suffix):
    path = tmp_path / f"packed{suffix}"
    text = "".join(TEXT.replace("-160.25", f"-16{i}.0") for i in range(5)).encode()
    path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    data = read_dataset(path, index="1::2")
    assert [s.energy + 12.5 * GPa * VOLUME for s in data] == pytest.approx([-161.0, -163.0])
    assert data.elements == ("H", "B")


def test_structures_survive_a_round_trip():
    rng = np.random.default_rng(0)
    images = []
    for place in range(4):
        atoms = bulk("GaAs", "zincblende", 5.6) * (1, 2, 1)
        atoms.set_cell(atoms.cell.cellpar() + rng.normal(scale=0.1, size=6), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.3, size=(4, 3))
        atoms.info = {"name": f"x-{place}", "pressure": rng.normal(), "rem": ["a", "", " b"], "times_found": 2}
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal())
        images.append(atoms)
    first = read_airss_res(written(images))
    for one, other in zip(first, read_airss_res(written(first)), strict=True):
        assert_same(one, other)
    assert first[3].get_potential_energy() == pytest.approx(images[3].get_potential_energy(), abs=1e-9)
    assert first[3].info["rem"] == ["a", "", " b"]


def test_spins_of_atoms_survive_a_round_trip():
    atoms = bulk("Fe", cubic=True)
    atoms.set_initial_magnetic_moments([2.2, -1.1])
    (again,) = read_airss_res(written(atoms))
    np.testing.assert_array_equal(again.get_initial_magnetic_moments(), [2.2, -1.1])
    assert again.calc is None


@pytest.mark.parametrize(
    "variant",
    [
        TEXT.replace("\n", "\r\n"),
        TEXT.replace(" ", "\t"),
        "\ufeff# packed\n! by hand\n\n" + TEXT + "\n\n",
        TEXT.replace("REM\n", "").replace("REM  CASTEP 21.1, cut-off 340 eV\n", ""),
        TEXT.replace("B 1 0.6 -0.25 0.5 1.0", "B1 1 0.6 -0.25 0.5 11.0 ! moved"),
        TEXT.replace("SFAC", "ZERR 1 0 0 0 0 0 0\nSFAC").replace("TITL", "titl").replace("END", "end"),
        TEXT.replace(" 3 (P-1)", " (P-1)"),
    ],
    ids=["crlf", "tabs", "comments", "no-rem", "labels", "instructions", "old-title"],
)
def test_variants_mean_the_same(variant):
    (atoms,) = read_airss_res(variant)
    (plain,) = read_airss_res(TEXT)
    for info in (atoms.info, plain.info):
        info.pop("rem", None)
    assert_same(atoms, plain)


@pytest.mark.parametrize("write_info", [True, False])
def test_files_of_ases_own_writer(tmp_path, write_info):
    atoms = bulk("Si", cubic=True)
    atoms.info = {"name": "silicon", "pressure": 2.0}
    atoms.calc = SinglePointCalculator(atoms, energy=-40.0)
    ase.io.write(tmp_path / "si.res", atoms, format="res", write_info=write_info)
    (again,) = read_airss_res((tmp_path / "si.res").read_text())
    assert (again.info["name"], again.info["pressure"]) == ("silicon", 2.0)
    # ASE writes the energy as energy=… by name, and without names where AIRSS has the enthalpy.
    expected = -40.0 if write_info else -40.0 - 2.0 * GPa * atoms.get_volume()
    assert again.get_potential_energy() == pytest.approx(expected, abs=1e-4)
    np.testing.assert_allclose(again.cell.cellpar(), atoms.cell.cellpar(), atol=1e-5)


def test_ase_reads_what_is_written(tmp_path):
    atoms = read_airss_res(TEXT)[0]
    (tmp_path / "b.res").write_text(written(atoms))
    again = ase.io.read(tmp_path / "b.res", format="res")
    np.testing.assert_allclose(again.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12)
    assert again.info["spacegroup"] == "P-1"
    assert again.info["times_found"] == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (TEXT.replace("CELL", "REM CELL"), r"line 1 \(B2H-1\): the structure has no CELL"),
        (TEXT.replace("SFAC B H\n", ""), "line 6: B needs the place of its element in SFAC, not '1'"),
        (TEXT.replace("SFAC B H", "SFAC B Xx"), "line 6: 'Xx' is not a chemical symbol"),
        (TEXT.replace("H 2", "H 3"), "line 9: H needs the place of its element in SFAC, not '3'"),
        (TEXT.replace("END\n", ""), r"line 1 \(B2H-1\): the structure has no END"),
        (TEXT.replace("END\n", "") + TEXT, "no END before the next TITL in line 10"),
        (TEXT.replace("B 1 0.6 -0.25 0.5 1.0\n", ""), "the title has 3 atoms, the structure 2"),
        (TEXT.replace("0.6 -0.25 0.5 1.0", "0.6 -0.25"), "line 8: fractional coordinates"),
        (TEXT.replace("0.5 1.0", "0.5 0.5"), "line 7: the atom has an occupancy of 0.5"),
        (TEXT.replace("-160.25", "low"), r"line 1 \(B2H-1\): what follows the name in TITL must be 6 numbers"),
        (TEXT.replace("LATT -1", "LATT 1"), "line 5: LATT 1 makes copies of atoms"),
        (TEXT.replace("100.0", "180.0"), "has no volume"),
        (TEXT.replace("TITL", "REM"), "line 4: a structure begins with TITL, not with 'CELL"),
        (TEXT.split("B 1")[0] + "END\n", "the structure has no atoms"),
    ],
)
def test_each_error_is_a_sentence(tmp_path, text, sentence):
    path = tmp_path / "bad.res"
    path.write_text(text)
    with pytest.raises(DatasetError, match=sentence):
        read_dataset(path)


def test_damaged_text_is_a_structure_or_a_sentence():
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(400):
        damaged = list(TEXT)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.choice(list("0-. \nAé(x"))
        try:
            read_airss_res("".join(damaged))
        except ValueError as error:
            errors.append(error)
    assert [error for error in errors if not is_meant(error)] == []
    assert len(errors) > 40


def test_what_cannot_be_written_is_a_sentence():
    with pytest.raises(ValueError, match="structure 1 is not periodic in three directions"):
        written(molecule("H2O"))
    named = bulk("Si")
    named.info["name"] = "two words"
    with pytest.raises(ValueError, match=r"a name in \.res has no blanks"):
        written(named)
