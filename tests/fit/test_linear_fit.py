"""Whole fits: data inside the basis are recovered, data outside are approached."""

from __future__ import annotations

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.basis.specification import BasisSpecification
from acnn.conventions import full_from_voigt, virial_from_stress
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.evaluation.metrics import evaluate
from acnn.fit.assembly import Assembler
from acnn.fit.linear import fit_linear
from acnn.fit.repulsion import N_DIMERS
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.solvers import BLR, QR, AlgebraicPrior, IdentityPrior

RECOVERY = 1e-6  # eV, eV/Å

E0 = {"Al": -3.0, "Cu": -4.0}
SPECIFICATION = BasisSpecification(elements=("Al", "Cu"), order=2, degree=5, cutoff=4.5)


def crystals(n: int, seed: int, alloyed: bool = True) -> list[ase.Atoms]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = bulk("Cu", cubic=True, a=rng.uniform(3.5, 3.9))
        if alloyed:
            atoms.symbols[:] = rng.choice(["Al", "Cu"], 4).tolist()
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3))), scale_atoms=True)
        atoms.positions += rng.normal(scale=0.15, size=(4, 3))
        found.append(atoms)
    return found


def labeled_by(model: LinearACE, atoms: ase.Atoms) -> LabeledStructure:
    result = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    return LabeledStructure(
        atoms,
        float(result.energies[0]),
        result.forces.numpy(),
        result.virials[0].numpy(),
        "default",
        Weights(),
        "test",
    )


def labeled_by_emt(atoms: ase.Atoms) -> LabeledStructure:
    copy = atoms.copy()
    copy.calc = EMT()
    virial = virial_from_stress(full_from_voigt(copy.get_stress()), copy.cell.volume)
    return LabeledStructure(atoms, copy.get_potential_energy(), copy.get_forces(), virial, "default", Weights(), "emt")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "zbl"])
def truth(request: pytest.FixtureRequest) -> LinearACE:
    model = LinearACE(SPECIFICATION, E0, zbl=request.param)
    coefficients = np.random.default_rng(1).normal(size=model.basis.n_functions)
    return LinearACE(SPECIFICATION, E0, torch.as_tensor(coefficients), zbl=request.param)


@pytest.mark.parametrize(
    ("solver", "prior"),
    [
        pytest.param(QR(), IdentityPrior(), id="qr"),
        pytest.param(BLR(), IdentityPrior(), id="blr"),
        pytest.param(BLR(), AlgebraicPrior(2.0), id="blr, smoothness prior"),
    ],
)
def test_data_of_a_model_in_the_basis_are_recovered(truth, solver, prior):
    train = [labeled_by(truth, atoms) for atoms in crystals(12, seed=2)]
    fit = fit_linear(SPECIFICATION, train, E0, solver, prior, zbl=truth.zbl is not None)
    assert fit.n_rows == 12 * (1 + 12 + 6) > truth.basis.n_functions
    test = [labeled_by(truth, atoms) for atoms in crystals(4, seed=3)]
    errors = evaluate(fit.model, test).as_dict()["total"]
    assert errors["energy_rmse"] < 1000 * RECOVERY
    assert errors["virial_rmse"] < 1000 * RECOVERY
    assert errors["forces_rmse"] < RECOVERY
    assert np.abs(test[0].forces).max() > 0.1


@pytest.mark.parametrize("labels", ["energy", "forces"])
def test_one_kind_of_label_suffices(labels):
    specification = BasisSpecification(elements=("Cu",), order=2, degree=4, cutoff=4.5)
    n = LinearACE(specification, E0).basis.n_functions
    truth = LinearACE(specification, E0, torch.as_tensor(np.random.default_rng(4).normal(size=n)))
    train = [labeled_by(truth, atoms) for atoms in crystals(20, seed=5, alloyed=False)]
    kept = [
        LabeledStructure(
            s.atoms,
            s.energy if labels == "energy" else None,
            s.forces if labels == "forces" else None,
            None,
            "a",
            s.weights,
            "b",
        )
        for s in train
    ]
    fit = fit_linear(specification, kept, E0, QR(), IdentityPrior())
    assert fit.n_rows == (20 if labels == "energy" else 240)
    np.testing.assert_allclose(fit.model.coefficients, truth.coefficients, atol=1e-5)


@pytest.mark.parametrize("prior", [IdentityPrior(), AlgebraicPrior(3.0, 1.1)], ids=["identity", "algebraic"])
def test_coefficients_are_those_of_dense_ridge_regression_with_the_prior(prior):
    train = [labeled_by_emt(atoms) for atoms in crystals(4, seed=13)]
    fit = fit_linear(SPECIFICATION, train, E0, QR(0.3), prior, element_correlation=0.0)
    assemble = Assembler(LinearACE(SPECIFICATION, E0))
    rows, targets = (np.concatenate(part) for part in zip(*map(assemble, train), strict=True))
    rows = rows[:, : -len(E0)]
    gamma = [
        sum(n**3.0 + 1.1 * l**3.0 for n, l in function.nl) if isinstance(prior, AlgebraicPrior) else 1.0
        for function in SPECIFICATION.functions()
    ]
    expected = np.linalg.solve(rows.T @ rows + 0.3 * np.diag(np.square(gamma)), rows.T @ targets)
    np.testing.assert_allclose(fit.model.coefficients, expected, atol=1e-7 * np.abs(expected).max())


def test_errors_fall_as_the_basis_grows():
    """Larger bases hold the smaller ones: what least squares minimizes, here the force error, can only fall."""
    labeled = [labeled_by_emt(atoms) for atoms in crystals(8, seed=6, alloyed=False)]
    train = [LabeledStructure(s.atoms, None, s.forces, None, "a", s.weights, s.name) for s in labeled]
    energies = {"Cu": 0.0}
    forces = []
    for degree in (3, 5, 7, 8):
        specification = BasisSpecification(elements=("Cu",), order=3, degree=degree, cutoff=5.0)
        fit = fit_linear(specification, train, energies, QR(), IdentityPrior())
        forces.append(evaluate(fit.model, train).as_dict()["total"]["forces_rmse"])
    assert forces[0] > forces[1] > forces[2] > forces[3]
    assert forces[3] < 0.1 * forces[0]


def test_blr_generalizes_to_new_emt_structures():
    train = [labeled_by_emt(atoms) for atoms in crystals(20, seed=17, alloyed=False)]
    test = [labeled_by_emt(atoms) for atoms in crystals(5, seed=18, alloyed=False)]
    specification = BasisSpecification(elements=("Cu",), order=3, degree=7, cutoff=5.0)
    fit = fit_linear(specification, train, {"Cu": 0.0}, BLR(), AlgebraicPrior(), repulsion_weight=0.3)
    errors = evaluate(fit.model, test).as_dict()["total"]
    labels = np.concatenate([s.forces.reshape(-1) for s in test])
    assert errors["forces_rmse"] < 0.1 * np.sqrt((labels**2).mean())
    assert 0 < fit.solution.effective_parameters <= fit.model.basis.n_functions
    assert fit.solution.log_evidence is not None


def test_weights_decide_what_contradicting_labels_become():
    """Two equal structures, energies 1 eV apart: the fit lies at their mean, weighted by the squares."""
    atoms = crystals(1, seed=9, alloyed=False)[0]
    specification = BasisSpecification(elements=("Cu",), order=2, degree=4, cutoff=4.5)
    pair = [
        LabeledStructure(atoms, energy, None, None, "a", Weights(weight, 0.0, 0.0), "b")
        for energy, weight in [(-10.0, 3.0), (-11.0, 1.0)]
    ]
    fit = fit_linear(specification, pair, {"Cu": 0.0}, QR(), IdentityPrior())
    energy = float(fit.model.pair_gradients(atomic_graph(atoms, 4.5)).energies[0])
    assert energy == pytest.approx(-(9 * 10 + 11) / 10)


def test_the_repulsion_restraint_makes_close_pairs_repel():
    """Labels of the opposite sign know no repulsion; without the restraint neither does their fit."""
    train = [
        LabeledStructure(s.atoms, -s.energy, -s.forces, -s.virial, "a", s.weights, s.name)
        for s in (labeled_by_emt(atoms) for atoms in crystals(10, seed=10, alloyed=False))
    ]
    specification = BasisSpecification(elements=("Cu",), order=2, degree=10, cutoff=5.0)

    def energies(weight: float) -> np.ndarray:
        fit = fit_linear(specification, train, {"Cu": 0.0}, BLR(), AlgebraicPrior(), repulsion_weight=weight)
        assert fit.n_rows == 10 * 19 + (N_DIMERS + 2 * 10 * 4 if weight else 0)
        dimers = [ase.Atoms("Cu2", [[0, 0, 0], [0, 0, r]]) for r in np.linspace(0.3, 1.2, 40)]
        return np.array([float(fit.model.pair_gradients(atomic_graph(d, 5.0)).energies[0]) for d in dimers])

    assert (np.diff(energies(0.3)) < 0).all()
    assert (np.diff(energies(0.0)) > 0).any()


def test_progress_is_reported_once_per_structure():
    calls: list[int] = []
    train = [labeled_by_emt(atoms) for atoms in crystals(3, seed=11, alloyed=False)]
    specification = BasisSpecification(elements=("Cu",), order=1, degree=4)
    fit = fit_linear(specification, train, {"Cu": 0.0}, QR(), IdentityPrior(), progress=lambda: calls.append(1))
    assert len(calls) == 3
    assert fit.seconds > 0


def test_nothing_to_fit_is_an_error():
    atoms = crystals(1, seed=12)[0]
    empty = LabeledStructure(atoms, None, None, None, "a", Weights(), "b")
    with pytest.raises(ValueError, match="no structure has a label with a positive weight"):
        fit_linear(SPECIFICATION, [empty], E0, QR(), IdentityPrior(), repulsion_weight=1.0)
