"""E0 and ZBL against formulas written independently."""

from __future__ import annotations

import math

import ase
import numpy as np
import pytest
import torch
from ase.data import atomic_numbers, covalent_radii
from torch import Tensor

from acnn.graph import AtomicGraph
from acnn.models.fixed_terms import ZBL, ReferenceEnergies, switch, zbl_energy
from acnn.neighbors import atomic_graph

ROUNDING = 1e-13
SINGLE_ACCURACY = 1e-5
COULOMB = 14.399645  # e²/(4πε0) in eV Å
CONSTANTS_ACCURACY = 1e-6  # of the physical constants


def tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def dimer(first: str, second: str, r: float, cutoff: float = 6.0) -> AtomicGraph:
    return atomic_graph(ase.Atoms([first, second], positions=[[0, 0, 0], [0.6 * r, 0, 0.8 * r]]), cutoff)


def zbl(r: float, z1: int, z2: int) -> float:
    """Ziegler, Biersack, Littmark: universal screening length 0.8854 a0 / (Z1^0.23 + Z2^0.23)."""
    x = r * (z1**0.23 + z2**0.23) / 0.46850
    terms = [(0.18175, 3.1998), (0.50986, 0.94229), (0.28022, 0.4029), (0.02817, 0.20162)]
    return COULOMB * z1 * z2 / r * sum(amplitude * math.exp(-rate * x) for amplitude, rate in terms)


def smooth_step(x: float) -> float:
    """1 at 0, 0 at 1 and beyond, the quintic with vanishing first and second derivatives at both ends."""
    return (1 - x) ** 3 * (1 + 3 * x + 6 * x * x) if x < 1 else 0.0


def test_e0_belongs_to_the_element_of_each_center():
    e0 = ReferenceEnergies(("O", "Al", "Ti"), {"Ti": -3.0, "Al": -2.0, "O": -1.0})
    graph = atomic_graph(ase.Atoms("TiOAlTi", positions=[[3.0 * i, 0, 0] for i in range(4)]), 4.0)
    assert e0(graph).tolist() == [-3.0, -1.0, -2.0, -3.0]


def test_a_large_e0_keeps_its_digits_in_single_precision():
    e0 = ReferenceEnergies(("Ti",), {"Ti": -23123.456789012345})
    graph = atomic_graph(ase.Atoms("Ti2", positions=[[0, 0, 0], [0, 0, 2.0]]), 4.0).to(dtype=torch.float32)
    assert e0(graph).tolist() == [-23123.456789012345] * 2


def test_ghosts_have_no_e0():
    graph = dimer("Al", "Ti", 2.0)
    only_first = AtomicGraph(
        graph.species, graph.pair_i[:1], graph.pair_j[:1], graph.pair_vectors[:1], graph.structure, 1, 1
    )
    assert ReferenceEnergies(("Al", "Ti"), {"Al": -2.0, "Ti": -3.0})(only_first).tolist() == [-2.0]


def test_a_missing_e0_names_the_element():
    with pytest.raises(ValueError, match="no E0 for Al, Ti"):
        ReferenceEnergies(("O", "Al", "Ti"), {"O": -1.0})


@pytest.mark.parametrize(("first", "second"), [("Si", "Si"), ("H", "U"), ("Al", "Ti")])
def test_zbl_is_the_universal_potential(first, second):
    z1, z2 = atomic_numbers[first], atomic_numbers[second]
    for r in (0.01, 0.1, 0.5, 1.0, 2.0):
        found = zbl_energy(tensor([r]), tensor([z1]), tensor([z2])).item()
        assert found == pytest.approx(zbl(r, z1, z2), rel=CONSTANTS_ACCURACY)


@pytest.mark.parametrize(("first", "second"), [("Si", "Si"), ("H", "O"), ("Al", "Ti")])
def test_a_dimer_has_the_switched_repulsion_once(first, second):
    z1, z2 = atomic_numbers[first], atomic_numbers[second]
    reach = covalent_radii[z1] + covalent_radii[z2]
    for x in (0.1, 0.5, 0.9, 0.999, 1.0, 1.2):
        energies = ZBL()(dimer(first, second, x * reach))
        assert energies[0].item() == pytest.approx(energies[1].item(), rel=ROUNDING)
        expected = zbl(x * reach, z1, z2) * smooth_step(x)
        assert energies.sum().item() == pytest.approx(expected, rel=CONSTANTS_ACCURACY, abs=1e-12)


def test_the_switch_is_the_quintic_step():
    x = np.linspace(0, 1.3, 40)
    np.testing.assert_allclose(switch(tensor(x)), [smooth_step(v) for v in x], atol=ROUNDING)


def test_the_switch_has_two_continuous_derivatives():
    for end, value in [(0.0, 1.0), (1.0, 0.0)]:
        for side in (-1e-7, 1e-7):
            x = tensor(max(0.0, end + side)).requires_grad_(True)
            (first,) = torch.autograd.grad(switch(x), x, create_graph=True)
            (second,) = torch.autograd.grad(first, x, materialize_grads=True)
            assert switch(x).item() == pytest.approx(value, abs=1e-10)
            assert abs(first.item()) < 1e-10
            assert abs(second.item()) < 1e-4


def test_zbl_repels():
    r = tensor(np.linspace(0.2, 2.0, 50))
    energies = torch.stack([ZBL()(dimer("Si", "Si", x)).sum() for x in r.tolist()])
    assert bool((energies.diff() < 0).all())
    assert energies[-1] > 0


def test_zbl_in_single_precision():
    graph = dimer("Al", "Ti", 1.5)
    single = ZBL()(graph.to(dtype=torch.float32))
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, ZBL()(graph), rtol=SINGLE_ACCURACY)


def test_zbl_is_differentiable_twice():
    graph = dimer("Al", "Ti", 1.5)
    vectors = graph.pair_vectors.clone().requires_grad_(True)
    zbl_term = ZBL()
    assert torch.autograd.gradcheck(lambda v: zbl_term(graph.with_pair_vectors(v)), vectors)
    assert torch.autograd.gradgradcheck(lambda v: zbl_term(graph.with_pair_vectors(v)), vectors)
