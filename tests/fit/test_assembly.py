"""Rows of the least-squares problem against the model they belong to."""

from __future__ import annotations

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk

from acnn.basis.ace import ACEBasis
from acnn.basis.derivatives import BasisDerivatives
from acnn.basis.specification import BasisSpecification
from acnn.conventions import voigt_from_full
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.assembly import (
    Assembler,
    row_source,
    structure_rows,
)
from acnn.models.fixed_terms import ZBL
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph

ROUNDING = 1e-11

WEIGHTS = Weights(30.0, 2.0, 0.5)
E0 = {"Al": -3.0, "Ti": -7.0}


@pytest.fixture(scope="module", params=["pure2b", "self_interacting"])
def basis(request: pytest.FixtureRequest) -> ACEBasis:
    return ACEBasis(
        BasisSpecification(elements=("Al", "Ti"), order=3, degree=(6, 6, 5), cutoff=4.5, formulation=request.param)
    )


def model_with(basis: ACEBasis, seed: int | None, zbl: bool = False) -> LinearACE:
    coefficients = None if seed is None else torch.as_tensor(np.random.default_rng(seed).normal(size=basis.n_functions))
    return LinearACE(basis, E0, coefficients, zbl)


def alloy() -> ase.Atoms:
    atoms = bulk("Al", cubic=True, a=4.0)
    atoms.symbols[2:] = "Ti"
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + [[0.02, 0.05, 0.0], [0.0, -0.03, 0.04], [0.01, 0.0, 0.0]]), True)
    atoms.rattle(0.1, seed=1)
    return atoms


def molecule() -> ase.Atoms:
    return ase.Atoms("AlTiAl", positions=[[0, 0, 0], [0, 0, 1.6], [1.9, 0.2, 0.3]])


STRUCTURES = {"alloy": alloy(), "molecule": molecule(), "one atom and its images": bulk("Ti", "bcc", a=2.9)}


def labeled(atoms: ase.Atoms, model: LinearACE, labels: str = "EFV", weights: Weights = WEIGHTS) -> LabeledStructure:
    """The model's own predictions as labels."""
    result = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    return LabeledStructure(
        atoms,
        float(result.energies[0]) if "E" in labels else None,
        result.forces.numpy() if "F" in labels else None,
        result.virials[0].numpy() if "V" in labels else None,
        "default",
        weights,
        "test",
    )


@pytest.mark.parametrize("name", STRUCTURES)
def test_rows_times_coefficients_are_energy_forces_and_virial(basis, name):
    model, atoms = model_with(basis, seed=2), STRUCTURES[name]
    graph = atomic_graph(atoms, model.cutoff)
    rows = structure_rows(basis, BasisDerivatives(basis), graph)
    result, c = model.pair_gradients(graph), model.coefficients.numpy()
    e0 = sum(E0[s] for s in atoms.symbols)
    assert rows.energy @ c + e0 == pytest.approx(float(result.energies[0]), rel=ROUNDING)
    forces, virial = result.forces.numpy(), voigt_from_full(result.virials[0].numpy())
    scale = max(np.abs(forces).max(), np.abs(virial).max())
    np.testing.assert_allclose(rows.forces @ c, forces.reshape(-1), atol=ROUNDING * scale)
    np.testing.assert_allclose(rows.virial @ c, virial, atol=ROUNDING * scale)
    assert np.abs(virial).max() > 1e-3


def test_energies_alone_have_no_other_rows(basis):
    rows = structure_rows(basis, None, atomic_graph(alloy(), 4.5))
    assert rows.forces is None
    assert rows.virial is None
    assert rows.energy.any()


def test_isolated_atoms_have_rows_of_zeros(basis):
    rows = structure_rows(basis, BasisDerivatives(basis), atomic_graph(ase.Atoms("Ti"), 4.5))
    assert rows.forces.shape == (3, basis.n_functions)
    assert rows.virial.shape == (6, basis.n_functions)
    assert not rows.energy.any()
    assert not rows.forces.any()
    assert not rows.virial.any()


@pytest.mark.parametrize("zbl", [False, True])
@pytest.mark.parametrize("name", STRUCTURES)
def test_the_coefficients_that_made_the_labels_solve_the_equations(basis, name, zbl):
    """E0 and ZBL are subtracted from energy, forces and virial alike."""
    true = model_with(basis, seed=3, zbl=zbl)
    rows, targets = Assembler(model_with(basis, None, zbl))(labeled(STRUCTURES[name], true))
    rows = rows[:, : basis.n_functions]
    n_rows = 1 + 3 * len(STRUCTURES[name]) + 6
    if len(STRUCTURES[name]) == 1:  # forces and shear vanish by symmetry
        n_rows = 1 + 3
    assert np.count_nonzero(np.abs(rows).max(axis=1) > 1e-12) == n_rows
    np.testing.assert_allclose(rows @ true.coefficients.numpy(), targets, atol=ROUNDING * np.abs(targets).max())


def test_zbl_forces_and_virials_are_part_of_what_is_subtracted(basis):
    atoms = molecule()
    graph = atomic_graph(atoms, 4.5)
    assert ZBL()(graph).max() > 0.1
    label = labeled(atoms, model_with(basis, None, zbl=True), weights=Weights(1.0, 1.0, 1.0))
    _, with_zbl = Assembler(model_with(basis, None, zbl=True))(label)
    _, without = Assembler(model_with(basis, None, zbl=False))(label)
    assert np.abs(with_zbl).max() < 1e-12
    for part in (slice(0, 1), slice(1, 10), slice(10, 16)):
        assert np.abs(without[part]).max() > 0.01


def test_weights_multiply_rows_and_energies_and_virials_are_shared_by_the_atoms(basis):
    atoms, true = alloy(), model_with(basis, seed=4)
    weights = Weights(energy=30.0, forces=2.0, virial=0.5)
    rows, targets = Assembler(model_with(basis, None))(labeled(atoms, true, weights=weights))
    rows, constants = rows[:, :-2], rows[:, -2:]
    plain = row_source(basis)(atomic_graph(atoms, 4.5), True)
    n = len(atoms)
    np.testing.assert_allclose(rows[0], 30.0 / np.sqrt(n) * plain.energy, rtol=1e-14)
    np.testing.assert_allclose(rows[1 : 1 + 3 * n], 2.0 * plain.forces, rtol=1e-14)
    np.testing.assert_allclose(rows[1 + 3 * n :], 0.5 / np.sqrt(n) * plain.virial, rtol=1e-14)
    counts = [np.sum(atoms.symbols == element) for element in basis.elements]
    assert not constants[: 1 + 3 * n].any()
    np.testing.assert_allclose(constants[1 + 3 * n :], 0.5 / np.sqrt(n) * np.outer([1, 1, 1, 0, 0, 0], counts))
    result = true.pair_gradients(atomic_graph(atoms, 4.5))
    energy = float(result.energies[0]) - sum(E0[s] for s in atoms.symbols)
    assert targets[0] == pytest.approx(30.0 / np.sqrt(n) * energy)
    np.testing.assert_allclose(targets[1 : 1 + 3 * n], 2.0 * result.forces.numpy().reshape(-1), rtol=1e-14)
    np.testing.assert_allclose(targets[1 + 3 * n :], 0.5 / np.sqrt(n) * voigt_from_full(result.virials[0]), rtol=1e-14)


@pytest.mark.parametrize(
    ("labels", "n_rows"), [("", 0), ("E", 1), ("F", 12), ("V", 6), ("EF", 13), ("EV", 7), ("EFV", 19)]
)
def test_missing_labels_give_no_rows(basis, labels, n_rows):
    rows, targets = Assembler(model_with(basis, None))(labeled(alloy(), model_with(basis, 5), labels))
    assert rows.shape == (n_rows, basis.n_functions + 2)
    assert targets.shape == (n_rows,)


@pytest.mark.parametrize(
    ("weights", "n_rows"),
    [(Weights(0, 1, 1), 18), (Weights(1, 0, 1), 7), (Weights(1, 1, 0), 13), (Weights(0, 0, 0), 0)],
)
def test_labels_of_weight_zero_give_no_rows(basis, weights, n_rows):
    rows, targets = Assembler(model_with(basis, None))(labeled(alloy(), model_with(basis, 5), weights=weights))
    assert rows.shape == (n_rows, basis.n_functions + 2)
    assert targets.shape == (n_rows,)
