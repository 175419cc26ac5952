"""The ACE basis against dense sums over tuples of neighbors, symmetry, and derivatives."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator

import ase
import numpy as np
import pytest
import scipy.special
import torch
from ase.build import bulk
from ase.data import atomic_numbers
from scipy.spatial.transform import Rotation
from torch import Tensor

from acnn.basis import derivatives
from acnn.basis.ace import ACEBasis, UnsupportedElementError
from acnn.basis.coupling import coupling_coefficients
from acnn.basis.derivatives import BasisDerivatives
from acnn.basis.functions import Function, Multiset, grouped
from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.graph import AtomicGraph, batch, subgraph
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph, graph_from_pairs
from acnn.testing import pairwise, scipy_harmonic

DENSE_ACCURACY = 1e-11  # relative to the largest function
SYMMETRY_ACCURACY = 1e-11
DERIVATIVE_ACCURACY = 1e-10
PURIFICATION_ACCURACY = 1e-11
SINGLE_ACCURACY = 1e-4

R0 = {"Si": {"Si": 2.35}, "Al": {"Al": 2.8, "Ti": 2.7}, "Ti": {"Al": 2.7, "Ti": 2.95}}
ONE_ELEMENT = {"elements": ("Si",), "bond_lengths": {"Si": 2.35}, "cutoff": 5.0}
TWO_ELEMENTS = {"elements": ("Al", "Ti"), "bond_lengths": {"Al": 2.8, "Ti": 2.95, "Al-Ti": 2.7}, "cutoff": 5.2}


@functools.cache
def _basis(specification_json: str) -> ACEBasis:
    return ACEBasis(BasisSpecification.model_validate_json(specification_json))


def basis_of(**settings: object) -> ACEBasis:
    """A basis, built once per specification."""
    return _basis(BasisSpecification(**settings).model_dump_json())  # type: ignore[arg-type]


def star(symbols: list[str], vectors: np.ndarray) -> AtomicGraph:
    """One center (the first symbol) and its neighbors as ghosts."""
    numbers = np.array([atomic_numbers[s] for s in symbols])
    n = len(vectors)
    graph = graph_from_pairs(numbers, np.zeros(n, np.int64), np.arange(1, n + 1), vectors)
    return subgraph_of_first(graph)


def subgraph_of_first(graph: AtomicGraph) -> AtomicGraph:
    return AtomicGraph(
        graph.species, graph.pair_i, graph.pair_j, graph.pair_vectors, graph.structure, graph.n_structures, 1
    )


def random_vectors(n: int, seed: int, nearest: float = 1.8, farthest: float = 4.6) -> np.ndarray:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(n, 3))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(nearest, farthest, (n, 1))


def cluster(symbols: str, seed: int, size: float = 4.0) -> ase.Atoms:
    """Random atoms in a box, none closer than 1.6 Å."""
    rng = np.random.default_rng(seed)
    n = len(ase.Atoms(symbols))
    points: list[np.ndarray] = []
    while len(points) < n:
        point = rng.uniform(0, size, 3)
        if all(np.linalg.norm(point - other) > 1.6 for other in points):
            points.append(point)
    return ase.Atoms(symbols, positions=points)


# --- the dense definition, written from the paper with SciPy ---------------------------------------------------------


def agnesi(r: np.ndarray | float, r0: float, p: float, q: float) -> np.ndarray:
    a = (4 * p * q - 2 * p - 2 * q) / (p * p + q * q + p + q)
    return 1 / (1 + a * (r / r0) ** q / (1 + (r / r0) ** (q - p)))


def legendre(n: int, x: np.ndarray) -> np.ndarray:
    return math.sqrt(2 * n - 1) * scipy.special.eval_legendre(n - 1, x)


def many_body_radial(n: int, r: np.ndarray, r0: float, cutoff: float) -> np.ndarray:
    y, y_cut = agnesi(r, r0, 2, 4), agnesi(cutoff, r0, 2, 4)
    return np.where(r < cutoff, (y - y_cut) ** 3 * legendre(n, -1 + 2 * (y - y_cut) / (1 - y_cut)), 0.0)


def pair_radial(n: int, r: np.ndarray, r0: float, cutoff: float) -> np.ndarray:
    y, y_cut = agnesi(r, r0, 1, 3), agnesi(cutoff, r0, 1, 3)
    envelope = r0 / r * (1 - r / cutoff) ** 3
    return np.where(r < cutoff, envelope * legendre(n, -1 + 2 * (y - y_cut) / (1 - y_cut)), 0.0)


def dense_invariants(
    multiset: Multiset, elements: tuple[str, ...], symbols: list[str], vectors: np.ndarray, cutoff: float
) -> np.ndarray:
    """Σ_{j1 … jν} Σ_m C_m Π_t R_{n_t}(r_{j_t}) Y_{l_t m_t}(r̂_{j_t}), one term after the other over all tuples."""
    center, neighbors = symbols[0], symbols[1:]
    r = np.linalg.norm(vectors, axis=1)
    r0 = np.array([R0[center][s] for s in neighbors])
    products, coefficients = coupling_coefficients(grouped(multiset))

    @functools.cache
    def one_particle(z: int, n: int, l: int, m: int) -> np.ndarray:
        mask = np.array([s == elements[z] for s in neighbors])
        radial = np.array([many_body_radial(n, x, d, cutoff) for x, d in zip(r, r0, strict=True)])
        return mask * radial * scipy_harmonic(l, m, vectors)

    tuples = np.array(list(itertools.product(range(len(neighbors)), repeat=len(multiset))))
    values = np.zeros(len(coefficients), dtype=complex)
    for column, ms in enumerate(products):
        flat = [m for channel in ms for m in channel]
        factors = [one_particle(*c, m)[tuples[:, t]] for t, (c, m) in enumerate(zip(multiset, flat, strict=True))]
        values += coefficients[:, column] * math.prod(factors).sum()
    assert np.abs(values.imag).max(initial=0) < 1e-12
    return values.real


def dense_basis(basis: ACEBasis, symbols: list[str], vectors: np.ndarray) -> np.ndarray:
    """All functions of the first atom, self-interacting, many-body and pair part."""
    specification, center = basis.specification, symbols[0]
    expected = np.zeros(basis.n_functions)
    block = basis.by_element[basis.elements.index(center)]
    expected[block.columns] = np.concatenate(
        [dense_invariants(m, basis.elements, symbols, vectors, specification.cutoff) for m in block.multisets]
    )
    r = np.linalg.norm(vectors, axis=1)
    for (a, b), columns in basis.pair_columns.items():
        kind = sorted([basis.elements[a], basis.elements[b]])
        chosen = [sorted([center, s]) == kind for s in symbols[1:]]
        r0, cutoff = R0[kind[0]][kind[1]], specification.pair_cutoff or specification.cutoff
        for n in range(1, specification.n_pair_functions + 1):
            expected[columns][n - 1] = 0.5 * pair_radial(n, r[chosen], r0, cutoff).sum()
    return expected


DENSE = [
    pytest.param({**ONE_ELEMENT, "order": 1, "degree": 9}, 5, id="one element, order 1"),
    pytest.param({**ONE_ELEMENT, "order": 2, "degree": 9, "wl": 1.0}, 5, id="one element, order 2"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 9, "wl": 1.0}, 5, id="one element, order 3"),
    pytest.param({**ONE_ELEMENT, "order": 4, "degree": 8, "wl": 1.0}, 4, id="one element, order 4"),
    pytest.param({**ONE_ELEMENT, "order": 5, "degree": 7, "wl": 0.8}, 3, id="one element, order 5"),
    pytest.param({**TWO_ELEMENTS, "order": 2, "degree": 7, "wl": 1.0}, 5, id="two elements, order 2"),
    pytest.param({**TWO_ELEMENTS, "order": 3, "degree": (7, 6, 6)}, 4, id="two elements, order 3"),
    pytest.param(
        {**TWO_ELEMENTS, "order": 4, "degree": 6, "wl": 0.9, "pair_cutoff": 4.0}, 4, id="two elements, order 4"
    ),
]


@pytest.mark.parametrize(("settings", "n_neighbors"), DENSE)
def test_basis_is_the_sum_over_all_tuples_of_neighbors(settings, n_neighbors):
    basis = basis_of(**settings, formulation="self_interacting")
    for seed, center in enumerate(basis.elements):
        kinds = np.random.default_rng(seed).permutation(np.resize(basis.elements, n_neighbors))
        symbols = [center, *kinds.tolist()]
        vectors = random_vectors(n_neighbors, seed)
        found = basis(star(symbols, vectors))[:, 0].numpy()
        expected = dense_basis(basis, symbols, vectors)
        assert len(expected) > 8
        np.testing.assert_allclose(found, expected, atol=DENSE_ACCURACY * np.abs(expected).max())


# --- pure2b -----------------------------------------------------------------------------------------------------------

PURE = [
    pytest.param({**ONE_ELEMENT, "order": 4, "degree": 10, "wl": 1.0}, id="one element"),
    pytest.param({**TWO_ELEMENTS, "order": 3, "degree": 7, "wl": 1.0}, id="two elements"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 9, "jacobi": (1.0, 0.5)}, id="Jacobi polynomials"),
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 9, "transform": (1.0, 4.0)}, id="another transform"),
]


def many_body_columns(basis: ACEBasis) -> slice:
    return slice(0, basis.by_element[-1].columns.stop)


def orders_from(basis: ACEBasis, order: int) -> np.ndarray:
    """Which columns are many-body functions of at least an order."""
    return np.array([f.kind != "pair" and f.order >= order for f in basis.specification.functions()])


@pytest.mark.parametrize("settings", PURE)
def test_pure_many_body_functions_vanish_for_every_dimer(settings):
    pure, plain = basis_of(**settings), basis_of(**settings, formulation="self_interacting")
    columns, of_plain = many_body_columns(pure), orders_from(plain, 2)
    for center, neighbor in itertools.product(pure.elements, repeat=2):
        for seed, r in enumerate(np.linspace(0.4, pure.specification.cutoff + 0.2, 12)):
            vector = random_vectors(1, seed)
            graph = star([center, neighbor], r * vector / np.linalg.norm(vector))
            scale = plain(graph)[of_plain].abs().max().item()
            assert pure(graph)[columns].abs().max() <= PURIFICATION_ACCURACY * max(scale, 1e-3), (center, neighbor, r)


@pytest.mark.parametrize("settings", PURE)
def test_purification_subtracts_the_single_neighbor_values(settings):
    pure, plain = basis_of(**settings), basis_of(**settings, formulation="self_interacting")
    of_pure, of_plain = orders_from(pure, 2), orders_from(plain, 2)
    symbols = [pure.elements[0], *np.resize(pure.elements, 5).tolist()]
    vectors = random_vectors(5, seed=3)
    whole = plain(star(symbols, vectors))[of_plain, 0].numpy()
    single = sum(
        plain(star([symbols[0], symbol], vector[None]))[of_plain, 0].numpy()
        for symbol, vector in zip(symbols[1:], vectors, strict=True)
    )
    found = pure(star(symbols, vectors))[of_pure, 0].numpy()
    assert np.abs(single).max() > 1e-3 * np.abs(whole).max()
    np.testing.assert_allclose(found, whole - single, atol=PURIFICATION_ACCURACY * np.abs(whole).max())


def test_purification_does_not_depend_on_the_bond_length_of_another_pair():
    """Each pair of elements has its own p_m; with unequal bond lengths a mix-up would leave a dimer energy."""
    basis = basis_of(elements=("H", "O", "Cu"), order=2, degree=6, cutoff=4.0, bond_lengths={"H-O": 0.96, "Cu-O": 1.9})
    columns = many_body_columns(basis)
    for center, neighbor in itertools.product(basis.elements, repeat=2):
        value = basis(star([center, neighbor], np.array([[0.0, 0.6, 1.3]])))[columns]
        assert value.abs().max() < PURIFICATION_ACCURACY


# --- symmetry ---------------------------------------------------------------------------------------------------------

SYMMETRIC = [
    pytest.param({**ONE_ELEMENT, "order": 4, "degree": 9, "wl": 1.0}, "Si7", id="one element"),
    pytest.param({**TWO_ELEMENTS, "order": 3, "degree": 7}, "Al4Ti3", id="two elements"),
]


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
@pytest.mark.parametrize(("settings", "symbols"), SYMMETRIC)
def test_invariance_under_rotation_reflection_translation_permutation(settings, symbols, formulation):
    basis = basis_of(**settings, formulation=formulation)
    atoms = cluster(symbols, seed=1)
    before = basis(atomic_graph(atoms, 5.2)).numpy()
    tolerance = SYMMETRY_ACCURACY * np.abs(before).max()
    for seed in range(3):
        moved = atoms.copy()
        moved.positions = Rotation.random(random_state=seed).apply(atoms.positions) + [0.3, -1.0, 7.0]
        np.testing.assert_allclose(basis(atomic_graph(moved, 5.2)), before, atol=tolerance)
    mirrored = atoms.copy()
    mirrored.positions[:, 0] *= -1
    np.testing.assert_allclose(basis(atomic_graph(mirrored, 5.2)), before, atol=tolerance)
    order = np.random.default_rng(2).permutation(len(atoms))
    np.testing.assert_allclose(basis(atomic_graph(atoms[order], 5.2)), before[:, order], atol=tolerance)


def test_the_species_of_neighbors_matter():
    basis = basis_of(**TWO_ELEMENTS, order=2, degree=6)
    vectors = random_vectors(2, seed=5)
    one = basis(star(["Al", "Al", "Ti"], vectors))[:, 0]
    other = basis(star(["Al", "Ti", "Al"], vectors))[:, 0]
    largest = one[many_body_columns(basis)].abs().max()
    assert (one - other)[many_body_columns(basis)].abs().max() > 0.1 * largest


def test_functions_of_other_center_elements_are_zero():
    basis = basis_of(**TWO_ELEMENTS, order=3, degree=6)
    values = basis(atomic_graph(cluster("Al3Ti3", seed=4), 5.2))
    al, ti = (values[block.columns] for block in basis.by_element)
    assert not al[:, 3:].any()
    assert not ti[:, :3].any()
    assert bool((al[:, :3].abs().max(0).values > 1e-4).all())
    assert bool((ti[:, 3:].abs().max(0).values > 1e-4).all())


def test_center_elements_may_differ_in_order_and_degree():
    override = {"Ti": ElementOverride(order=3, degree=6.0)}
    mixed = basis_of(**TWO_ELEMENTS, order=2, degree=5, pair_degree=4, overrides=override)
    graph = atomic_graph(cluster("Al3Ti3", seed=4), 5.2)
    for element, order, degree in [("Al", 2, 5), ("Ti", 3, 6)]:
        alone = basis_of(**TWO_ELEMENTS, order=order, degree=degree, pair_degree=4)
        z = mixed.elements.index(element)
        expected = alone(graph)[alone.by_element[z].columns]
        np.testing.assert_allclose(mixed(graph)[mixed.by_element[z].columns], expected, atol=1e-13)


# --- columns, chunks, precision, empty graphs ------------------------------------------------------------------------


@pytest.mark.parametrize(("settings", "symbols"), SYMMETRIC)
def test_every_column_is_a_function(settings, symbols):
    basis = basis_of(**settings)
    functions = basis.specification.functions()
    assert len(set(functions)) == len(functions) == basis.n_functions
    for element, block in zip(basis.elements, basis.by_element, strict=True):
        assert {function.kind for function in functions[block.columns]} == {element}
        assert {function.elements[0] for function in functions[block.columns]} == {element}
        assert block.columns.stop - block.columns.start == block.n_functions
    for (a, b), columns in basis.pair_columns.items():
        pair = basis.elements[a], basis.elements[b]
        numbers = range(1, basis.specification.n_pair_functions + 1)
        assert functions[columns] == [Function("pair", pair, ((n, 0),)) for n in numbers]


def test_basis_of_a_center_does_not_depend_on_the_rest_of_the_graph():
    basis = basis_of(**TWO_ELEMENTS, order=3, degree=6)
    graph = atomic_graph(bulk("Al", cubic=True).repeat((2, 1, 1)), 5.2)
    graph = AtomicGraph(
        torch.tensor([13, 22] * 4), graph.pair_i, graph.pair_j, graph.pair_vectors, graph.structure, 1, 8
    )
    whole = basis(graph)
    chunks = list(graph.center_chunks(100))
    assert len(chunks) > 2
    parts = torch.cat([basis(subgraph(graph, *chunk)) for chunk in chunks], dim=1)
    np.testing.assert_allclose(parts, whole, atol=1e-13)
    twice = basis(batch([graph, graph]))
    np.testing.assert_allclose(twice, torch.cat([whole, whole], dim=1), atol=1e-13)


def test_order_of_the_pairs_of_a_center_does_not_matter():
    basis = basis_of(**TWO_ELEMENTS, order=3, degree=6)
    vectors, symbols = random_vectors(6, seed=7), ["Al", "Ti", "Al", "Al", "Ti", "Ti"]
    order = [4, 2, 0, 5, 1, 3]
    first = basis(star(["Ti", *symbols], vectors))
    second = basis(star(["Ti", *(symbols[k] for k in order)], vectors[order]))
    np.testing.assert_allclose(second, first, atol=1e-13)


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
@pytest.mark.parametrize(("settings", "symbols"), SYMMETRIC)
def test_isolated_atoms_give_zero(settings, symbols, formulation):
    basis = basis_of(**settings, formulation=formulation)
    element = basis.elements[-1]
    alone = basis(atomic_graph(ase.Atoms(element), 5.2))
    assert alone.shape == (basis.n_functions, 1)
    assert not alone.any()
    far = ase.Atoms([element, element, element], positions=[[0, 0, 0], [0, 0, 2.5], [0, 40, 0]])
    values = basis(atomic_graph(far, 5.2))
    assert values[:, 0].abs().max() > 1e-3
    assert not values[:, 2].any()


def test_pairs_beyond_the_cutoff_do_not_count():
    basis = basis_of(**TWO_ELEMENTS, order=3, degree=6, pair_cutoff=4.0)
    atoms = cluster("Al4Ti4", seed=8, size=6.0)
    near, far = atomic_graph(atoms, 5.2), atomic_graph(atoms, 9.0)
    assert far.n_pairs > near.n_pairs
    np.testing.assert_allclose(basis(far), basis(near), atol=1e-14)


@pytest.mark.parametrize(("settings", "symbols"), SYMMETRIC)
def test_single_precision_is_close_to_double(settings, symbols):
    double = basis_of(**settings)
    graph = atomic_graph(cluster(symbols, seed=9), 5.2)
    expected = double(graph)
    # The dtype of the graph decides; tables in double precision or in single precision do the same.
    for basis in (double, ACEBasis(double.specification).to(torch.float32)):
        values = basis(graph.to(dtype=torch.float32))
        assert values.dtype == torch.float32
        assert (values - expected).abs().max() < SINGLE_ACCURACY * expected.abs().max()


def test_an_unknown_element_is_named():
    basis = basis_of(**TWO_ELEMENTS, order=2, degree=5)
    for symbols in ("OTi", "AlSi", "AlPb"):
        foreign = next(s for s in ase.Atoms(symbols).symbols if s not in basis.elements)
        graph = atomic_graph(ase.Atoms(symbols, positions=[[0, 0, 0], [0, 0, 2.2]]), 5.2)
        with pytest.raises(UnsupportedElementError, match=f"the element {foreign} is not in this model.* Al, Ti"):
            basis(graph)


# --- derivatives ------------------------------------------------------------------------------------------------------

DIFFERENTIABLE = [
    pytest.param({**ONE_ELEMENT, "order": 3, "degree": 6, "wl": 1.0}, "Si3", id="one element"),
    pytest.param({**TWO_ELEMENTS, "order": 2, "degree": 5}, "Al2Ti", id="two elements"),
]


@pytest.mark.parametrize(("settings", "symbols"), DIFFERENTIABLE)
def test_the_basis_is_twice_differentiable(settings, symbols):
    basis = basis_of(**settings)
    graph = atomic_graph(cluster(symbols, seed=10, size=3.5), 5.2)
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    weights = torch.as_tensor(np.random.default_rng(1).normal(size=(3, basis.n_functions)))

    def projected(v: Tensor) -> Tensor:
        return weights @ basis(graph.with_pair_vectors(v))

    assert torch.autograd.gradcheck(projected, vectors)
    assert torch.autograd.gradgradcheck(projected, vectors)


@pytest.mark.parametrize(("settings", "symbols"), DIFFERENTIABLE)
def test_site_energies_are_twice_differentiable(settings, symbols):
    basis = basis_of(**settings)
    coefficients = torch.as_tensor(np.random.default_rng(2).normal(size=basis.n_functions))
    model = LinearACE(basis, dict.fromkeys(basis.elements, 0.0), coefficients)
    graph = atomic_graph(cluster(symbols, seed=11, size=3.5), 5.2)
    vectors = graph.pair_vectors.clone().requires_grad_(True)

    def energies(v: Tensor) -> Tensor:
        return model.site_energies(graph.with_pair_vectors(v))

    assert torch.autograd.gradcheck(energies, vectors)
    assert torch.autograd.gradgradcheck(energies, vectors)


def analytic_jacobian(basis: ACEBasis, graph: AtomicGraph) -> tuple[np.ndarray, int]:
    """dB_i/dr_ij [n_functions, n_pairs, 3] from the blocks of BasisDerivatives, and how many blocks there were."""
    jacobian = np.zeros((basis.n_functions, graph.n_pairs, 3))
    seen = np.zeros((basis.n_functions, graph.n_pairs), dtype=int)
    blocks = 0
    for block in BasisDerivatives(basis)(graph):
        rows = np.arange(basis.n_functions)[block.columns]
        jacobian[np.ix_(rows, block.pairs.numpy())] = block.values.permute(2, 0, 1).numpy()
        seen[np.ix_(rows, block.pairs.numpy())] += 1
        blocks += 1
    assert seen.max() == 1  # no pair comes twice
    return jacobian, blocks


def autograd_jacobian(basis: ACEBasis, graph: AtomicGraph) -> np.ndarray:
    """A pair vector belongs to one center, so dB_i/dr_ij is the derivative of Σ_i B_i."""

    def total(vectors: Tensor) -> Tensor:
        return basis(graph.with_pair_vectors(vectors)).sum(dim=1)

    return torch.autograd.functional.jacobian(total, graph.pair_vectors).numpy()


def graphs_of(elements: tuple[str, ...]) -> Iterator[AtomicGraph]:
    several = cluster("Si7" if elements == ("Si",) else "Al4Ti3", seed=12, size=5.0)
    yield atomic_graph(several, 5.2)
    several += ase.Atoms(elements[0], positions=[[50.0, 0, 0]])  # without neighbors, last
    yield atomic_graph(several, 5.2)
    yield atomic_graph(several[[7, *range(7)]], 5.2)  # and first
    yield atomic_graph(ase.Atoms(elements[-1], cell=[2.9, 3.0, 3.2], pbc=True), 5.2)  # its own images only


ANALYTIC = {
    "one element": {**ONE_ELEMENT, "order": 3, "degree": 7, "wl": 1.0},
    "two elements": {**TWO_ELEMENTS, "order": 3, "degree": 6, "pair_cutoff": 4.0},
    "no pair basis": {**TWO_ELEMENTS, "order": 2, "degree": 5, "pair_degree": 0},
}


# Chunks cut the work on any basis, and know neither formulation nor elements.
@pytest.mark.parametrize(
    ("name", "formulation", "chunk_bytes"), pairwise(ANALYTIC, ["pure2b", "self_interacting"], [2**27, 1])
)
def test_analytic_derivatives_are_those_of_autograd(name, formulation, chunk_bytes, monkeypatch):
    monkeypatch.setattr(derivatives, "CHUNK_BYTES", chunk_bytes)
    basis = basis_of(**ANALYTIC[name], formulation=formulation)
    for graph in graphs_of(basis.elements):
        found, blocks = analytic_jacobian(basis, graph)
        if chunk_bytes == 1:
            assert blocks >= graph.species.unique().numel() * (graph.n_centers > 1)
            assert graph.n_centers < 8 or blocks >= 7
        expected = autograd_jacobian(basis, graph)
        np.testing.assert_allclose(found, expected, atol=DERIVATIVE_ACCURACY * np.abs(expected).max())


def test_analytic_derivatives_against_finite_differences():
    basis = basis_of(**TWO_ELEMENTS, order=3, degree=6)
    graph = atomic_graph(cluster("Al3Ti2", seed=13), 5.2)
    jacobian, _ = analytic_jacobian(basis, graph)
    direction = np.random.default_rng(3).normal(size=graph.pair_vectors.shape)
    step = 1e-4

    def total(h: float) -> np.ndarray:
        return basis(graph.with_pair_vectors(graph.pair_vectors + h * torch.as_tensor(direction))).sum(dim=1).numpy()

    central = (8 * (total(step) - total(-step)) - (total(2 * step) - total(-2 * step))) / (12 * step)
    expected = np.einsum("kpc,pc->k", jacobian, direction)
    np.testing.assert_allclose(central, expected, atol=1e-8 * np.abs(expected).max())
