"""The prior under which functions that differ in elements only are alike."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import chemical_symbols

from acnn import ARD, BLR, QR, AlgebraicPrior, BasisSpecification, LinearACE, atomic_graph, fit_linear
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.element_prior import ElementPrior, independence_warnings
from acnn.solvers import ReducedProblem, StreamingQR
from acnn.testing import evaluate

ELEMENTS = ("Al", "Ti", "Cu")
ALIKE = {element: 2.7 for element in ELEMENTS}
"""Bond lengths with which radial functions do not tell the elements apart."""


def specification(elements=ELEMENTS, **changes) -> BasisSpecification:
    given = {"order": 2, "degree": 6.0, "wl": 1.0, "cutoff": 5.0, "bond_lengths": {e: ALIKE[e] for e in elements}}
    return BasisSpecification(elements=elements, **(given | changes))


def prior_of(spec: BasisSpecification, seed: int = 0) -> ElementPrior:
    functions = spec.functions()
    return ElementPrior(functions, spec.elements, AlgebraicPrior(2.0)([function.nl for function in functions]))


def covariance(prior: ElementPrior, rho: float) -> np.ndarray:
    root = prior.rotation(rho).times(np.eye(len(prior.gamma)))
    return root @ root.T


@pytest.mark.parametrize("formulation", ["pure2b", "canonical", "self_interacting"])
@pytest.mark.parametrize(
    ("order", "degree", "elements"), [(2, 6.0, ELEMENTS), (3, 6.0, ELEMENTS), (4, 8.0, ELEMENTS[:2])]
)
def test_a_model_of_elements_that_are_alike_does_not_tell_them_apart(order, degree, elements, formulation):
    spec = specification(elements, order=order, degree=degree, formulation=formulation)
    prior, rng = prior_of(spec), np.random.default_rng(1)
    coefficients = prior.rotation(1 - 1e-13).times(rng.normal(size=len(prior.gamma)))
    model = LinearACE(spec, dict.fromkeys(elements, 0.0), torch.as_tensor(coefficients))
    positions = rng.uniform(0, 4.5, size=(6, 3))
    energies = [
        float(model.pair_gradients(atomic_graph(Atoms(rng.choice(elements, 6), positions), 5.0)).energies[0])
        for _ in range(4)
    ]
    assert np.ptp(energies) < 1e-4 * np.abs(energies).max()
    assert np.abs(energies).max() > 1e-3


def test_covariances_are_sums_over_orderings():
    """Order 2, by hand: c[z0; z1 z2] with covariance K K K, and both orders of channels of equal (n, l)."""
    spec, rho = specification(), 0.7
    functions, prior = spec.functions(), prior_of(spec)
    found = covariance(prior, rho) * np.outer(prior.gamma, prior.gamma)
    k = {(a, b): 1.0 if a == b else rho for a, b in itertools.product(ELEMENTS, ELEMENTS)}
    for i, j in np.random.default_rng(2).integers(len(functions), size=(400, 2)):
        one, other = functions[i], functions[j]
        expected = 0.0
        if one.kind == "pair" and other.kind == "pair" and one.nl == other.nl:
            a, b = one.elements
            expected = np.mean([k[a, c] * k[b, d] for c, d in (other.elements, other.elements[::-1])])
        elif "pair" not in (one.kind, other.kind) and sorted(one.nl) == sorted(other.nl):
            terms = itertools.product(orderings(one), orderings(other))
            expected = sum(k[one.kind, other.kind] * np.prod([k[p] for p in zip(x, y, strict=True)]) for x, y in terms)
        assert abs(found[i, j]) == pytest.approx(expected, abs=1e-9), (one, other)


def orderings(function) -> set[tuple[str, ...]]:
    """The choices of elements of channels sorted by (n, l) that give this function."""
    channels = list(zip(function.nl, function.elements[1:], strict=True))
    wanted = sorted(function.nl)
    return {tuple(z for _, z in p) for p in itertools.permutations(channels) if [nl for nl, _ in p] == wanted}


def random_problem(n_columns: int, n_rows: int = 40) -> tuple[np.ndarray, np.ndarray, ReducedProblem]:
    rng = np.random.default_rng(3)
    rows, targets = rng.normal(size=(n_rows, n_columns)), rng.normal(size=n_rows)
    factor = StreamingQR(n_columns)
    factor.add(rows, targets)
    return rows, targets, factor.result()


def test_the_fit_is_that_of_a_gaussian_process():
    """Predictions b·c and their variance, by the covariance of the labels A Σ Aᵀ + λ 1 alone."""
    prior, regularization, rho = prior_of(specification()), 0.3, 0.9
    rows, targets, problem = random_problem(len(prior.gamma))
    found = prior.solve(QR(regularization), problem, rho)
    sigma = covariance(prior, rho)
    gram = rows @ sigma @ rows.T + regularization * np.eye(len(rows))
    new = np.random.default_rng(4).normal(size=(5, len(prior.gamma)))
    cross = new @ sigma @ rows.T
    np.testing.assert_allclose(new @ found.coefficients, cross @ np.linalg.solve(gram, targets), rtol=1e-8, atol=1e-10)


def test_the_posterior_and_the_evidence_are_those_of_the_gaussian_process():
    prior, rho = prior_of(specification()), 0.9
    rows, targets, problem = random_problem(len(prior.gamma))
    found = prior.solve(BLR(), problem, rho)
    assert found.noise_precision is not None
    sigma = covariance(prior, rho) / (found.regularization * found.noise_precision)
    gram = rows @ sigma @ rows.T + np.eye(len(rows)) / found.noise_precision
    _, logdet = np.linalg.slogdet(2 * np.pi * gram)
    assert found.log_evidence == pytest.approx(-0.5 * (logdet + targets @ np.linalg.solve(gram, targets)), rel=1e-8)
    posterior = sigma - sigma @ rows.T @ np.linalg.solve(gram, rows @ sigma)
    np.testing.assert_allclose(found.covariance_factor @ found.covariance_factor.T, posterior, rtol=1e-6, atol=1e-12)


def test_without_correlation_nothing_changes():
    prior = prior_of(specification())
    _, _, problem = random_problem(len(prior.gamma))
    assert np.array_equal(prior.solve(BLR(), problem, 0.0).coefficients, BLR().solve(problem, prior.gamma).coefficients)


def test_a_single_element_has_nothing_to_correlate():
    prior = prior_of(specification(("Cu",)))
    _, _, problem = random_problem(len(prior.gamma))
    assert prior.solve_by_evidence(BLR(), problem, beyond=True)[1] == 0.0


def test_some_columns_have_the_covariance_that_they_have_among_all():
    prior = prior_of(specification())
    columns = np.sort(np.random.default_rng(5).permutation(len(prior.gamma))[:30])
    expected = covariance(prior, 0.8)[np.ix_(columns, columns)]
    np.testing.assert_allclose(covariance(prior.restricted(columns), 0.8), expected, atol=1e-12)


def labeled(model: LinearACE, symbols: list[list[str]], seed: int) -> list[LabeledStructure]:
    rng = np.random.default_rng(seed)
    found = []
    for number, choice in enumerate(symbols):
        atoms = Atoms(choice, rng.uniform(0, 4.0, size=(len(choice), 3)))
        of = evaluate(model, [atoms])
        energy, forces = float(of.energies[0]), of.forces.numpy()
        found.append(LabeledStructure(atoms, energy, forces, None, "cluster", Weights(), f"#{number}"))
    return found


def embedded_atoms() -> LinearACE:
    """A model of the kind that a metal is: elements differ, but not in what two of them do together."""
    spec = specification()
    prior = prior_of(spec)
    coefficients = prior.rotation(0.9999).times(np.random.default_rng(6).normal(size=len(prior.gamma)))
    return LinearACE(spec, dict.fromkeys(ELEMENTS, 0.0), torch.as_tensor(coefficients))


def test_three_elements_are_predicted_from_binaries():
    """By the prior that the data choose themselves; independent elements miss most of the energy of the mixture."""
    truth, rng = embedded_atoms(), np.random.default_rng(7)
    pairs = [list(rng.choice(pair, 6)) for pair in itertools.combinations(ELEMENTS, 2) for _ in range(25)]
    train = labeled(truth, pairs, 8)
    test = labeled(truth, [[*ELEMENTS, *ELEMENTS] for _ in range(5)], 9)
    errors = {}
    for rho in (0.0, None):
        e0 = dict.fromkeys(ELEMENTS, 0.0)
        fit = fit_linear(truth.basis.specification, train, e0, BLR(), AlgebraicPrior(2.0), element_correlation=rho)
        predicted = evaluate(fit.model, [s.atoms for s in test]).energies.numpy()
        errors[rho] = np.abs(predicted - [s.energy for s in test]).mean()
    assert fit.element_correlation >= 0.99
    assert errors[None] < 0.05 * errors[0.0]


def test_names_of_elements_do_not_matter():
    """Exchanging two elements in the data exchanges them in the predictions."""
    truth, rng = embedded_atoms(), np.random.default_rng(10)
    names = [list(rng.choice(ELEMENTS, 5)) for _ in range(12)]
    exchange = {"Al": "Cu", "Cu": "Al", "Ti": "Ti"}
    structures = labeled(truth, names, 11)
    exchanged = [
        LabeledStructure(renamed(s.atoms, exchange), s.energy, s.forces, None, s.config_type, s.weights, s.name)
        for s in structures
    ]
    e0, probe = dict.fromkeys(ELEMENTS, 0.0), Atoms("AlTiCuAl", rng.uniform(0, 4, size=(4, 3)))
    energies = []
    for data, atoms in ((structures, probe), (exchanged, renamed(probe, exchange))):
        fit = fit_linear(truth.basis.specification, data, e0, QR(1e-3), AlgebraicPrior(2.0), element_correlation=0.9)
        energies.append(float(evaluate(fit.model, [atoms]).energies[0]))
    assert energies[0] == pytest.approx(energies[1], abs=1e-8)


def renamed(atoms: Atoms, names: dict[str, str]) -> Atoms:
    other = atoms.copy()
    other.symbols = [names[symbol] for symbol in atoms.symbols]
    return other


def test_relevance_is_determined_after_the_rotation():
    prior = prior_of(specification())
    _, _, problem = random_problem(len(prior.gamma), 400)
    found = prior.solve(ARD(), problem, 0.9)
    assert np.array_equal(found.kept, found.coefficients != 0)


def test_where_all_combinations_are_seen_the_evidence_decides():
    prior = prior_of(specification())
    _, _, problem = random_problem(len(prior.gamma), 400)
    found, rho = prior.solve_by_evidence(BLR(), problem, beyond=False)
    assert found.log_evidence == max(
        prior.solve(BLR(), problem, r).log_evidence for r in (0.0, 0.9, 0.99, 0.999, 0.9999)
    )
    assert found.log_evidence == prior.solve(BLR(), problem, rho).log_evidence


def test_too_many_elements_are_independent_and_that_is_said() -> None:
    """Before tensors of all their choices are made, which would take gigabytes."""
    elements = tuple(chemical_symbols[z] for z in range(21, 38))
    specification = BasisSpecification(elements=elements, order=2, degree=(2, 2), cutoff=4.0, pair_degree=2)
    functions = specification.functions()
    prior = ElementPrior(functions, elements, np.ones(len(functions)))
    assert not prior.has_alike
    (warning,) = independence_warnings(specification)
    assert "the 17 elements are independent in the prior: functions of order 2 have 4913 choices" in warning
    assert independence_warnings(specification.model_copy(update={"elements": elements[:4]})) == []
