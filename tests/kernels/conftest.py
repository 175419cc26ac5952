"""Random models and graphs for the tests of the kernel: Hypothesis strategies, handed out as fixtures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from acnn.basis.ace import ACEBasis
from acnn.basis.specification import BasisSpecification, ElementOverride
from acnn.graph import AtomicGraph
from acnn.models.linear import LinearACE

MAX_FUNCTIONS = 150
SYMBOLS = ("H", "C", "Al", "Si", "Ti")
EXTRA_DEGREE = {1: 6.0, 2: 6.0, 3: 4.0, 4: 3.0, 5: 2.5}
TRANSFORMS = [(2.0, 4.0), (1.0, 4.0), (1.5, 3.5), (2.7, 2.7), (0.8, 5.1), (3.0, 3.0)]
JACOBI = [(0.0, 0.0), (1.0, 0.5), (-0.3, 0.7), (-0.5, -0.5), (2.0, 2.0)]
COUNTS = [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 40, 64]


@functools.cache
def _basis(specification_json: str) -> ACEBasis:
    return ACEBasis(BasisSpecification.model_validate_json(specification_json))


def built(specification: BasisSpecification) -> ACEBasis:
    """A basis, built once per specification."""
    return _basis(specification.model_dump_json())


def limited(settings: dict[str, Any]) -> BasisSpecification:
    """The specification, at the highest degree with a bounded number of functions."""
    while (specification := BasisSpecification(**settings)).n_functions > MAX_FUNCTIONS:
        degree = settings["degree"]
        lower = tuple(max(1.0, d - 0.5) for d in degree) if isinstance(degree, tuple) else max(1.0, degree - 0.5)
        if lower == degree:
            return specification
        settings = settings | {"degree": lower}
    return specification


@st.composite
def specifications(draw: Callable[..., Any]) -> BasisSpecification:
    """Orders 1 to 5, one to three elements, all settings."""
    elements = tuple(draw(st.sets(st.sampled_from(SYMBOLS), min_size=1, max_size=3)))
    order = draw(st.integers(1, 5))

    def degree(order: int) -> Any:
        highest = EXTRA_DEGREE[order] / len(elements) ** 0.5
        one = st.floats(0, highest).map(lambda extra: order + round(extra, 2))
        return draw(st.one_of(one, st.tuples(*[st.floats(1, o + EXTRA_DEGREE[o]) for o in range(1, order + 1)])))

    cutoff = draw(st.sampled_from([3.2, 4.0, 5.5]))
    overrides = {}
    if len(elements) > 1 and draw(st.booleans()):
        own = draw(st.integers(1, min(order + 1, 3)))
        overrides[elements[0]] = ElementOverride(order=own, degree=degree(own), wl=draw(st.sampled_from([0.7, 2])))
    settings = {
        "elements": elements,
        "order": order,
        "degree": degree(order),
        "wl": draw(st.sampled_from([0.6, 1.0, 1.5, 2.2])),
        "cutoff": cutoff,
        "pair_cutoff": draw(st.sampled_from([None, 0.7 * cutoff, cutoff, 1.3 * cutoff])),
        "pair_degree": draw(st.sampled_from([None, 0, 1, 5])),
        "formulation": draw(st.sampled_from(["pure2b", "self_interacting"])),
        "transform": draw(st.sampled_from(TRANSFORMS)),
        "pair_transform": draw(st.sampled_from([*TRANSFORMS, (1.0, 3.0)])),
        "jacobi": draw(st.sampled_from(JACOBI)),
        "overrides": overrides,
    }
    return limited(settings)


def star_graph(elements: tuple[str, ...], counts: list[int], n_ghosts: int, reach: float, seed: int) -> AtomicGraph:
    """Centers with so many neighbors each, at random in 0.35 to 1.2 times ``reach``, some of them ghosts."""
    rng = np.random.default_rng(seed)
    n_atoms, pair_i = len(counts) + n_ghosts, np.repeat(np.arange(len(counts)), counts)
    directions = rng.normal(size=(len(pair_i), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return AtomicGraph(
        species=torch.as_tensor(rng.choice([atomic_numbers[e] for e in elements], size=n_atoms).astype(np.int64)),
        pair_i=torch.as_tensor(pair_i),
        pair_j=torch.as_tensor(rng.integers(0, max(1, n_atoms), size=len(pair_i))),
        pair_vectors=torch.as_tensor(directions * rng.uniform(0.35 * reach, 1.2 * reach, size=(len(pair_i), 1))),
        structure=torch.zeros(n_atoms, dtype=torch.int64),
        n_structures=1,
        n_centers=len(counts),
    )


@st.composite
def graphs(draw: Callable[..., Any], elements: tuple[str, ...], reach: float) -> AtomicGraph:
    counts = draw(st.lists(st.sampled_from(COUNTS), min_size=1, max_size=20))
    return star_graph(elements, counts, draw(st.integers(0, 5)), reach, draw(st.integers(0, 2**20)))


def coefficients_of(basis: ACEBasis, kind: str, seed: int) -> torch.Tensor:
    """Random coefficients, smaller for higher functions; all, some or none of them zero."""
    degree = np.array([sum(n * n + l * l for n, l in f.nl) for f in basis.specification.functions()], dtype=float)
    rng = np.random.default_rng(seed)
    values = rng.normal(size=len(degree)) / degree
    if kind == "sparse":
        values[rng.random(len(values)) < 0.7] = 0.0
    if kind == "one":
        values[np.arange(len(values)) != rng.integers(max(1, len(values)))] = 0.0
    return torch.as_tensor(0.0 * values if kind == "zero" else values)


@st.composite
def linear_models(draw: Callable[..., Any]) -> LinearACE:
    basis = built(draw(specifications()))
    kind = draw(st.sampled_from(["all", "all", "sparse", "one", "zero"]))
    coefficients = coefficients_of(basis, kind, draw(st.integers(0, 9)))
    # Without E0, beside which small energies would have few digits.
    return LinearACE(basis, dict.fromkeys(basis.elements, 0.0), coefficients, zbl=draw(st.booleans()))


@st.composite
def models_and_graphs(draw: Callable[..., Any]) -> tuple[LinearACE, AtomicGraph]:
    model = draw(linear_models())
    return model, draw(graphs(model.elements, model.cutoff))


def any_model(zbl: bool = False, kind: str = "all", **settings: Any) -> LinearACE:
    """A model of Al and Ti, or of other settings, with random coefficients and E0."""
    chosen = {"elements": ("Al", "Ti"), "order": 3, "degree": 5.0, "wl": 1.0, "cutoff": 4.5} | settings
    basis = built(BasisSpecification(**chosen))
    return LinearACE(basis, {e: -1.0 - z for z, e in enumerate(basis.elements)}, coefficients_of(basis, kind, 1), zbl)


@pytest.fixture(scope="session")
def model_of() -> Callable[..., LinearACE]:
    return any_model


@pytest.fixture(scope="session")
def star_of() -> Callable[..., AtomicGraph]:
    return star_graph


@pytest.fixture(scope="session")
def cases() -> SearchStrategy[tuple[LinearACE, AtomicGraph]]:
    """Models with graphs of their elements."""
    return models_and_graphs()
