"""Labels under several keys: those of one level of theory are joined, and nothing is left out in silence."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator

from acnn.data.dataset import Dataset, DatasetError, read_dataset
from acnn.data.label_keys import used_keys
from acnn.fit.job import left_out_notes

FORCES = np.linspace(-1.0, 1.0, 12).reshape(4, 3)
VOLUME = 3.6**3


def copper(**labels: object) -> Atoms:
    """Four atoms; labels of three numbers per atom go to the arrays."""
    atoms = bulk("Cu", a=3.6, cubic=True)
    for key, value in labels.items():
        (atoms.arrays if np.shape(value) == (4, 3) else atoms.info)[key] = value
    return atoms


def calculated(atoms: Atoms, **results: object) -> Atoms:
    """With results where ASE's reader puts energy=… and forces."""
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def read(path: Path, *structures: Atoms, **keys: str) -> Dataset:
    ase.io.write(path, list(structures), format="extxyz")
    return read_dataset(path, **keys)


def energies(data: Dataset) -> list[float | None]:
    return [structure.energy for structure in data]


@pytest.fixture
def xyz(tmp_path: Path) -> Path:
    return tmp_path / "train.xyz"


def isolated_and_calculated() -> list[Atoms]:
    """Isolated atoms labeled by hand, and what ASE's calculator left."""
    single = [Atoms(s, info={"REF_energy": e, "config_type": "isolated_atom"}) for s, e in (("Cu", -1.0), ("Al", -2.0))]
    return single + [calculated(copper(), energy=-16.0 - k, forces=FORCES) for k in range(3)]


def test_keys_of_different_levels_are_an_error_that_counts_them(xyz: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        read(xyz, *isolated_and_calculated())
    message = str(caught.value)
    assert "REF_energy in 2 structures, energy in 3 structures" in message
    assert "--energy-key REF_energy to" in message
    assert "--energy-key REF_energy,energy for" in message


def test_several_keys_that_are_given_are_taken_in_their_order(xyz: Path) -> None:
    data = read(xyz, *isolated_and_calculated(), energy_key="REF_energy, energy")
    assert energies(data) == [-1.0, -2.0, -16.0, -17.0, -18.0]
    assert data.keys["energy"] == {"REF_energy": 2, "energy": 3}
    assert used_keys(data.keys) == "energy ← REF_energy (2 structures) + energy (3 structures), forces ← forces"
    both = [calculated(copper(REF_energy=-1.0), energy=-2.0)]
    assert energies(read(xyz, *both, energy_key="REF_energy,energy")) == [-1.0]
    assert energies(read(xyz, *both, energy_key="energy,REF_energy")) == [-2.0]


@pytest.mark.parametrize("key", ["", " ", ","])
def test_a_key_without_a_name_is_refused(xyz: Path, key: str) -> None:
    with pytest.raises(DatasetError, match=r"the energy key .* is not a name"):
        read(xyz, copper(energy=-1.0), energy_key=key)


def test_what_a_given_key_leaves_out_is_said(xyz: Path) -> None:
    data = read(xyz, *isolated_and_calculated(), energy_key="REF_energy")
    assert energies(data) == [-1.0, -2.0, None, None, None]
    (note,) = data.notes
    assert "energy in 3 structures not used" in note
    assert "--energy-key REF_energy,energy" in note


def test_keys_that_agree_wherever_both_are_stand_in_for_each_other(xyz: Path) -> None:
    data = read(
        xyz,
        calculated(copper(REF_energy=-1.0), energy=-1.0),
        calculated(copper(), energy=-2.0),
        copper(REF_energy=-3.0),
    )
    assert energies(data) == [-1.0, -2.0, -3.0]
    assert data.keys["energy"] == {"REF_energy": 2, "energy": 1}
    assert data.notes == ()


def test_keys_that_disagree_do_not(xyz: Path) -> None:
    both = [calculated(copper(REF_energy=-1.0 - k), energy=-1.5) for k in range(2)]
    data = read(xyz, *both)
    assert energies(data) == [-1.0, -2.0]
    (note,) = data.notes
    assert "taken from REF_energy" in note
    assert "energy differs from it in 2 structures, by up to 0.125 eV/atom" in note
    with pytest.raises(DatasetError, match="REF_energy in 2 structures, energy in 1 structure"):
        read(xyz, *both, calculated(copper(), energy=-3.0))


def test_spellings_of_one_name_are_one_level(xyz: Path) -> None:
    data = read(xyz, copper(dft_energy=-1.0), copper(DFT_energy=-2.0), copper(energy_dft=-3.0))
    assert energies(data) == [-1.0, -2.0, -3.0]
    assert data.notes == ()


def test_virials_and_stresses_are_joined(xyz: Path) -> None:
    virial = -np.diag([0.1, 0.2, 0.3]) * VOLUME
    stress = np.diag([0.1, 0.2, 0.3]).ravel()
    data = read(
        xyz, copper(REF_energy=0.0, REF_virial=virial.ravel()), copper(REF_energy=0.0, REF_stress=stress), copper()
    )
    np.testing.assert_allclose([data[0].virial, data[1].virial], [virial, virial], atol=1e-12)
    assert data[2].virial is None
    assert (data.keys["virial"], data.keys["stress"]) == ({"REF_virial": 1}, {"REF_stress": 1})


def test_a_stress_that_contradicts_the_virial_is_said(xyz: Path) -> None:
    labels = {"REF_virial": np.eye(3).ravel() * -0.1 * VOLUME, "REF_stress": np.eye(3).ravel() * 0.1 * 1602.18}
    (note,) = read(xyz, copper(REF_energy=0.0, **labels)).notes
    assert "virials are taken from REF_virial; REF_stress differs" in note


def test_declared_reference_data_come_before_those_of_the_calculator(xyz: Path) -> None:
    assert energies(read(xyz, calculated(copper(dft_energy=-1.0), energy=-2.0))) == [-1.0]
    assert energies(read(xyz, copper(dft_energy=-1.0, REF_energy=-3.0))) == [-3.0]


@pytest.mark.parametrize(
    ("energy", "forces", "virial", "sign"),
    [
        ("REF_energy", "REF_forces", "REF_virials", 1.0),
        ("REF_energy", "REF_force", "REF_virial", 1.0),
        ("REF_energy", "REF_forces", "REF_stress", -VOLUME),
        ("dft_energy", "dft_force", "dft_virial", 1.0),
        ("DFT_energy", "DFT_forces", "DFT_stress", -VOLUME),
        ("total_energy", "forces", "stress", -VOLUME),
        ("energy", "force", "virial", 1.0),
        ("energy", "force", "virials", 1.0),
        ("Energy", "forces_dft", "virial_dft", 1.0),
    ],
)
def test_names_of_other_packages(xyz: Path, energy: str, forces: str, virial: str, sign: float) -> None:
    tensor = np.array([[0.1, 0.06, 0.05], [0.06, 0.2, 0.04], [0.05, 0.04, 0.3]])
    (structure,) = read(xyz, copper(**{energy: -1.0, forces: FORCES, virial: tensor.ravel()}))
    assert structure.energy == -1.0
    assert structure.forces is not None
    assert structure.virial is not None
    np.testing.assert_allclose(structure.forces, FORCES, atol=1e-8)
    np.testing.assert_allclose(structure.virial, sign * tensor, atol=1e-12)


def test_forces_belong_to_the_free_energy(xyz: Path) -> None:
    data = read(xyz, calculated(copper(), energy=-14.0, free_energy=-14.04, forces=FORCES))
    assert energies(data) == [-14.04]
    (note,) = data.notes
    assert "free_energy, whose derivatives forces are; energy differs from it in 1 structure, by up to 0.01" in note
    assert "--energy-key energy" in note
    data = read(xyz, calculated(copper(), energy=-14.0, free_energy=-14.0))
    assert (used_keys(data.keys), data.notes) == ("energy ← energy", ())
    assert energies(read(xyz, copper(free_energy=-1.0))) == [-1.0]
    with pytest.raises(DatasetError, match="energy in 1 structure, free_energy in 1 structure"):
        read(xyz, copper(energy=-1.0), copper(free_energy=-1.0))


def test_forces_of_another_level_than_the_energies(xyz: Path) -> None:
    (note,) = read(xyz, calculated(copper(REF_energy=-1.0), forces=FORCES)).notes
    assert "energies from REF_energy, forces from forces" in note
    with pytest.raises(DatasetError, match="--energy-key energy --forces-key forces"):
        read(xyz, calculated(copper(REF_energy=-1.0), energy=-2.0, forces=FORCES))
    assert read(xyz, calculated(copper(REF_energy=-1.0), energy=-1.0, forces=FORCES)).keys["forces"] == {"forces": 1}


def test_unknown_keys_that_look_like_labels_are_named(xyz: Path) -> None:
    atoms = copper(REF_energy=-1.0, pbe_energy=-2.0, pbe_force=FORCES, pbe_virial=np.ones(9), etot=-1.0)
    atoms.info |= {"energy_weight": 2.0, "kinetic_energy": 1.0, "step": 7, "smearing": 0.1}
    atoms.set_momenta(FORCES)
    (note,) = read(xyz, atoms, atoms).notes
    assert note.startswith("train.xyz: not used, although they look like labels: ")
    for part in (
        "pbe_energy in 2 structures (--energy-key, eV per cell)",
        "etot in 2",
        "pbe_force in 2 structures (--forces-key, eV/Å)",
        "pbe_virial in 2 structures (--virial-key, eV, or --stress-key, eV/Å³)",
    ):
        assert part in note
    for name in ("weight", "kinetic", "step", "smearing", "momenta"):
        assert name not in note


def test_the_shape_is_enough_where_there_are_no_such_labels(xyz: Path) -> None:
    odd = {"first": FORCES, "second": np.ones(9), "dipole": np.ones(3), "polarizability": np.ones(9)}
    (note,) = read(xyz, copper(REF_energy=0.0, **odd)).notes
    assert "first in 1 structure (--forces-key" in note
    assert "second in 1 structure (--virial-key" in note
    assert not {"dipole", "polarizability"} & set(note.replace(",", " ").split())
    assert read(xyz, copper(REF_energy=0.0, REF_forces=FORCES, REF_stress=np.ones(9), **odd)).notes == ()


def test_files_of_different_levels_are_told(tmp_path: Path) -> None:
    train = read(tmp_path / "train.xyz", copper(REF_energy=-1.0))
    same = read(tmp_path / "same.xyz", copper(REF_energy=-1.0))
    other = read(tmp_path / "other.xyz", copper(energy=-1.0))
    assert left_out_notes({"train": train, "test": same}) == []
    (note,) = left_out_notes({"train": train, "test": other})
    assert note.startswith("energy: REF_energy in train.xyz, energy in other.xyz")


def test_usual_keys_are_used_where_there_are_such_labels(xyz: Path) -> None:
    """Those that were named for other data, such as a model's."""
    usual = {"energy": "total", "stress": "pull"}
    both = [copper(total=-3.0, energy=-4.0), copper(total=-5.0, energy=-4.5)]
    ase.io.write(xyz, both, format="extxyz")
    assert energies(read_dataset(xyz, usual_keys=usual)) == [-3.0, -5.0]
    assert energies(read_dataset(xyz, usual_keys=usual, energy_key="energy")) == [-4.0, -4.5]
    ase.io.write(xyz, [copper(energy=-4.0)], format="extxyz")
    assert energies(read_dataset(xyz, usual_keys=usual)) == [-4.0]
