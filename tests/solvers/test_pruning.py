"""Functions that ARD leaves out leave the model's program too; the solvers on real equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.linear import LinearFit, fit_linear
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.solvers import ARD, BLR, LSQR, QR, RRQR, AlgebraicPrior, CustomPrior, Solver

SPECIFICATION = BasisSpecification(elements=("Cu",), order=3, degree=8, cutoff=4.5)
N_TRAIN, N_TEST = 20, 5
KERNEL_ACCURACY = 1e-10


def labeled(atoms: Atoms) -> LabeledStructure:
    atoms.calc = EMT()
    return LabeledStructure(
        atoms, atoms.get_potential_energy(), atoms.get_forces(), None, "a", Weights(), "EMT structure"
    )


@pytest.fixture(scope="module")
def copper() -> list[LabeledStructure]:
    rng = np.random.default_rng(1)
    structures = []
    for _ in range(N_TRAIN + N_TEST):
        atoms = bulk("Cu", a=3.6 * rng.uniform(0.95, 1.06)) * (2, 2, 2)
        atoms.positions += rng.normal(0.0, 0.12, atoms.positions.shape)
        structures.append(labeled(atoms))
    return structures


def fitted(structures: list[LabeledStructure], solver: Solver) -> LinearFit:
    return fit_linear(SPECIFICATION, structures[:N_TRAIN], {"Cu": 0.0}, solver, AlgebraicPrior())


def force_error(model: LinearACE, structures: list[LabeledStructure]) -> float:
    """RMSE on the held-out structures, eV/Å."""
    differences = [
        model.pair_gradients(atomic_graph(s.atoms, model.cutoff)).forces.numpy() - s.forces
        for s in structures[N_TRAIN:]
    ]
    return float(np.sqrt(np.mean(np.concatenate(differences) ** 2)))


def n_terms(model: LinearACE) -> int:
    arrays = model.program().arrays
    return sum(np.count_nonzero(arrays[f"0.{kind}.coefficients"]) for kind in ("complex", "real"))


@pytest.mark.parametrize(
    "solver", [QR(1e-9), RRQR(1e-9), LSQR(1e-5, 1e-10), ARD(), ARD(2.0)], ids=["qr", "rrqr", "lsqr", "ard bic", "ard 2"]
)
def test_every_solver_fits_about_as_well_as_blr(copper, solver):
    limit = 4 * force_error(fitted(copper, BLR()).model, copper)
    assert 0 < limit < 0.1
    assert force_error(fitted(copper, solver).model, copper) < limit


def test_pruned_functions_leave_the_program_and_nothing_changes(copper):
    full, pruned = fitted(copper, BLR()), fitted(copper, ARD(3.0))
    kept = torch.as_tensor(pruned.solution.kept)
    assert kept.sum() < 0.8 * len(kept)
    assert (pruned.model.coefficients[~kept] == 0).all()
    assert (pruned.model.coefficients[kept] != 0).all()
    assert n_terms(pruned.model) < 0.9 * n_terms(full.model)
    graph = atomic_graph(copper[-1].atoms, pruned.model.cutoff)
    reference = pruned.model.pair_gradients(graph, kernel="torch")
    found = pruned.model.pair_gradients(graph)
    np.testing.assert_allclose(found.forces, reference.forces, atol=KERNEL_ACCURACY)
    np.testing.assert_allclose(found.energies, reference.energies, atol=KERNEL_ACCURACY * len(copper[-1].atoms))


def test_a_committee_spreads_where_there_are_no_data(copper):
    """The standard deviation of the energy per atom, of samples and from the covariance factor."""
    solution = fitted(copper, BLR()).solution
    model = LinearACE(SPECIFICATION, {"Cu": 0.0})
    committee = solution.draw(200, seed=2)

    def spread(atoms: Atoms) -> float:
        energies = []
        for coefficients in committee:
            with torch.no_grad():
                model.coefficients.copy_(torch.as_tensor(coefficients))
            energies.append(float(model.pair_gradients(atomic_graph(atoms, model.cutoff)).energies[0]))
        return float(np.std(energies)) / len(atoms)

    assert spread(bulk("Cu", "bcc", a=2.5) * (2, 2, 2)) > 3 * spread(copper[-1].atoms)


def test_a_prior_of_your_own_in_a_fit(copper):
    own = CustomPrior(lambda nl: sum(n**4 + 1.5 * l**4 for n, l in nl))
    found = fit_linear(SPECIFICATION, copper[:5], {"Cu": 0.0}, QR(1e-4), own)
    named = fit_linear(SPECIFICATION, copper[:5], {"Cu": 0.0}, QR(1e-4), AlgebraicPrior())
    np.testing.assert_allclose(found.solution.coefficients, named.solution.coefficients, rtol=1e-12)
