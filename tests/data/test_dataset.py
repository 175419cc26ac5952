"""Reading labeled structures: what is found, what is converted, and what each error says."""

from __future__ import annotations

import gzip
import hashlib
import lzma
from pathlib import Path

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.emt import EMT
from ase.io.formats import ioformats

from acnn.conventions import voigt_from_full
from acnn.data.dataset import DatasetError, Weights, WeightTable, read_dataset
from acnn.data.frames import read_frames
from acnn.data.isolated_atoms import isolated_atom_energies, least_squares_energies
from acnn.data.weights import WeightsError

REFERENCE = {"energy": {"REF_energy": 1}, "forces": {"REF_forces": 1}, "virial": {}, "stress": {"REF_stress": 1}}


def copper(seed: int = 0, **info: object) -> Atoms:
    """A rattled, sheared copper cell with its own EMT calculator."""
    atoms = bulk("Cu", cubic=True)
    atoms.set_cell(atoms.cell.array @ (np.array([[1.02, 0.01, 0], [0.01, 0.97, 0.02], [0, 0.02, 1.04]])))
    atoms.set_scaled_positions(bulk("Cu", cubic=True).get_scaled_positions())
    atoms.rattle(0.1, seed=seed)
    atoms.calc = EMT()
    atoms.info.update(info)
    return atoms


def labeled(atoms: Atoms, **names: str) -> Atoms:
    """A copy whose labels carry the REF_ names, or the given ones."""
    copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc, info=dict(atoms.info))
    copy.info[names.get("energy", "REF_energy")] = atoms.get_potential_energy()
    copy.arrays[names.get("forces", "REF_forces")] = atoms.get_forces().copy()
    if atoms.pbc.all():
        copy.info[names.get("stress", "REF_stress")] = atoms.get_stress(voigt=False).ravel()
    return copy


def write(path: Path, *structures: Atoms) -> Path:
    ase.io.write(path, list(structures), format="extxyz")
    return path


@pytest.fixture
def xyz(tmp_path: Path) -> Path:
    return tmp_path / "train.xyz"


def fails(path: Path, *fragments: str, **options: object) -> str:
    """Reading fails with one sentence that holds every fragment."""
    with pytest.raises(DatasetError) as caught:
        read_dataset(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert not message.endswith(".")
    for fragment in fragments:
        assert fragment in message
    return message


# labels


def test_reference_labels_are_read_and_the_structure_is_bare(xyz: Path) -> None:
    atoms = copper(config_type="solid")
    data = read_dataset(write(xyz, labeled(atoms)))
    (structure,) = data
    assert data.keys == REFERENCE
    assert structure.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    np.testing.assert_allclose(structure.forces, atoms.get_forces(), atol=1e-8)
    np.testing.assert_allclose(structure.atoms.positions, atoms.positions, atol=1e-8)
    assert structure.atoms.calc is None
    assert structure.atoms.info == {}
    assert set(structure.atoms.arrays) == {"numbers", "positions"}
    assert structure.name == "train.xyz #0 (solid)"
    assert data.sha256 == hashlib.sha256(xyz.read_bytes()).hexdigest()
    assert data.source == str(xyz)


def test_virial_is_minus_the_strain_derivative_of_the_energy(xyz: Path) -> None:
    atoms = copper()
    virial = read_dataset(write(xyz, labeled(atoms)))[0].virial
    assert virial is not None
    step = 1e-5
    for a in range(3):
        for b in range(3):
            energies = []
            for sign in (1, -1):
                deformation = np.eye(3)
                deformation[a, b] += sign * step / 2
                deformation[b, a] += sign * step / 2
                strained = atoms.copy()
                strained.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
                strained.calc = EMT()
                energies.append(strained.get_potential_energy())
            derivative = (energies[0] - energies[1]) / (2 * step)
            assert virial[a, b] == pytest.approx(-derivative, abs=1e-6)


def test_stress_and_virial_in_every_layout_agree(xyz: Path) -> None:
    atoms = copper()
    expected = -atoms.get_stress(voigt=False) * atoms.get_volume()
    assert np.abs(expected).max() > 1.0
    layouts = {
        "nine": ("stress_key", atoms.get_stress(voigt=False).ravel()),
        "voigt": ("stress_key", atoms.get_stress()),
        "virial9": ("virial_key", expected.ravel()),
        "virial6": ("virial_key", voigt_from_full(expected)),
        "virial": ("virial_key", expected),
    }
    for name, (option, value) in layouts.items():
        copy = atoms.copy()
        copy.info[name] = value
        data = read_dataset(write(xyz, copy), **{option: name})
        np.testing.assert_allclose(data[0].virial, expected, atol=1e-9, err_msg=name)
        assert data.keys[option.removesuffix("_key")] == {name: 1}


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("suffix", [".xyz", ".traj", ".db", ".json"])
def test_labels_in_the_calculator_are_found(tmp_path: Path, suffix: str, explicit: bool) -> None:
    atoms = copper()
    atoms.get_forces(), atoms.get_stress()
    path = tmp_path / f"train{suffix}"
    ase.io.write(path, [atoms, atoms])
    options = {"energy_key": "energy", "forces_key": "forces", "stress_key": "stress"} if explicit else {}
    data = read_dataset(path, **options)
    assert len(data) == 2
    assert data.keys == {"energy": {"energy": 2}, "forces": {"forces": 2}, "virial": {}, "stress": {"stress": 2}}
    assert data[1].energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
    np.testing.assert_allclose(data[1].forces, atoms.get_forces(), atol=1e-8)
    expected = -atoms.get_stress(voigt=False) * atoms.get_volume()
    np.testing.assert_allclose(data[1].virial, expected, atol=1e-9)


def test_reference_labels_come_before_those_of_the_calculator(xyz: Path) -> None:
    atoms = labeled(copper())
    atoms.info.update(energy=1.0, dft_energy=2.0)
    assert read_dataset(write(xyz, atoms)).keys["energy"] == {"REF_energy": 1}
    assert read_dataset(xyz, energy_key="energy")[0].energy == 1.0


@pytest.mark.parametrize(("energy", "forces"), [("dft_energy", "dft_force"), ("energy_dft", "forces_dft")])
def test_other_common_names_are_found(xyz: Path, energy: str, forces: str) -> None:
    data = read_dataset(write(xyz, labeled(copper(), energy=energy, forces=forces)))
    assert (data.keys["energy"], data.keys["forces"]) == ({energy: 1}, {forces: 1})
    assert data[0].forces is not None


def test_database_rows_keep_their_config_type(tmp_path: Path) -> None:
    path = tmp_path / "train.db"
    with ase.db.connect(path) as database:
        database.write(copper(), config_type="liquid", energy_weight=2.0, data={"virial": [1, 2, 3, 0, 0, 0]})
    structure = read_dataset(path, virial_key="virial")[0]
    assert structure.config_type == "liquid"
    assert structure.weights.energy == 60.0
    np.testing.assert_array_equal(structure.virial, np.diag([1.0, 2.0, 3.0]))


def test_missing_labels_are_none_and_counted(xyz: Path) -> None:
    only_energy = labeled(copper(1, config_type="a"))
    del only_energy.arrays["REF_forces"], only_energy.info["REF_stress"]
    bare = copper(2, config_type="b")
    bare.calc = None
    data = read_dataset(write(xyz, labeled(copper(0, config_type="a")), only_energy, bare))
    assert [s.energy is None for s in data] == [False, False, True]
    assert [s.forces is None for s in data] == [False, True, True]
    assert [s.virial is None for s in data] == [False, True, True]
    assert [tuple(row) for row in data.summary()] == [("a", 2, 8, 2, 1, 1), ("b", 1, 4, 0, 0, 0)]
    assert data.n_atoms == 12
    assert data.config_types == ("a", "b")


def test_virial_needs_three_periodic_directions(xyz: Path) -> None:
    slab = fcc111("Cu", (1, 1, 3), vacuum=5.0)
    slab.info = {"REF_energy": 1.0, "REF_stress": np.ones(9)}
    data = read_dataset(write(xyz, slab, labeled(copper())))
    assert data[0].virial is None
    assert data[1].virial is not None
    assert data.virials_ignored == 1


def test_elements_are_sorted_by_atomic_number(xyz: Path) -> None:
    path = write(xyz, Atoms("HOAu", positions=np.eye(3) * 3, info={"REF_energy": 0.0}))
    assert read_dataset(path).elements == ("H", "O", "Au")


@pytest.mark.parametrize(
    ("index", "places"),
    [(":", range(5)), ("1::2", (1, 3)), ("-1", (4,)), (2, (2,)), (slice(0, 2), (0, 1)), ("3", (3,))],
)
def test_names_count_from_zero_in_the_file(xyz: Path, index: str | int | slice, places: tuple[int, ...]) -> None:
    write(xyz, *(labeled(copper(seed)) for seed in range(5)))
    data = read_dataset(xyz, index=index)
    assert [s.name for s in data] == [f"train.xyz #{place} (default)" for place in places]
    np.testing.assert_allclose(data[0].atoms.positions, copper(places[0]).positions, atol=1e-8)


def test_compressed_files_and_blank_lines_between_structures(tmp_path: Path, xyz: Path) -> None:
    text = write(xyz, labeled(copper())).read_text()
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "a.xyz.xz").write_bytes(lzma.compress(text.encode()))
    (tmp_path / "a.xyz").write_text(text + "\n\n" + text + "\n")
    (tmp_path / "train").write_text(text)
    lengths = [len(read_dataset(tmp_path / name)) for name in ("a.xyz.gz", "a.xyz.xz", "a.xyz", "train")]
    assert lengths == [1, 1, 2, 1]


def test_a_byte_order_mark_is_no_character_of_the_file(tmp_path: Path) -> None:
    text = write(tmp_path / "a.xyz", labeled(copper())).read_text()
    (tmp_path / "b.xyz").write_text(text, encoding="utf-8-sig")
    (tmp_path / "b.xyz.gz").write_bytes(gzip.compress(text.encode("utf-8-sig")))
    for name in ("b.xyz", "b.xyz.gz"):
        assert read_dataset(tmp_path / name)[0].energy == read_dataset(tmp_path / "a.xyz")[0].energy


@pytest.mark.parametrize(
    ("properties", "row"),
    [
        ("", "{} {} 0 0"),
        (" Properties=species:S:1:pos:R:3", " {} {} 0 0"),
        (" Properties=pos:R:3:species:S:1", "{1} 0 0 {0}"),
    ],
)
def test_isotopes_of_hydrogen_are_hydrogen_with_their_mass(xyz: Path, properties: str, row: str) -> None:
    rows = [row.format(symbol, x) for x, symbol in enumerate("DOTH")]
    xyz.write_text("\n".join(["4", "REF_energy=-1.0" + properties, *rows]) + "\n")
    assert read_dataset(xyz)[0].atoms.symbols.get_chemical_formula("reduce") == "HOH2"
    (frame,) = read_frames(xyz)
    np.testing.assert_allclose(frame.atoms.get_masses(), [2.0141, 15.999, 3.0160, 1.008], atol=1e-3)
    np.testing.assert_array_equal(frame.atoms.positions[:, 0], [0, 1, 2, 3])


# errors


def test_an_explicit_key_must_exist(xyz: Path) -> None:
    write(xyz, labeled(copper(config_type="x")))
    fails(xyz, "energy key 'E_dft'", "REF_energy", "config_type", "REF_forces", energy_key="E_dft")
    fails(xyz, "forces key 'REF_energy'", "REF_forces per atom", forces_key="REF_energy")
    fails(xyz, "stress key 'stress'", "REF_stress", stress_key="stress")


def test_an_explicit_key_in_one_structure_is_enough(xyz: Path) -> None:
    write(xyz, labeled(copper(0)), labeled(copper(1), energy="E_dft"))
    assert [s.energy is None for s in read_dataset(xyz, energy_key="E_dft")] == [True, False]


def test_virial_and_stress_keys_exclude_each_other(xyz: Path) -> None:
    write(xyz, labeled(copper()))
    fails(xyz, "'v'", "'REF_stress'", "only one of them", virial_key="v", stress_key="REF_stress")


def test_data_without_labels_name_what_there_is(xyz: Path) -> None:
    atoms = bulk("Cu")
    atoms.info["E_total"] = 1.0
    atoms.arrays["my_forces"] = np.zeros((1, 3))
    fails(write(xyz, atoms), "E_total", "my_forces", "--energy-key")


@pytest.mark.parametrize("label", ["energy", "forces", "virial"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e300])
def test_labels_that_are_not_finite(xyz: Path, label: str, bad: float) -> None:
    atoms = labeled(copper(config_type="hot"))
    if label == "energy":
        atoms.info["REF_energy"] = bad
    elif label == "forces":
        atoms.arrays["REF_forces"][2, 1] = bad
    else:
        atoms.info["REF_stress"][4] = bad
    write(xyz, labeled(copper()), atoms)
    fails(xyz, "train.xyz #1 (hot)", f"in its {label}", "--max-force")
    data = read_dataset(xyz, max_force=50.0)
    assert (len(data), data.left_out) == (1, 1)


def test_labels_that_are_not_finite_can_be_dropped_alone(xyz: Path) -> None:
    whole, no_stress, no_forces = (labeled(copper(seed)) for seed in range(3))
    no_stress.info["REF_stress"][4] = np.nan
    no_forces.arrays["REF_forces"][2, 1] = np.inf
    data = read_dataset(write(xyz, whole, no_stress, no_forces), drop_nan=True)
    assert [s.energy is None for s in data] == [False, False, False]
    assert [s.forces is None for s in data] == [False, False, True]
    assert [s.virial is None for s in data] == [False, True, False]
    np.testing.assert_allclose(data[1].forces, copper(1).get_forces(), atol=1e-8)
    assert data.notes == (
        "train.xyz: left out because NaN, infinite or beyond 1e+08: virial of 1 structure, forces of 1 structure",
    )
    assert data.left_out == 0
    no_forces.arrays["REF_forces"][2, 1] = 60.0
    assert read_dataset(write(xyz, whole, no_stress, no_forces), drop_nan=True, max_force=50.0).left_out == 1
    assert read_dataset(write(xyz, whole), drop_nan=True).notes == ()


def test_positions_and_cells_that_are_not_finite(xyz: Path) -> None:
    atoms = labeled(copper(config_type="hot"))
    atoms.positions[3, 0] = np.nan
    fails(write(xyz, atoms), "train.xyz #0 (hot)", "position of atom 3", max_force=50.0)
    write(xyz, labeled(copper()))
    xyz.write_text(xyz.read_text().replace('Lattice="3', 'Lattice="nan 3', 1).replace(" 0.0 ", " ", 1))
    fails(xyz, "train.xyz #0", "cell")


def test_positions_that_nobody_means_and_cells_without_room(xyz: Path) -> None:
    atoms = labeled(copper(config_type="hot"))
    atoms.positions[3, 0] = -1e20
    fails(write(xyz, atoms), "train.xyz #0 (hot)", "atom 3 at (-1e+20, ", "farther out than 1e+08 Å")
    thin = labeled(copper())
    thin.cell[1] *= 1e-3
    fails(write(xyz, labeled(copper()), thin), "train.xyz #1", "repeats every 0.00", "check that its cell is in Å")
    skewed = labeled(copper())
    skewed.cell[1] = 7 * skewed.cell[0] + [0.0, 0.01, 0.0]
    fails(write(xyz, skewed), "train.xyz #0", "repeats every 0.01 Å")
    surface = labeled(copper())
    surface.cell[2], surface.pbc = [0.0, 0.0, 0.001], [True, True, False]
    assert len(read_dataset(write(xyz, surface)).structures) == 1


def test_what_an_error_repeats_of_a_file_is_short(xyz: Path) -> None:
    write(xyz, labeled(copper()))
    sound = xyz.read_text()
    for old, new in (
        ("Cu ", "A" * 5000 + " "),
        ("0.0", "B" * 5000),
        ("\n", "9" * 5000 + "\n"),
        ("\n", "9" * 16 + "\n"),
    ):
        xyz.write_text(sound.replace(old, new, 1))
        with pytest.raises(DatasetError, match=r"train\.xyz") as caught:
            read_dataset(xyz)
        assert len(str(caught.value)) < 600


def test_huge_forces_are_refused_or_left_out(xyz: Path) -> None:
    atoms = labeled(copper(config_type="hot"))
    atoms.arrays["REF_forces"][1] = [0.0, 3000.0, 4000.0]
    write(xyz, labeled(copper()), atoms)
    fails(xyz, "train.xyz #1 (hot)", "5000 eV/Å", "--max-force")
    assert read_dataset(xyz, max_force=4999.0).left_out == 1
    assert read_dataset(xyz, max_force=5001.0).left_out == 0
    fails(xyz, "all 1 structures", "max_force = 10", max_force=10.0, index="1")
    fails(xyz, "larger than 0", "-1", max_force=-1.0)
    fails(xyz, "larger than 0", "nan", max_force=np.nan)


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        ("", ("is empty",)),
        ("\n\n", ("contains no structures",)),
        ("0\nREF_energy=0\n", ("train.xyz #0", "no atoms")),
        ("hello world\n", ("line 1", "number of atoms", "'hello world'")),
        ("2\nREF_energy=0\nCu 0 0 0\n", ("truncated", "#0", "announces 2 atoms", "after 1")),
        ("1\n", ("truncated", "after 0")),
        ("1\nREF_energy=0\nCu 0 0\n", ("train.xyz #0", "not a structure")),
        ("1\nREF_energy=0\nQq 0 0 0\n", ("train.xyz #0", "species 'Qq'", "not a chemical symbol")),
        ("2\nREF_energy=0\nD 0 0 0\nFe3+ 1 0 0\n", ("species 'Fe3+'",)),
        ("2\nREF_energy=0\n8 0 0 0\n1 1 0 0\n", ("species '8'", "Z:I:1")),
        ("1\nREF_energy=0\nX 0 0 0\n", ("train.xyz #0", "species 'X'")),
        ("1\nREF_energy=0\nD 0 0\n", ("train.xyz #0", "not a structure")),
        ("1\nREF_energy=0\nCu 0 0 0\nCu 1 1 1\n", ("line 4", "structure #1", "'Cu 1 1 1'")),
        ("1\nREF_energy=abc\nCu 0 0 0\n", ("energy 'REF_energy'", "must consist of numbers", "abc")),
        ("1\nREF_energy\nCu 0 0 0\n", ("energy 'REF_energy'", "must consist of numbers")),
        ('1\nREF_energy="1 2"\nCu 0 0 0\n', ("energy 'REF_energy'", "one number, but has 2")),
        ('1\npbc="T T T" REF_energy=0\nCu 0 0 0\n', ("train.xyz #0", "cell vector 1", "zero")),
        ('1\nLattice="9 0 0 9 0 0 0 0 9" REF_energy=0\nCu 0 0 0\n', ("train.xyz #0", "linearly dependent")),
        ('1\nLattice="9 0 0 0 9 0 0 0 9" REF_stress="1 2"\nCu 0 0 0\n', ("'REF_stress'", "6 or 9", "(2,)")),
        (
            "1\nProperties=species:S:1:pos:R:3:REF_forces:R:2\nCu 0 0 0 1 1\n",
            ("'REF_forces'", "shape (1, 2)", "(1, 3)"),
        ),
        ("1\nREF_energy=0 energy_weight=-1\nCu 0 0 0\n", ("energy_weight", "train.xyz #0", "-1")),
    ],
)
def test_broken_files_are_one_sentence(xyz: Path, content: str, fragments: tuple[str, ...]) -> None:
    xyz.write_text(content)
    fails(xyz, *fragments)


def test_missing_foreign_and_unsafe_files(tmp_path: Path, xyz: Path) -> None:
    fails(xyz, "no file", "train.xyz")
    fails(tmp_path, "folder")
    xyz.write_bytes(b"\xff\xfe\x00\x80 not text")
    fails(xyz, "cannot be read as text")
    for name in ("t.traj", "t.db"):
        (tmp_path / name).write_bytes(b"nothing of the kind" * 50)
        fails(tmp_path / name, "ASE cannot read", name)
    (tmp_path / "notes").write_text("a text\n")
    fails(tmp_path / "notes", "ASE does not recognize the format")
    (tmp_path / "t.data").write_text("2\n\nCu 0 0 0\nCu 0 0 2\n")
    if "runnerdata" in ioformats:  # newer versions of ASE take it for one of RuNNer
        fails(tmp_path / "t.data", "ASE finds no structures", "t.data")
    else:
        fails(tmp_path / "t.data", "not structures in a format that ASE knows by this name")
    for name in ("t.pckl", "t.bundle"):
        (tmp_path / name).write_bytes(b"anything")
        fails(tmp_path / name, "refused", "unpickles")
    (tmp_path / "t.py").write_text("raise SystemExit('this ran')\n")
    fails(tmp_path / "t.py", "refused", "program")


@pytest.mark.parametrize("index", ["a", "1:2:3:4", "", "::0"])
def test_an_index_that_is_none(xyz: Path, index: str) -> None:
    fails(write(xyz, labeled(copper())), "an index is written like", repr(index), index=index)


def test_an_index_that_selects_nothing(xyz: Path) -> None:
    fails(write(xyz, labeled(copper())), "'7'", "contains no structures", index="7")


def test_the_error_of_ase_is_chained(xyz: Path) -> None:
    xyz.write_text("1\nREF_energy=0\nQq 0 0 0\n")
    with pytest.raises(DatasetError) as caught:
        read_dataset(xyz)
    assert isinstance(caught.value.__cause__, KeyError)


def test_overlapping_atoms_are_data(xyz: Path) -> None:
    atoms = Atoms("Cu2", positions=np.zeros((2, 3)), info={"REF_energy": 1.0})
    assert len(read_dataset(write(xyz, atoms))) == 1


# weights


def test_weights_by_config_type_and_structure(xyz: Path) -> None:
    table = WeightTable.from_mapping({"default": {"E": 20, "V": 0.5}, "liquid": {"E": 10, "F": 0.66}})
    scaled = labeled(copper(2, config_type="liquid", energy_weight=2, virial_weight=0.0, config_weight=3.0))
    write(xyz, labeled(copper(0)), labeled(copper(1, config_type="liquid")), scaled)
    weights = [s.weights for s in read_dataset(xyz, weights=table)]
    assert weights[0] == Weights(20.0, 1.0, 0.5)
    assert weights[1] == Weights(10.0, 0.66, 0.5)
    assert weights[2] == Weights(60.0, pytest.approx(1.98), 0.0)
    assert read_dataset(xyz)[1].weights == Weights(30.0, 1.0, 1.0)


def test_weight_table_is_a_mapping_from_yaml(tmp_path: Path) -> None:
    path = tmp_path / "weights.yaml"
    path.write_text("default: {E: 30, F: 1, V: 1}\nliquid: {E: 1e1, F: 0.66, V: 0.25}\n300: {F: 2}\n")
    table = WeightTable.from_yaml(path)
    assert dict(table) == {
        "default": Weights(),
        "liquid": Weights(10.0, 0.66, 0.25),
        "300": Weights(30.0, 2.0, 1.0),
    }
    assert table.weights_of("unheard of") == Weights()
    assert dict(WeightTable()) == {"default": Weights()}


@pytest.mark.parametrize(
    ("table", "fragments"),
    [
        ({"liquid": {"e": 1}}, ("'liquid'", "unknown key 'e'", "'E'")),
        ({"liquid": {"Forces": 1}}, ("'Forces'", "'F'")),
        ({"liquid": {"F": -1}}, ("weight F of 'liquid'", "-1")),
        ({"liquid": {"F": float("nan")}}, ("weight F of 'liquid'", "nan")),
        ({"default": {"V": float("inf")}}, ("weight V of 'default'", "inf")),
        ({"default": {"V": True}}, ("weight V of 'default'", "True")),
        ({"default": {"V": "one"}}, ("weight V of 'default'", "one")),
        ({"default": {"V": [1]}}, ("weight V of 'default'", "[1]")),
        ({"default": 30}, ("'default'", "{E: 30, F: 1, V: 1}", "30")),
        (None, ("config types", "None")),
    ],
)
def test_weights_that_are_wrong(table: object, fragments: tuple[str, ...]) -> None:
    with pytest.raises(WeightsError) as caught:
        WeightTable.from_mapping(table)  # type: ignore[arg-type]
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_weight_files_that_are_wrong(tmp_path: Path) -> None:
    path = tmp_path / "weights.yaml"
    with pytest.raises(WeightsError, match=r"no file of weights .*weights.yaml"):
        WeightTable.from_yaml(path)
    path.write_text("a: {b\n")
    with pytest.raises(WeightsError, match=r"weights.yaml cannot be read as YAML"):
        WeightTable.from_yaml(path)
    path.write_text("a: {G: 1}\n")
    with pytest.raises(WeightsError, match=r"weights.yaml: .*unknown key 'G'"):
        WeightTable.from_yaml(path)


# energies of atoms


def single(symbol: str, energy: float, cell: object = None, **info: object) -> Atoms:
    pbc = cell is not None
    return Atoms(symbol, cell=cell, pbc=pbc, info={"REF_energy": energy, **info})


def test_isolated_atoms_are_recognized(xyz: Path) -> None:
    sheared = [[12.0, 0, 0], [11.0, 4.0, 0], [0, 0, 12.0]]  # the image at (1, -4, 0) is 4.1 Å away
    write(
        xyz,
        single("Cu", -1.0),
        single("Al", -2.0, np.eye(3) * 12),
        single("Ni", -3.0, np.eye(3) * 4),
        single("Ag", -4.0, sheared),
        single("Au", -5.0, np.eye(3) * 4, config_type="IsolatedAtom"),
        Atoms("H2", positions=[[0, 0, 0], [0, 0, 1]], info={"REF_energy": 9.0}),
    )
    data = read_dataset(xyz)
    assert isolated_atom_energies(data) == {"Al": -2.0, "Cu": -1.0, "Au": -5.0}
    assert isolated_atom_energies(data, cutoff=3.9) == {
        "Al": -2.0,
        "Ni": -3.0,
        "Cu": -1.0,
        "Ag": -4.0,
        "Au": -5.0,
    }
    assert isolated_atom_energies(data, cutoff=12.5) == {"Cu": -1.0, "Au": -5.0}


def test_isolated_atoms_must_agree(xyz: Path) -> None:
    write(xyz, single("Cu", -1.0), single("Cu", -1.00005))
    assert isolated_atom_energies(read_dataset(xyz)) == {"Cu": -1.0}
    write(xyz, single("Cu", -1.0), single("Cu", -1.1))
    with pytest.raises(DatasetError, match=r"Cu has two energies, -1.0+ eV in train.xyz #0 .* -1.10+ eV"):
        isolated_atom_energies(read_dataset(xyz))


def test_the_cells_of_a_stretched_crystal_are_no_isolated_atoms(xyz: Path) -> None:
    stretched = []
    for a, energy in ((16.0, -1.0), (17.0, -1.2)):
        cell = bulk("Cu", a=a)
        cell.info["REF_energy"] = energy
        stretched.append(cell)
    write(xyz, *stretched)
    assert isolated_atom_energies(read_dataset(xyz), cutoff=5.0) == {}
    free = Atoms("Cu", info={"REF_energy": -0.9})
    write(xyz, *stretched, free)
    assert isolated_atom_energies(read_dataset(xyz), cutoff=5.0) == {"Cu": -0.9}


def molecule(formula: str, energy: float) -> Atoms:
    atoms = Atoms(formula, info={"REF_energy": energy})
    atoms.positions[:, 0] = np.arange(len(atoms))
    return atoms


def test_least_squares_recovers_exact_energies(xyz: Path) -> None:
    exact = {"H": -13.5, "C": -1027.0, "O": -2040.25}
    formulas = ("CH4", "H2O", "CO2", "C2H6O", "H2")
    structures = []
    for formula in formulas:
        energy = sum(exact[symbol] for symbol in Atoms(formula).symbols)
        structures.append(molecule(formula, energy))
    found = least_squares_energies(read_dataset(write(xyz, *structures)))
    assert list(found) == ["H", "C", "O"]
    assert found == pytest.approx(exact, rel=1e-10)


def test_least_squares_of_one_composition_has_the_least_norm(xyz: Path) -> None:
    found = least_squares_energies(read_dataset(write(xyz, molecule("H2O", -5.0), molecule("H4O2", -10.0))))
    assert found == pytest.approx({"H": -2.0, "O": -1.0})


def test_least_squares_needs_energies(xyz: Path) -> None:
    atoms = labeled(copper())
    del atoms.info["REF_energy"]
    with pytest.raises(DatasetError, match="no energies"):
        least_squares_energies(read_dataset(write(xyz, atoms)))
