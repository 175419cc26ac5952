"""The restraint of dimers to nuclear repulsion: what it asks for, and up to which distances."""

from __future__ import annotations

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from acnn.basis.ace import ACEBasis
from acnn.basis.radial import bond_length, pair_bond_length
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.assembly import row_source
from acnn.fit.repulsion import N_REPULSIVE_DISTANCES, REPULSIVE_RANGE, contact_lengths, repulsion_rows
from acnn.models.linear import LinearACE
from acnn.models.reference import zbl_energy
from acnn.neighbors import atomic_graph


def structure(atoms: ase.Atoms) -> LabeledStructure:
    return LabeledStructure(atoms, 0.0, None, None, "default", Weights(1.0, 1.0, 1.0), "test")


@pytest.mark.parametrize("zbl", [False, True])
def test_the_restraint_is_a_relative_deviation_from_zbl(zbl):
    """weight · (E_dimer / V_ZBL - 1), for any coefficients, with and without a fixed ZBL term."""
    basis = ACEBasis(BasisSpecification(elements=("Al", "Ti"), order=2, total_degree=5, cutoff=4.5))
    coefficients = torch.as_tensor(np.random.default_rng(6).normal(size=basis.n_functions))
    model = LinearACE(basis, {"Al": -3.0, "Ti": 5.0}, coefficients, zbl=zbl)
    contacts = {("Al", "Al"): 2.8, ("Al", "Ti"): 2.5, ("Ti", "Ti"): 3.0}
    rows, targets = repulsion_rows(model, row_source(basis), contacts, 0.25)
    assert rows.shape == (3 * N_REPULSIVE_DISTANCES, basis.n_functions)
    expected = []
    for pair, length in contacts.items():
        for r in length * np.linspace(*REPULSIVE_RANGE, N_REPULSIVE_DISTANCES):
            dimer = ase.Atoms(pair, positions=[[0, 0, 0], [0, 0, r]])
            graph = atomic_graph(dimer, 4.5)
            binding = float((model.site_energies(graph) - model.e0(graph)).sum())
            nuclear = float(zbl_energy(torch.tensor(r), *torch.as_tensor(dimer.numbers, dtype=torch.float64)))
            expected.append(0.25 * (binding / nuclear - 1))
    np.testing.assert_allclose(rows @ coefficients.numpy() - targets, expected, rtol=1e-9, atol=1e-9)


def test_contacts_are_bonds_unless_the_data_keep_a_pair_farther_apart():
    """H-H of water reaches to the hydrogen atoms of one molecule; O-H is a bond; O-O is in no molecule."""
    water = molecule("H2O")
    apart = float(np.linalg.norm(water.positions[1] - water.positions[2]))
    found = contact_lengths(("H", "O"), [structure(water)])
    assert found[("H", "H")] == pytest.approx(apart)
    assert apart > 2 * bond_length("H")
    assert found[("H", "O")] == pytest.approx(max(pair_bond_length("H", "O"), water.get_distance(0, 1)))
    assert found[("O", "O")] == pytest.approx(bond_length("O"))


def test_contacts_of_a_compressed_crystal_are_bonds():
    crystal = bulk("Si", a=5.2, cubic=True)
    assert contact_lengths(("Si",), [structure(crystal)]) == {("Si", "Si"): pytest.approx(bond_length("Si"))}
    stretched = contact_lengths(("Si",), [structure(bulk("Si", a=6.0, cubic=True))])
    assert stretched[("Si", "Si")] == pytest.approx(6.0 * np.sqrt(3) / 4)
