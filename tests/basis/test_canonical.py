"""The canonical formulation: functions of order ν are sums over ν different neighbors."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from scipy.spatial.transform import Rotation

from acnn.basis.ace import ACEBasis
from acnn.basis.contraction import contracted_coupling
from acnn.basis.coupling import coupling_coefficients, n_invariants
from acnn.basis.derivatives import BasisDerivatives
from acnn.basis.functions import Multiset, grouped
from acnn.basis.polynomials import AgnesiPolynomials
from acnn.basis.purification import partitions, weighted_partitions
from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.graph import AtomicGraph
from acnn.neighbors import graph_from_pairs
from acnn.testing import (
    FINITE_DIFFERENCE_TOLERANCE,
    check_gradients,
    check_invariances,
    example_structures,
    random_model,
    scipy_harmonic,
)

VANISHING = 1e-10  # relative to the same function among many neighbors
DENSE_ACCURACY = 1e-11  # relative to the largest self-interacting function
EXPANSION_ACCURACY = 1e-12
DERIVATIVE_ACCURACY = 1e-10
SYMMETRY_ACCURACY = 1e-11
SPAN_ACCURACY = 1e-10

ONE_ELEMENT = {"elements": ("Si",), "bond_lengths": {"Si": 2.35}, "cutoff": 5.0}
TWO_ELEMENTS = {"elements": ("Al", "Ti"), "bond_lengths": {"Al": 2.8, "Ti": 2.95, "Al-Ti": 2.7}, "cutoff": 5.2}
THREE_ELEMENTS = {"elements": ("H", "O", "Cu"), "cutoff": 4.0, "bond_lengths": {"H-O": 0.96}}


@functools.cache
def _basis(specification_json: str) -> ACEBasis:
    return ACEBasis(BasisSpecification.model_validate_json(specification_json))


def basis_of(formulation: str = "canonical", **settings: object) -> ACEBasis:
    """A basis, built once per specification."""
    specification = BasisSpecification(formulation=formulation, **settings)  # type: ignore[arg-type]
    return _basis(specification.model_dump_json())


def star(symbols: list[str], vectors: np.ndarray) -> AtomicGraph:
    """One center (the first symbol) and its neighbors as ghosts."""
    numbers = np.array([atomic_numbers[s] for s in symbols])
    n = len(vectors)
    graph = graph_from_pairs(numbers, np.zeros(n, np.int64), np.arange(1, n + 1), vectors)
    return AtomicGraph(
        graph.species, graph.pair_i, graph.pair_j, graph.pair_vectors, graph.structure, graph.n_structures, 1
    )


def random_vectors(n: int, seed: int, nearest: float = 1.8, farthest: float = 4.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(nearest, farthest, (n, 1))


def orders(basis: ACEBasis) -> np.ndarray:
    """The order of every column, 0 for pair functions."""
    return np.array([0 if f.kind == "pair" else f.order for f in basis.specification.functions()])


def values(basis: ACEBasis, symbols: list[str], vectors: np.ndarray) -> np.ndarray:
    return basis(star(symbols, vectors))[:, 0].numpy()


# --- the expansion of products of one-particle functions --------------------------------------------------------------


@pytest.mark.parametrize("jacobi", [(0.0, 0.0), (1.0, 0.5), (-0.3, 0.7)])
@pytest.mark.parametrize("ns", [(3,), (1, 1), (2, 5), (4, 1, 3), (2, 2, 1, 3)])
def test_products_of_radial_functions(ns, jacobi):
    r0, r = 2.4, torch.linspace(0.3, 5.2, 60, dtype=torch.float64)
    radial = AgnesiPolynomials([[r0]], 5.0, sum(ns) + 4 * len(ns), 2.0, 4.0, "polynomial", jacobi)
    pair = torch.zeros(len(r), dtype=torch.int64)
    functions = radial(r, pair, pair).numpy()
    product = math.prod(functions[:, n - 1] for n in ns)
    coefficients = radial.product(0, 0, ns)
    assert len(coefficients) == sum(n - 1 for n in ns) + 3 * (len(ns) - 1) + 1
    assert abs(coefficients[-1]) > 0
    found = functions[:, : len(coefficients)] @ coefficients
    np.testing.assert_allclose(found, product, rtol=0, atol=EXPANSION_ACCURACY * np.abs(product).max())


@pytest.mark.parametrize("l", [(1, 1), (1, 2, 3), (2, 2, 2), (1, 1, 2, 2), (3, 3, 3, 1)])
def test_contracted_harmonics(l):
    """Every partition, with a direction for each of its blocks, against the sum over all m."""
    channels = tuple((degree, 1) for degree in l)
    products, coupling = coupling_coefficients(channels)
    for partition in partitions(len(l)):
        directions = random_vectors(len(partition), seed=len(l))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        of_factor = {t: directions[b : b + 1] for b, block in enumerate(partition) for t in block}
        expected = sum(
            coupling[:, p] * math.prod(scipy_harmonic(l[t], ms[t][0], of_factor[t])[0] for t in range(len(l)))
            for p, ms in enumerate(products)
        )
        contracted = contracted_coupling(channels, partition)
        found = sum(
            c * math.prod(scipy_harmonic(*lm, directions[b : b + 1])[0] for b, lm in enumerate(row.tolist()))
            for row, c in zip(contracted.lm, contracted.coefficients, strict=True)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXPANSION_ACCURACY)


@pytest.mark.parametrize(("channels"), [((2, 3),), ((1, 2), (2, 2)), ((2, 2), (1, 1), (3, 1))])
def test_contractions_of_equal_channels_are_invariant(channels):
    """Two blocks can only have the same l, and a single one l = 0."""
    n = sum(copies for _, copies in channels)
    assert n_invariants(channels) > 0
    for partition in partitions(n):
        lm = contracted_coupling(channels, partition).lm
        assert len(partition) != 1 or not lm.any()
        assert len(partition) != 2 or (lm[:, 0, 0] == lm[:, 1, 0]).all()
        assert not lm[..., 1].sum(axis=1).any()


def test_partitions():
    assert [len(partitions(n)) for n in range(6)] == [1, 1, 2, 5, 15, 52]
    for n in range(1, 6):
        found = {frozenset(map(frozenset, p)) for p in partitions(n)}
        assert len(found) == len(partitions(n))
        assert all(sorted(t for block in p for t in block) == list(range(n)) for p in partitions(n))
        # Tuples of n different neighbors out of k: k (k - 1) … (k - n + 1).
        for k in range(7):
            count = sum(weight * k ** len(p) for p, weight in weighted_partitions("canonical", n))
            assert count == math.perm(k, n)


# --- sums over different neighbors ------------------------------------------------------------------------------------


def one_particle(basis: ACEBasis, symbols: list[str], vectors: np.ndarray):
    """φ_znlm of all neighbors, with SciPy's harmonics."""
    r = torch.as_tensor(np.linalg.norm(vectors, axis=1))
    elements = [basis.elements.index(s) for s in symbols]
    center = torch.full((len(r),), elements[0])
    radial = basis.radial(r, center, torch.tensor(elements[1:])).numpy()
    directions = vectors / r.numpy()[:, None]

    @functools.cache
    def function(z: int, n: int, l: int, m: int) -> np.ndarray:
        return (np.array(elements[1:]) == z) * radial[:, n - 1] * scipy_harmonic(l, m, directions)

    return function


def over_different_neighbors(multiset: Multiset, function, n_neighbors: int) -> np.ndarray:
    """Σ over ν different neighbors of Σ_m C_m Π_t φ_t, one tuple after the other."""
    products, coefficients = coupling_coefficients(grouped(multiset))
    tuples = np.array(list(itertools.permutations(range(n_neighbors), len(multiset)))).reshape(-1, len(multiset))
    found = np.zeros(len(coefficients), dtype=complex)
    for column, ms in enumerate(products):
        flat = [m for channel in ms for m in channel]
        factors = [function(*c, m)[tuples[:, t]] for t, (c, m) in enumerate(zip(multiset, flat, strict=True))]
        found += coefficients[:, column] * math.prod(factors).sum()
    return found.real


DENSE = [
    pytest.param({**ONE_ELEMENT, "order": 2, "degree": 9, "wl": 1.0}, 6, id="one element, order 2"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 9, "wl": 1.0}, 6, id="one element, order 3"),
    pytest.param({**ONE_ELEMENT, "order": 4, "degree": 8, "wl": 1.0}, 5, id="one element, order 4"),
    pytest.param({**ONE_ELEMENT, "order": 5, "degree": 7, "wl": 0.8}, 6, id="one element, order 5"),
    pytest.param({**TWO_ELEMENTS, "order": 2, "degree": 7, "wl": 1.0}, 5, id="two elements, order 2"),
    pytest.param({**TWO_ELEMENTS, "order": 3, "degree": (7, 6, 6)}, 5, id="two elements, order 3"),
    pytest.param({**TWO_ELEMENTS, "order": 3, "degree": (2, 3, 7), "wl": 1.0}, 5, id="more degree for order 3"),
    pytest.param({**TWO_ELEMENTS, "order": 4, "degree": 6, "wl": 0.9}, 5, id="two elements, order 4"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 8, "jacobi": (1.0, 0.5)}, 5, id="Jacobi polynomials"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 6, "pair_degree": 0}, 5, id="no pair basis"),
]


@pytest.mark.parametrize(("settings", "n_neighbors"), DENSE)
def test_functions_are_sums_over_different_neighbors(settings, n_neighbors):
    basis = basis_of(**settings)
    for seed, center in enumerate(basis.elements):
        symbols = [center, *np.random.default_rng(seed).permutation(np.resize(basis.elements, n_neighbors)).tolist()]
        vectors = random_vectors(n_neighbors, seed)
        function = one_particle(basis, symbols, vectors)
        block = basis.by_element[basis.elements.index(center)]
        expected = np.concatenate([over_different_neighbors(m, function, n_neighbors) for m in block.multisets])
        plain = basis_of("self_interacting", **settings)
        scale = np.abs(values(plain, symbols, vectors)).max()
        assert len(expected) > 8
        assert np.abs(expected).max() > 1e-3 * scale
        found = values(basis, symbols, vectors)[block.columns]
        np.testing.assert_allclose(found, expected, rtol=0, atol=DENSE_ACCURACY * scale)


CLUSTERS = [
    pytest.param({**ONE_ELEMENT, "order": 4, "degree": 9, "wl": 1.0}, id="one element"),
    pytest.param({**TWO_ELEMENTS, "order": 4, "degree": 6, "wl": 1.0}, id="two elements"),
    pytest.param({**THREE_ELEMENTS, "order": 3, "degree": 5}, id="three elements"),
    pytest.param(
        {
            **TWO_ELEMENTS,
            "order": 2,
            "degree": 6,
            "overrides": {"Ti": ElementOverride(order=3, degree=6.0)},
        },
        id="orders that differ",
    ),
    pytest.param({**ONE_ELEMENT, "order": 5, "degree": 8}, id="order 5"),
]


def largest_values(basis: ACEBasis, n_neighbors: int) -> np.ndarray:
    """The largest |B_k| with so many close neighbors, in clusters of every choice of elements."""
    found = np.zeros(basis.n_functions)
    for center in basis.elements:
        for seed, kinds in enumerate(itertools.combinations_with_replacement(basis.elements, n_neighbors)):
            vectors = random_vectors(n_neighbors, seed, nearest=1.0, farthest=2.8)
            found = np.maximum(found, np.abs(values(basis, [center, *kinds], vectors)))
    return found


def sizes(basis: ACEBasis) -> np.ndarray:
    """The size of every function among many neighbors, four or more of each element."""
    found, n = np.zeros(basis.n_functions), max(8, 4 * len(basis.elements))
    for center, seed in itertools.product(basis.elements, range(10)):
        symbols = [center, *np.resize(basis.elements, n).tolist()]
        found = np.maximum(found, np.abs(values(basis, symbols, random_vectors(n, seed, nearest=1.0, farthest=2.8))))
    return found


@pytest.mark.parametrize("settings", CLUSTERS)
def test_functions_vanish_for_fewer_neighbors_than_their_order(settings):
    """The dimer, all trimers, … of every choice of elements, function by function."""
    basis = basis_of(**settings)
    scale, order_of = sizes(basis), orders(basis)
    assert (scale > 0).all()
    for n in range(1, basis.specification.order + 1):
        found = largest_values(basis, n)
        too_few = order_of > n
        assert (found[too_few] <= VANISHING * scale[too_few]).all(), n
        assert n == 1 or (found > VANISHING * scale)[order_of == n].mean() > 0.9


@pytest.mark.parametrize("settings", CLUSTERS)
def test_plain_products_do_not_vanish(settings):
    """What the test above would see without purification."""
    plain = basis_of("self_interacting", **settings)
    scale, order_of = sizes(plain), orders(plain)
    for n in range(1, max(order_of)):
        found = largest_values(plain, n)[order_of > n]
        assert (found > 1e6 * VANISHING * scale[order_of > n]).mean() > 0.1


def test_the_functions_are_those_of_pure2b():
    """Of the same channels, in the same columns: priors and labels do not change."""
    settings = {**TWO_ELEMENTS, "order": 3, "degree": 6}
    assert basis_of(**settings).specification.functions() == basis_of("pure2b", **settings).specification.functions()
    assert basis_of(**settings).specification.n_functions == basis_of(**settings).n_functions


def test_order_two_is_pure2b():
    """Two neighbors are different or the same: there is nothing else to take away."""
    settings = {**TWO_ELEMENTS, "order": 2, "degree": 7}
    symbols, vectors = ["Al", "Al", "Ti", "Ti", "Al"], random_vectors(4, seed=2)
    found, expected = (values(basis_of(f, **settings), symbols, vectors) for f in ("canonical", "pure2b"))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * np.abs(expected).max())


def test_the_span_is_that_of_plain_products():
    """Purification takes away functions of lower order and higher degree: with those in the basis the spans agree."""
    settings = {**ONE_ELEMENT, "order": 3, "wl": 1.5, "pair_degree": 0}
    pure = basis_of(**settings, degree=(13.0, 10.0, 7.0))
    plain = basis_of("self_interacting", **settings, degree=(13.0, 10.0, 7.0))
    environments = [random_vectors(8, seed) for seed in range(3 * pure.n_functions)]
    a, b = (np.array([values(s, ["Si"] * 9, v) for v in environments]) for s in (pure, plain))
    a, b = a / np.linalg.norm(a, axis=0), b / np.linalg.norm(b, axis=0)
    q, _ = np.linalg.qr(b)
    assert np.linalg.matrix_rank(a) == np.linalg.matrix_rank(b) == pure.n_functions == plain.n_functions
    assert np.abs(a - q @ (q.T @ a)).max() < SPAN_ACCURACY


# --- symmetry and derivatives -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({**ONE_ELEMENT, "order": 4, "degree": 8, "wl": 1.0}, id="one element"),
        pytest.param({**TWO_ELEMENTS, "order": 3, "degree": 7, "wl": 1.0}, id="two elements"),
    ],
)
def test_invariance(settings):
    basis = basis_of(**settings)
    symbols, vectors = np.resize(basis.elements, 8).tolist(), random_vectors(7, seed=4)
    before = values(basis, symbols, vectors)
    tolerance = SYMMETRY_ACCURACY * np.abs(before).max()
    rotated = Rotation.random(random_state=1).apply(vectors)
    np.testing.assert_allclose(values(basis, symbols, rotated), before, rtol=0, atol=tolerance)
    np.testing.assert_allclose(values(basis, symbols, vectors * [-1, 1, 1]), before, rtol=0, atol=tolerance)
    order = np.random.default_rng(2).permutation(7)
    permuted = [symbols[0], *(symbols[1 + k] for k in order)]
    np.testing.assert_allclose(values(basis, permuted, vectors[order]), before, rtol=0, atol=tolerance)


@pytest.mark.parametrize("order", [2, 3, 4])
def test_analytic_derivatives_are_those_of_autograd(order):
    basis = basis_of(**TWO_ELEMENTS, order=order, degree=5.5)
    graph = star(["Al", "Al", "Ti", "Ti", "Al", "Al"], random_vectors(5, seed=order))
    found = np.zeros((basis.n_functions, graph.n_pairs, 3))
    for part in BasisDerivatives(basis)(graph):
        found[part.columns][:, part.pairs] += part.values.permute(2, 0, 1).numpy()
    expected = torch.autograd.functional.jacobian(
        lambda vectors: basis(graph.with_pair_vectors(vectors)).sum(dim=1), graph.pair_vectors
    ).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=DERIVATIVE_ACCURACY * np.abs(expected).max())


@pytest.mark.parametrize("name", ["bulk", "alloy", "slab", "molecule", "two atoms at 0.3 Å"])
def test_forces_and_virials_are_derivatives_of_the_energy(name):
    model = random_model(["Si", "C"], formulation="canonical")
    assert check_gradients(model, example_structures()[name]).largest < FINITE_DIFFERENCE_TOLERANCE


@pytest.mark.parametrize("name", ["alloy", "triclinic"])
def test_invariances_of_a_model(name):
    model = random_model(["Si", "C"], formulation="canonical")
    assert all(deviation.largest < 1e-10 for deviation in check_invariances(model, example_structures()[name]))


# --- what purification adds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 3, 4, 5])
def test_products_of_the_highest_order_stay(order):
    """Purification changes coefficients of lower products; those have at most 3 more in degree per factor less."""
    settings = {**ONE_ELEMENT, "order": order, "degree": order + 4.0}
    pure, plain = basis_of(**settings), basis_of("self_interacting", **settings)
    l_max = max(l for function in plain.specification.functions() for _, l in function.nl)
    assert pure.l_max == l_max
    for below, factors in pure.by_element[0].coupled.factors.items():
        rows, _, _ = pure.table.unsigned(factors)
        degrees = (pure.table.rows[rows, 1] + 1.5 * pure.table.rows[rows, 2]).sum(axis=1)
        assert degrees.max() <= order + 4.0 + 3 * (order - below) + 1e-9
    assert len(pure.by_element[0].coupled.factors[order]) == len(plain.by_element[0].coupled.factors[order])
