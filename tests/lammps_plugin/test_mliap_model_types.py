"""`UnifiedPotential` of network and attention models and ensembles: what LAMMPS gets is what the potential says."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from acnn.kernels.loading import instruction_sets
from acnn.models import Model
from acnn.models.ensemble import Ensemble
from acnn.testing import REDUCTION_TOLERANCE, evaluate, example_structures, pairwise, random_network, relative_deviation
from lammps_plugin.mliap import UnifiedPotential
from lammps_plugin.shell import save_unified

sys.path.insert(0, str(Path(__file__).parent))
try:
    from fake import KokkosData, PlainData
finally:
    sys.path.pop(0)

STRUCTURES = example_structures()
TOLERANCE = 100 * REDUCTION_TOLERANCE
"""Sums in another order, through a network."""
MODELS = {
    "network": lambda: random_network(["Si", "C"], layers=0, cutoff=5.0),
    "attention": lambda: random_network(["Si", "C"]),
    "ensemble": lambda: Ensemble([random_network(["Si", "C"], seed) for seed in range(2)]),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    return MODELS[request.param]()


def assert_as_the_potential(parts: list[PlainData], model: Model, name: str) -> None:
    expected = evaluate(model, [STRUCTURES[name]])
    forces = np.zeros((len(STRUCTURES[name]), 3))
    for part in parts:
        np.add.at(forces, np.array(part.origin, dtype=int), part.f)
    energy = sum(part.written["energy"] for part in parts)
    assert energy == pytest.approx(float(expected.energies[0]), abs=TOLERANCE, rel=TOLERANCE)
    assert relative_deviation(forces, expected.forces.numpy(), 1.0) < TOLERANCE


# Structures and kernel belong to the model, which is tested alone; the coupling hands arrays on.
@pytest.mark.parametrize(
    ("name", "coupling", "kernel"), pairwise(STRUCTURES, [PlainData, KokkosData], ["auto", "torch"])
)
def test_one_rank(model, name, coupling, kernel, monkeypatch):
    monkeypatch.setenv("ACNN_KERNEL", kernel)
    unified = UnifiedPotential(model)
    data = coupling(STRUCTURES[name], 2 * unified.rcutfac, unified.element_types)
    unified.compute_forces(data)
    assert_as_the_potential([data], model, name)


@pytest.mark.parametrize("name", ["alloy", "slab", "molecule"])
def test_ranks_with_ghosts_and_without_atoms(model, name):
    unified, atoms = UnifiedPotential(model), STRUCTURES[name]
    owners = [list(range(0, len(atoms), 2)), list(range(1, len(atoms), 2)), []]
    parts = [PlainData(atoms, model.cutoff, unified.element_types, local=local) for local in owners]
    for part in parts:
        unified.compute_forces(part)
    assert_as_the_potential(parts, model, name)


def test_the_kernel_takes_the_arrays_of_lammps_as_they_are(model, monkeypatch):
    if not instruction_sets():
        pytest.skip("acnn was installed without its compiled kernel")
    monkeypatch.setenv("ACNN_KERNEL", "cpu")
    unified = UnifiedPotential(model)
    assert unified._evaluate_directly(PlainData(STRUCTURES["alloy"], model.cutoff, unified.element_types))


def test_twice_the_same_bits_and_after_a_pickle(model):
    atoms, unified = STRUCTURES["alloy"], UnifiedPotential(model)
    runs = []
    for one in (unified, unified, pickle.loads(pickle.dumps(unified))):
        data = PlainData(atoms, model.cutoff, unified.element_types)
        one.compute_forces(data)
        runs.append(data.f)
    assert all(np.array_equal(found, runs[0]) for found in runs)


@pytest.mark.parametrize("name", ["m.pt", "m.pkl"])
def test_a_file_gives_back_the_potential(model, tmp_path, name):
    save_unified(model, tmp_path / name, "float32")
    load = (lambda p: torch.load(p, weights_only=False)) if name == "m.pt" else (lambda p: pickle.loads(p.read_bytes()))
    loaded = load(tmp_path / name)
    assert (loaded.dtype, loaded.potential.model_type, loaded.rcutfac) == (
        "float32",
        model.model_type,
        0.5 * model.cutoff,
    )
    atoms = STRUCTURES["alloy"]
    single, double = (PlainData(atoms, model.cutoff, loaded.element_types) for _ in range(2))
    loaded.compute_forces(single)
    UnifiedPotential(model).compute_forces(double)
    assert 0 < relative_deviation(single.f, double.f, 1.0) < 1e-4
