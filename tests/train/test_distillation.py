"""Distillation: the true labels stay, copies carry the teacher's, and one student learns them."""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from typer.testing import CliRunner

from acnn.cli.main import app
from acnn.data.dataset import read_dataset
from acnn.data.structures import displaced
from acnn.io.model_file import save_model
from acnn.neighbors import atomic_graph
from acnn.potential import Potential
from acnn.testing import random_model
from acnn.train.distillation import CONFIG_TYPE, distilled


@pytest.fixture
def teacher() -> Potential:
    return random_model(("Si",), cutoff=4.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A crystal with all labels, a cluster with forces only, an isolated atom, and a crystal of one atom per cell."""
    crystal, cluster, atom = bulk("Si", cubic=True), Atoms("Si3", [[0, 0, 0], [2.4, 0, 0], [0, 2.5, 0]]), Atoms("Si")
    crystal.info.update(REF_energy=-40.0, REF_stress=np.full(9, 0.01), config_type="dia")
    crystal.arrays["REF_forces"] = np.full((8, 3), 0.25)
    cluster.arrays["REF_forces"] = np.full((3, 3), -0.5)
    cluster.info.update(forces_weight=0.5, config_weight=3.0)
    atom.info.update(REF_energy=-1.5, config_type="isolated_atom")
    atom.arrays["REF_forces"] = np.zeros((1, 3))
    path = tmp_path / "train.xyz"
    single = bulk("Si", "fcc", a=3.9)
    single.info.update(REF_energy=-4.0)
    single.arrays["REF_forces"] = np.zeros((1, 3))
    ase.io.write(path, [crystal, cluster, atom, single], format="extxyz")
    return path


def test_labels_of_the_data_stay_and_copies_have_the_teachers(data, teacher, tmp_path):
    dataset = read_dataset(data)
    ase.io.write(tmp_path / "out.xyz", distilled(dataset, teacher, 2, 0.05, 0.01, seed=3), format="extxyz")
    found = read_dataset(tmp_path / "out.xyz").structures
    own = [s for s in found if s.config_type != CONFIG_TYPE]
    copies = [s for s in found if s.config_type == CONFIG_TYPE]
    assert [len(s) for s in copies] == [8, 8, 3, 3, 1, 1], "an isolated atom has no copies"
    for before, after in zip(dataset, own, strict=True):
        assert (before.config_type, before.weights) == (after.config_type, after.weights)
        assert (before.energy, before.virial is None) == (after.energy, after.virial is None)
        np.testing.assert_allclose(before.forces, after.forces)
        if before.virial is not None:
            np.testing.assert_allclose(before.virial, after.virial)
    for copy in copies:
        expected = teacher.pair_gradients(atomic_graph(copy.atoms, teacher.cutoff))
        assert copy.energy == pytest.approx(float(expected.energies[0]), abs=1e-6)
        np.testing.assert_allclose(copy.forces, expected.forces.numpy(), atol=1e-6)
        if copy.atoms.pbc.all():
            np.testing.assert_allclose(copy.virial, expected.virials[0].numpy(), atol=1e-5)


def test_copies_with_large_forces_are_left_out(data, teacher):
    dataset = read_dataset(data)
    every = distilled(dataset, teacher, 4, 0.1, 0.01, seed=3)
    largest = [
        np.linalg.norm(s.arrays["REF_forces"], axis=1).max() for s in every if s.info["config_type"] == CONFIG_TYPE
    ]
    limit = float(np.median(largest))
    kept = distilled(dataset, teacher, 4, 0.1, 0.01, seed=3, max_force=limit)
    assert len(every) - len(kept) == sum(f > limit for f in largest) > 0


def test_displacements_have_the_size_asked_for():
    crystal, rng = bulk("Si", cubic=True) * 4, np.random.default_rng(1)
    deviations = [(displaced(crystal, 0.1, 0.0, rng).positions - crystal.positions).std() for _ in range(40)]
    assert 0.018 < min(deviations) < 0.05
    assert 0.08 < max(deviations) < 0.102
    strains = [np.linalg.solve(crystal.cell.array, displaced(crystal, 0.0, 0.02, rng).cell.array) for _ in range(200)]
    symmetric = np.array(strains) - np.eye(3)
    np.testing.assert_allclose(symmetric, symmetric.transpose(0, 2, 1), atol=1e-14)
    assert symmetric[:, 0, 0].std() == pytest.approx(0.02, rel=0.2)
    water = molecule("H2O", cell=[9.0, 9.0, 9.0])
    np.testing.assert_array_equal(displaced(water, 0.1, 0.5, rng).cell.array, water.cell.array)  # not strained


def test_the_command_repeats_itself_and_names_unknown_elements(data, teacher, tmp_path):
    save_model(teacher, tmp_path / "teacher.acnn")
    outputs = [tmp_path / "a.xyz", tmp_path / "b.xyz"]
    for output in outputs:
        done = CliRunner().invoke(app, ["distill", str(tmp_path / "teacher.acnn"), str(data), "-o", str(output)])
        assert done.exit_code == 0, done.output
        assert "4 structures, 18 copies" in done.output
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    germanium = bulk("Ge")
    germanium.info["REF_energy"] = 1.0
    ase.io.write(tmp_path / "ge.xyz", germanium)
    refused = CliRunner().invoke(
        app, ["distill", str(tmp_path / "teacher.acnn"), str(tmp_path / "ge.xyz"), "-o", str(tmp_path / "c.xyz")]
    )
    assert refused.exit_code == 2
    assert "cannot label structures with Ge" in " ".join(refused.output.split())
    assert not (tmp_path / "c.xyz").exists()
