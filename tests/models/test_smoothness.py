"""Energy, force and second derivative are continuous where an atom crosses a cutoff, for every type of model."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from ase.data import atomic_numbers, covalent_radii

from acnn.basis.polynomials import AgnesiPolynomials
from acnn.graph import batch
from acnn.kernels.loading import uses_compiled_kernel
from acnn.models.ensemble import Ensemble
from acnn.models.linear import LinearACE
from acnn.models.model import Model
from acnn.models.network import NetworkACE
from acnn.neighbors import atomic_graph
from acnn.testing import random_model, random_network, with_zbl

ELEMENTS = ("C", "Si")
INNER = {"C-C": 1.9, "C-Si": 2.0, "Si-Si": 2.6}
STEP = 1e-4
"""Å"""
ENERGY_JUMP = 1e-9
"""eV"""
FORCE_JUMP = 1e-7
"""eV/Å"""
CURVATURE_JUMP = 1e-4
"""Relative to the second derivative, or 1 eV/Å²."""


def linear(formulation: str = "pure2b", **specification: object) -> LinearACE:
    return random_model(ELEMENTS, formulation=formulation, **specification)


MODELS = {
    "linear": linear,
    "linear, canonical": lambda: linear("canonical"),
    "linear, plain products": lambda: linear("self_interacting"),
    "linear, longer pairs": lambda: linear(pair_cutoff=5.1),
    "linear, shorter pairs": lambda: linear(pair_cutoff=3.7),
    "linear, other transforms": lambda: linear(transform=(1.0, 3.0), pair_transform=(2.0, 2.0), jacobi=(1.0, 0.5)),
    "ZBL": lambda: with_zbl(linear()),
    "network": lambda: random_network(ELEMENTS, layers=0),
    "attention": lambda: random_network(ELEMENTS, layers=2, inner_cutoffs=INNER),
    "ensemble": lambda: Ensemble([random_network(ELEMENTS, seed, cutoff=3.6 + 0.3 * seed) for seed in range(2)]),
}
EVALUATORS = [
    "torch",
    pytest.param(
        "cpu",
        marks=pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel"),
    ),
]


def edges(model: Model, a: str, b: str) -> set[float]:
    """Distances in Å at which something of a model begins or ends for a pair of elements."""
    found = {model.cutoff}
    for member in model.members():
        found.add(member.cutoff)
        part = member.linear if isinstance(member, NetworkACE) else member
        assert isinstance(part, LinearACE)
        found |= {part.basis.specification.cutoff, part.basis.pair_radial.cutoff}
        if part.zbl is not None:
            found.add(float(covalent_radii[atomic_numbers[a]] + covalent_radii[atomic_numbers[b]]))
        if isinstance(member, NetworkACE):
            s = member.specification
            inner = s.inner_cutoff_matrix()[ELEMENTS.index(a)][ELEMENTS.index(b)]
            found |= {s.cutoff, *([inner, 0.9 * inner] if inner else [])}
    return found


def approach(center: str, mover: str, distance: float) -> ase.Atoms:
    """A center with three neighbors, and on their far side another atom."""
    places = [[0, 0, 0], [1.2, 1.6, 0], [0.7, -0.9, 1.9], [1.7, -0.6, -1.1], [-distance, 0, 0]]
    return ase.Atoms([center, "Si", "C", "Si", mover], places)


def jumps(model: Model, evaluator: str, a: str, b: str, distance: float) -> tuple[float, float, float]:
    """Of energy, force and second derivative, the last in units of itself, extrapolated from both sides."""
    steps = STEP * np.array([-1, -2, -3, 1, 2, 3])
    graph = batch([atomic_graph(approach(a, b, distance + step), model.cutoff + 0.1) for step in steps])
    found = model.pair_gradients(graph, evaluator)
    energy = found.energies.numpy().reshape(2, 3)
    force = found.forces.numpy().reshape(len(steps), -1, 3)[:, -1, 0].reshape(2, 3)
    at_edge, slope = np.array([3.0, -3.0, 1.0]), np.array([-2.5, 4.0, -1.5]) / STEP
    curvature = force @ slope * [-1, 1]
    scale = max(1.0, float(np.abs(curvature).max()))
    energies, forces = np.diff(energy @ at_edge), np.diff(force @ at_edge)
    return float(abs(energies[0])), float(abs(forces[0])), float(abs(np.diff(curvature)[0])) / scale


@pytest.mark.parametrize("evaluator", EVALUATORS)
@pytest.mark.parametrize("name", MODELS)
def test_two_derivatives_are_continuous_at_every_cutoff(name: str, evaluator: str) -> None:
    model = MODELS[name]()
    for a, b in [("Si", "Si"), ("C", "Si"), ("Si", "C")]:
        for distance in sorted(edges(model, a, b)):
            energy, force, curvature = jumps(model, evaluator, a, b, distance)
            assert energy < ENERGY_JUMP, (a, b, distance)
            assert force < FORCE_JUMP, (a, b, distance)
            assert curvature < CURVATURE_JUMP, (a, b, distance)


@pytest.mark.parametrize("broken", ["polynomial", "coulomb"])
def test_an_envelope_of_one_order_less_is_found(monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """So that the tolerances above mean something."""
    whole = AgnesiPolynomials._envelope

    def one_order_less(basis: AgnesiPolynomials, r, r0, y, y_cut):
        found = whole(basis, r, r0, y, y_cut)
        return found / (1 - r / basis.cutoff).clamp(min=1e-300) if basis.envelope == broken else found

    monkeypatch.setattr(AgnesiPolynomials, "_envelope", one_order_less)
    model = linear()
    energy, force, curvature = jumps(model, "torch", "Si", "Si", model.cutoff)
    assert energy < ENERGY_JUMP
    assert force < FORCE_JUMP
    assert curvature > 10 * CURVATURE_JUMP
