"""Several files, folders and patterns; outputs of programs, whose steps may be no data; formats of other packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from acnn.data import DatasetError, read_dataset
from acnn.data.frames import read_frames
from acnn.data.output_files import CONVERGED, UNCONVERGED
from acnn.data.sources import common_names, files_of

OUTPUTS = Path(__file__).parent / "outputs"
"""Made by pw.x 6.7 (al_relax: first step unconverged, first atom fixed; al_stopped: none converged), GPAW and xtb."""
RYDBERG, BOHR = 13.605693, 0.529177


def copper(seed: int, **info: object) -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info.update(info)
    return atoms


# Outputs of programs


def test_quantum_espresso_with_smearing_a_fixed_atom_and_an_unconverged_step():
    data = read_dataset(OUTPUTS / "al_relax.pwo")
    assert len(data) == 3
    assert f"al_relax.pwo: 1 structure left out: {UNCONVERGED}" in data.notes
    text = (OUTPUTS / "al_relax.pwo").read_text()
    free = [float(line.split()[4]) for line in text.splitlines() if line.startswith("!")]
    assert [s.energy for s in data] == pytest.approx([e * RYDBERG for e in free[1:]], rel=1e-6)
    fixed = [line.split()[6:] for line in text.splitlines() if line.strip().startswith("atom    1 type")]
    np.testing.assert_allclose(
        [s.forces[0] for s in data], np.array(fixed[1:], float) * RYDBERG / BOHR, rtol=1e-5, atol=1e-6
    )
    assert abs(data[0].forces[0, 2]) > 4  # of the fixed atom
    assert data[0].virial is not None


def test_a_calculation_that_stopped_has_no_data():
    with pytest.raises(DatasetError, match=r"al_stopped\.pwo"):
        read_dataset(OUTPUTS / "al_stopped.pwo")


def test_quantum_espresso_with_spin():
    (structure,) = read_dataset(OUTPUTS / "ni_spin.pwo").structures
    assert structure.energy == pytest.approx(-85.70813788 * RYDBERG, rel=1e-6)
    # "total stress … P= -393.14" of the output, in kbar: under tension, ASE's stress is positive.
    pressure = float((OUTPUTS / "ni_spin.pwo").read_text().split("P=")[1].split()[0])
    expected = pressure * 1e-1 * 0.00624150907 * structure.atoms.get_volume()
    assert np.trace(structure.virial) / 3 == pytest.approx(expected, rel=1e-4)


def test_gpaw_has_the_free_energy_that_forces_derive_from():
    data = read_dataset(OUTPUTS / "al_gpaw.txt")
    assert [s.energy for s in data] == [-1.862647, -1.862669, -1.863645]
    assert data.keys["energy"] == {"free_energy": 3}
    assert read_dataset(OUTPUTS / "al_gpaw.txt", energy_key="energy")[0].energy == -1.498435


def test_gradients_of_turbomole():
    (structure,) = read_dataset(OUTPUTS / "gradient").structures
    assert structure.energy == pytest.approx(-5.069755243 * 2 * RYDBERG, rel=1e-6)
    assert structure.forces[0, 2] == pytest.approx(-2.2650515e-2 * 2 * RYDBERG / BOHR, rel=1e-5)


def steps_of_vasp(*steps: tuple[int, float]) -> list[str]:
    """Numbers of electronic steps, and the last change of the energy."""
    lines = [
        "   NELM   =      5;   NELMIN=  2; NELMDL= -5     # of ELM steps",
        "   EDIFF  = 0.1E-05   stopping-criterion",
    ]
    for ionic, (n, change) in enumerate(steps, start=1):
        for k in range(1, n + 1):
            lines += [f"--------- Iteration {ionic:6d}({k:4d})  ------"]
            lines += [f" total energy-change (2. order) :{change * 10 ** (n - k):14.7E}  (-0.1E-08)"]
        lines += ["---- aborting loop because EDIFF is reached ----", "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)"]
    return lines


@pytest.mark.parametrize(
    ("name", "lines", "converged"),
    [
        (
            "vasp-out",
            steps_of_vasp((3, 5e-7), (5, -2e-3), (5, -6e-7), (5, 4e-6), (2, 2e-2)),
            [True, False, True, False, True],
        ),
        (
            "vasp-xml",
            [
                '<i type="int" name="NELM">     3</i>',
                '<i type="int" name="NELM">     1</i>',
                *[line for n in (2, 3) for line in ("<calculation>", *["<scstep>"] * n, "</calculation>")],
            ],
            [True, False],
        ),
        ("gpaw-out", ["Converged after 8 iterations.", "Did not converge!"], [True, False]),
        (
            "castep-castep",
            [
                "*Warning* max. SCF cycles performed but system has not reached the groundstate.",
                "Final energy = -1.0 eV",
                "Final energy = -2.0 eV",
            ],
            [False, True],
        ),
        (
            "espresso-out",
            [
                "     scf convergence threshold =      1.0E-06",
                "!    total energy              =     -12.0 Ry",
                "     estimated scf accuracy    <       9.0E-07 Ry",
                "     convergence NOT achieved after   3 iterations: stopping",
            ],
            [True, False],
        ),
    ],
)
def test_what_programs_say_about_convergence(name, lines, converged):
    assert list(CONVERGED[name](lines)) == converged


def test_fixed_atoms_keep_their_forces(tmp_path):
    atoms = copper(0)
    forces = atoms.get_forces()
    atoms.set_constraint(FixAtoms([0, 2]))
    ase.io.write(tmp_path / "a.xyz", atoms, columns=["symbols", "positions", "move_mask", "forces"])
    ase.io.write(tmp_path / "a.traj", atoms)
    with ase.db.connect(tmp_path / "a.db") as database:
        database.write(atoms)
    assert np.abs(forces[0]).max() > 0.1
    for name in ("a.xyz", "a.traj", "a.db"):
        (frame,) = read_frames(tmp_path / name)
        assert frame.atoms.constraints or name == "a.xyz"
        np.testing.assert_allclose(read_dataset(tmp_path / name)[0].forces, forces, atol=1e-7)


# Several files


@pytest.fixture
def runs(tmp_path) -> Path:
    for place in range(3):
        folder = tmp_path / "runs" / str(place)
        folder.mkdir(parents=True)
        shutil.copy(OUTPUTS / "al_relax.pwo", folder / "relax.pwo")
        (folder / "POTCAR").write_text("not data")
    ase.io.write(tmp_path / "a.xyz", [copper(1), copper(2)])
    return tmp_path


def test_files_and_patterns_make_one_data_set(runs):
    data = read_dataset([runs / "a.xyz", runs / "runs" / "*" / "relax.pwo"])
    assert len(data) == 2 + 3 * 3
    assert data.elements == ("Al", "Cu")
    assert [s.name for s in data][1::3] == [
        "a.xyz #1 (default)",
        "runs/0/relax.pwo #3 (default)",
        "runs/1/relax.pwo #3 (default)",
        "runs/2/relax.pwo #3 (default)",
    ]
    assert data.notes[0] == f".pwo (3 files): 3 structures left out: {UNCONVERGED}"
    assert data.keys["energy"] == {"energy": 11}
    assert data.name == "a.xyz and 3 more"
    assert len(data.sha256) == 64


def test_labels_of_different_names_are_found_file_by_file(runs):
    atoms = copper(3)
    atoms.info["REF_energy"] = -1.0
    atoms.calc = None
    ase.io.write(runs / "b.xyz", atoms)
    data = read_dataset([runs / "a.xyz", runs / "b.xyz"])
    assert [s.energy for s in data][2] == -1.0
    assert any("make sure that these are of the same level of theory" in note for note in data.notes)


def test_folders_are_searched(runs):
    shutil.copy(OUTPUTS / "al_gpaw.txt", runs / "runs" / "0" / "al.txt")
    (runs / "runs" / "0" / "notes.txt").write_text("not data either")
    found = [path.relative_to(runs).as_posix() for path in files_of(runs)]
    assert found == ["a.xyz", "runs/0/al.txt", "runs/0/relax.pwo", "runs/1/relax.pwo", "runs/2/relax.pwo"]


def test_of_a_run_of_vasp_one_file_is_taken(tmp_path):
    for name in ("1/OUTCAR", "1/vasprun.xml", "2/vasprun.xml.gz", "3/OUTCAR.gz", "3/vasprun.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in files_of(tmp_path)]
    assert found == ["1/OUTCAR", "2/vasprun.xml.gz", "3/OUTCAR.gz"]


def test_an_unreadable_output_among_several_is_left_out(runs):
    shutil.copy(OUTPUTS / "al_stopped.pwo", runs / "runs" / "stopped.pwo")
    data = read_dataset(runs / "runs")
    assert len(data) == 9
    assert any(note.startswith(".pwo (4 files): 1 file left out, the first because ASE cannot") for note in data.notes)


def test_a_damaged_file_that_is_no_output_is_an_error(runs):
    (runs / "bad.xyz").write_text("2\n\nCu 0 0 0\n")
    with pytest.raises(DatasetError, match="truncated"):
        read_dataset([runs / "a.xyz", runs / "bad.xyz"])


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nothing*.xyz", r"no file matches .*nothing\*\.xyz"),
        ("missing.xyz", "there is no file"),
        ("empty", "empty is a folder with 1 entry, none of which looks like a file of structures"),
    ],
)
def test_what_names_no_file_is_an_error(tmp_path, path, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "INCAR").touch()
    with pytest.raises(DatasetError, match=sentence):
        read_dataset(tmp_path / path)


def test_names_tell_files_apart():
    assert common_names([Path("/x/a.xyz"), Path("/y/b.xyz")]) == ["a.xyz", "b.xyz"]
    assert common_names([Path("/x/1/OUTCAR"), Path("/x/2/OUTCAR")]) == ["1/OUTCAR", "2/OUTCAR"]


def test_what_ase_cannot_read_dpdata_may(tmp_path):
    (tmp_path / "OUTCAR").write_text("  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)\n")
    with pytest.raises(DatasetError, match=r"ASE cannot read .*; perhaps dpdata can: --format vasp/outcar"):
        read_dataset(tmp_path / "OUTCAR")


def test_the_format_can_be_named(tmp_path):
    ase.io.write(tmp_path / "data.txt", copper(4), format="extxyz")
    assert read_dataset(tmp_path / "data.txt", format="extxyz")[0].energy == pytest.approx(
        copper(4).get_potential_energy()
    )
    with pytest.raises(DatasetError, match="not structures in a format that ASE knows"):
        read_dataset(tmp_path / "data.txt", format="no-such-format")


# Other packages


def test_arrays_of_deepmd(tmp_path):
    dpdata = pytest.importorskip("dpdata", reason="dpdata, of the extra formats, is missing")
    atoms = copper(5)
    system = dpdata.LabeledSystem(atoms, fmt="ase/structure")
    system.to("deepmd/npy", str(tmp_path / "set" / "cu"), prec=np.float64)
    data = read_dataset(tmp_path / "set")
    assert data[0].energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    np.testing.assert_allclose(data[0].forces, atoms.get_forces(), atol=1e-6)
    np.testing.assert_allclose(data[0].virial, -atoms.get_volume() * atoms.get_stress(voigt=False), atol=1e-6)
    assert read_dataset(tmp_path / "set" / "cu", format="deepmd/npy")[0].energy == data[0].energy
    with pytest.raises(DatasetError, match=r"dpdata cannot read .* as 'no/format'"):
        read_dataset(tmp_path / "set" / "cu", format="no/format")


def test_tables_of_pacemaker_must_be_trusted(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas, of the extra formats, is missing")
    atoms = copper(6)
    bare = atoms.copy()
    table = pandas.DataFrame({"ase_atoms": [bare], "energy_corrected": [-3.0], "forces": [atoms.get_forces()]})
    path = tmp_path / "df.pckl.gzip"
    table.to_pickle(path, compression="gzip")
    with pytest.raises(DatasetError, match="--trust-pickle reads pacemaker's tables from people you trust"):
        read_dataset(path)
    (structure,) = read_dataset(path, trust_pickle=True).structures
    assert structure.energy == -3.0
    np.testing.assert_array_equal(structure.forces, atoms.get_forces())
    pandas.DataFrame({"x": [1]}).to_pickle(path, compression="gzip")
    with pytest.raises(DatasetError, match="it lacks the column ase_atoms"):
        read_dataset(path, trust_pickle=True)
