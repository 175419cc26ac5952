"""Structures in other formats: what is kept, what is said about labels and signs, what cannot be written."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data import read_dataset
from acnn.settings.data import LabelSettings
from acnn.workflows.conversion import converted, write_converted

FOUND = LabelSettings.model_validate({})


def strained_copper(n: int) -> list[Atoms]:
    """Cells that differ by strain, with the results of EMT."""
    rng = np.random.default_rng(0)
    images = []
    for place in range(n):
        atoms = bulk("Cu", cubic=True)
        strain = rng.normal(scale=0.006, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
        atoms.calc = EMT()
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        atoms.info = {"config_type": "bulk", "name": f"cu-{place}", "pressure": 1.5}
        images.append(atoms)
    return images


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copper") / "cu.traj"
    ase.io.write(path, strained_copper(12))
    return path


@pytest.mark.parametrize("name", ["cu.xyz", "cu.xsf", "cu.traj", "cu.db", "cu.json"])
def test_labels_survive(copper, tmp_path, name):
    assert write_converted(converted([copper], FOUND), tmp_path / name, None) == []
    before, after = read_dataset(copper), read_dataset(tmp_path / name)
    for one, other in zip(before, after, strict=True):
        assert other.energy == pytest.approx(one.energy, abs=1e-9)
        np.testing.assert_allclose(other.forces, one.forces, atol=1e-7)
        np.testing.assert_allclose(other.virial, one.virial, atol=1e-8)
        np.testing.assert_allclose(other.atoms.cell.array, one.atoms.cell.array, atol=1e-8)


def test_what_a_file_says_beside_labels_survives(copper, tmp_path):
    write_converted(converted([copper], FOUND), tmp_path / "cu.xyz", None)
    again = ase.io.read(tmp_path / "cu.xyz", -1)
    assert (again.info["name"], again.info["config_type"]) == ("cu-11", "bulk")
    assert "REF_energy" in again.info
    assert "energy" not in again.info


def test_a_format_that_lacks_labels_is_named(copper, tmp_path):
    notes = write_converted(converted([copper], FOUND), tmp_path / "cu.res", None)
    assert notes == ["cu.res: the format airss-res does not hold forces and virial"]
    first = read_dataset(tmp_path / "cu.res")[0]
    assert first.energy == pytest.approx(read_dataset(copper)[0].energy, abs=1e-9)
    assert (tmp_path / "cu.res").read_text().startswith("TITL cu-0 1.5 ")


def test_titles_with_energies_become_titles_with_enthalpies(tmp_path):
    text = "TITL b 100 8 -10 0 0 1 (P1) n - 1\nCELL 1.5418 2 2 2 90 90 90\nLATT -1\nSFAC B\nB 1 0 0 0 1\nEND\n"
    (tmp_path / "energies.res").write_text(text)
    found = converted([tmp_path / "energies.res"], LabelSettings.model_validate({"energy_key": "enthalpy"}))
    write_converted(found, tmp_path / "enthalpies.res", None)
    (structure,) = read_dataset(tmp_path / "enthalpies.res").structures
    assert structure.energy == pytest.approx(-10.0, abs=1e-9)
    enthalpy = float((tmp_path / "enthalpies.res").read_text().split()[4])
    assert enthalpy == pytest.approx(-10.0 + 100 * 0.00624150907 * 8, abs=1e-6)


def test_each_structure_can_have_a_file(copper, tmp_path):
    write_converted(converted([copper], FOUND), tmp_path / "cu-%03d.xsf", None)
    files = sorted(tmp_path.glob("*.xsf"))
    assert [file.name for file in files][::11] == ["cu-001.xsf", "cu-012.xsf"]
    assert len(read_dataset(files)) == 12


def test_folders_of_deepmd(copper, tmp_path):
    pytest.importorskip("dpdata", reason="dpdata, of the extra formats, is missing")
    write_converted(converted([copper], FOUND), tmp_path / "set", "deepmd/npy")
    before, after = read_dataset(copper), read_dataset(tmp_path / "set")
    np.testing.assert_allclose([s.energy for s in after], [s.energy for s in before], atol=1e-8)
    np.testing.assert_allclose(after[3].virial, before[3].virial, atol=1e-8)


def test_the_sign_of_virials_is_found_and_can_be_flipped(copper, tmp_path):
    found = converted([copper], FOUND)
    assert found.sign_of_virials().endswith("the sign is right")
    flipped = converted([copper], FOUND, flip_virial=True)
    assert flipped.sign_of_virials().endswith("the sign is wrong: convert with --flip-virial")
    np.testing.assert_array_equal(flipped.structures[0].virial, -found.structures[0].virial)
    write_converted(flipped, tmp_path / "wrong.xyz", None)
    again = converted([tmp_path / "wrong.xyz"], FOUND, flip_virial=True)
    np.testing.assert_allclose(again.structures[0].virial, found.structures[0].virial, atol=1e-9)


def test_a_wrong_unit_of_virials_is_seen(copper):
    images = ase.io.read(copper, ":")
    for atoms in images:
        atoms.calc.results["stress"] = atoms.calc.results["stress"] * 1602.1766  # kbar
    ase.io.write(copper.with_name("kbar.traj"), images)
    sentence = converted([copper.with_name("kbar.traj")], FOUND).sign_of_virials()
    assert "the energies change 0.0006" in sentence


@pytest.mark.parametrize(
    ("name", "to", "sentence"),
    [
        ("cu", None, "does not tell its format: name one with --to"),
        ("cu.x", "no-such-format", "ASE writes no format 'no-such-format'"),
        ("POSCAR", "vasp", "a file of format vasp holds one structure: write several, POSCAR-%04d"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(copper, tmp_path, name, to, sentence):
    with pytest.raises(ValueError, match=sentence):
        write_converted(converted([copper], FOUND), tmp_path / name, to)


def test_the_command(copper, tmp_path):
    output = tmp_path / "cu.xsf"
    done = CliRunner().invoke(app, ["convert", str(copper), "-o", str(output)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "12 of 12" in done.output
    assert "eV, −dE/dε: pressures of" in done.output
    assert "the sign is right" in done.output
    assert f"wrote {output}: 12 structures" in done.output.replace("\n", "")
    again = CliRunner().invoke(app, ["convert", str(copper), "-o", str(output)])
    assert again.exit_code == 2
