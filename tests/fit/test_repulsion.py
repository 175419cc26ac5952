"""The restraint to nuclear repulsion: what it asks for, up to which distances, and that it closes holes."""

from __future__ import annotations

import itertools

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.emt import EMT

from acnn.basis.ace import ACEBasis
from acnn.basis.radial import bond_length, pair_bond_length
from acnn.basis.specification import BasisSpecification
from acnn.data.dataset import LabeledStructure
from acnn.data.weights import Weights
from acnn.fit.assembly import row_source
from acnn.fit.contacts import CloseContacts
from acnn.fit.linear import fit_linear
from acnn.fit.repulsion import (
    DIMER_RANGE,
    HOST_WEIGHT,
    INSERTION_RANGE,
    N_DIMERS,
    TOTAL_WEIGHT,
    insertions,
    repulsion_rows,
)
from acnn.models.fixed_terms import zbl_energy
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.solvers import BLR
from acnn.solvers.priors import parse_prior

ELEMENTS = ("Al", "Ti")
SHORTEST = np.array([[2.8, 2.5], [2.5, 3.2]])


def structure(atoms: ase.Atoms) -> LabeledStructure:
    return LabeledStructure(atoms, 0.0, None, None, "default", Weights(1.0, 1.0, 1.0), "test")


def random_model(zbl: bool) -> LinearACE:
    basis = ACEBasis(BasisSpecification(elements=ELEMENTS, order=2, degree=5, cutoff=4.5))
    coefficients = torch.as_tensor(np.random.default_rng(6).normal(size=basis.n_functions))
    return LinearACE(basis, {"Al": -3.0, "Ti": 5.0}, coefficients, zbl=zbl)


def binding(model: LinearACE, atoms: ase.Atoms) -> torch.Tensor:
    """Site energies without E0."""
    graph = atomic_graph(atoms, model.cutoff)
    return model.site_energies(graph) - model.e0(graph)


def nuclear(r: float, one: str, other: str) -> float:
    numbers = (torch.tensor(int(ase.Atom(element).number)).double() for element in (one, other))
    return float(zbl_energy(torch.tensor(r, dtype=torch.float64), *numbers))


@pytest.mark.parametrize("zbl", [False, True])
def test_dimers_are_asked_for_zbl_by_relative_deviations(zbl):
    """weight · (E_dimer / V_ZBL - 1), for any coefficients, with and without a fixed ZBL term."""
    model = random_model(zbl)
    rows, targets = repulsion_rows(model, row_source(model.basis), CloseContacts(ELEMENTS, SHORTEST, {}), 0.25, 10)
    assert rows.shape == (3 * N_DIMERS, model.basis.n_functions)
    expected = []
    for a, b in itertools.combinations_with_replacement(ELEMENTS, 2):
        contact = max(pair_bond_length(a, b), SHORTEST[ELEMENTS.index(a), ELEMENTS.index(b)])
        for r in contact * np.linspace(*DIMER_RANGE, N_DIMERS):
            found = float(binding(model, ase.Atoms([a, b], positions=[[0, 0, 0], [0, 0, r]])).sum())
            expected.append(0.25 * (found / nuclear(r, a, b) - 1))
    np.testing.assert_allclose(rows @ model.coefficients.numpy() - targets, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("zbl", [False, True])
@pytest.mark.parametrize("periodic", [False, True], ids=["cluster", "crystal"])
def test_insertions_are_one_more_atom_in_a_structure(periodic, zbl):
    """Both rows of each, against energies of structures with and without the atom; images do not get one as well."""
    atoms = bulk("Al", cubic=True) if periodic else bulk("Al", cubic=True).repeat((2, 2, 1))
    atoms.pbc = periodic
    atoms.symbols[::2] = "Ti"
    atoms.rattle(0.1, seed=2)
    model, seen = random_model(zbl), []
    source = row_source(model.basis)

    def recording(graph, gradients):
        seen.append(graph)
        return source(graph, gradients)

    hosts = {"Al": [(atoms, 1), (atoms, 3)], "Ti": [(atoms, 0)]}
    found = list(insertions(model, recording, CloseContacts(ELEMENTS, SHORTEST, hosts), 50))
    assert len(found) == 2 * len(ELEMENTS) * 3
    large = atoms.repeat(4) if periodic else atoms
    host_of = [(element, host, inserted) for element in hosts for _, host in hosts[element] for inserted in ELEMENTS]
    for k, (element, host, inserted) in enumerate(host_of):
        vector = seen[4 * k].pair_vectors[-1].numpy()  # the host alone, with the atom: its last pair
        center = host + len(large) // 2 if periodic else host
        more = large.copy()
        more.append(ase.Atom(inserted, large.positions[center] + vector))
        change = binding(model, more)[:-1] - binding(model, large)
        whole = float(change.sum() + binding(model, more)[-1])
        distances = more.get_distances(-1, range(len(large)), mic=periodic)
        symbols = large.symbols
        limits = [SHORTEST[ELEMENTS.index(s), ELEMENTS.index(inserted)] for s in symbols]
        total = sum(
            nuclear(r, s, inserted) for r, s, limit in zip(distances, symbols, limits, strict=True) if r < limit
        )
        r = float(np.linalg.norm(vector))
        assert (
            INSERTION_RANGE[0] <= r / SHORTEST[ELEMENTS.index(element), ELEMENTS.index(inserted)] <= INSERTION_RANGE[1]
        )
        share = np.sqrt(50 / len(hosts[element]))
        expected = [
            HOST_WEIGHT * share * (float(change[center]) / (0.5 * nuclear(r, element, inserted)) - 1),
            TOTAL_WEIGHT * share * (whole / total - 1),
        ]
        residuals = [row @ model.coefficients.numpy() - target for row, target in found[2 * k : 2 * k + 2]]
        np.testing.assert_allclose(residuals, expected, rtol=1e-7, atol=1e-9)


def test_a_fit_repels_atoms_that_are_closer_than_its_data():
    """Molecules keep hydrogen atoms far apart; what a flexible basis makes of closer ones is far from any repulsion."""
    rng, structures = np.random.default_rng(0), []
    for _ in range(8):
        atoms = molecule("H2O") + molecule("H2O")
        atoms.positions[3:] += [rng.uniform(2.6, 3.4), 0, 0]
        atoms.positions += rng.normal(scale=0.05, size=(6, 3))
        atoms.calc = EMT()
        labels = (atoms.get_potential_energy(), atoms.get_forces(), None)
        structures.append(LabeledStructure(atoms, *labels, "default", Weights(30.0, 1.0, 1.0), "water"))
    specification = BasisSpecification(elements=("H", "O"), order=3, degree=(10, 8, 6), cutoff=4.5)
    deviations = {}
    for weight in (0.0, 0.3):
        fit = fit_linear(specification, structures, {"H": 3.2, "O": 4.6}, BLR(), parse_prior("identity", 1.5),
                         repulsion_weight=weight, element_correlation=0.0)  # fmt: skip
        contacts = CloseContacts.of(("H", "O"), structures, seed=5)  # other atoms and directions than those of the fit
        found = list(insertions(fit.model, row_source(fit.model.basis), contacts, 1, seed=5))
        residuals = [row @ fit.model.coefficients.numpy() - target for row, target in found]
        per_root = [
            1 / np.sqrt(len(contacts.hosts[e])) for e in ("H", "O") for _ in contacts.hosts[e] for _ in range(4)
        ]
        weights = np.resize([HOST_WEIGHT, TOTAL_WEIGHT], len(found)) * per_root
        deviations[weight] = float(np.sqrt(np.mean((residuals / weights) ** 2)))
    assert deviations[0.3] < 2
    assert deviations[0.0] > 4


def test_contacts_are_bonds_unless_the_data_keep_a_pair_farther_apart():
    """H-H of water reaches to the hydrogen atoms of one molecule; O-H is a bond; O-O is in no molecule."""
    water = molecule("H2O")
    apart = float(np.linalg.norm(water.positions[1] - water.positions[2]))
    found = CloseContacts.of(("H", "O"), [structure(water)])
    assert found.closest_approach("H", "H") == pytest.approx(apart)
    assert apart > 2 * bond_length("H")
    assert found.closest_approach("H", "O") == pytest.approx(max(pair_bond_length("H", "O"), water.get_distance(0, 1)))
    assert found.shortest_of("O", "H") == pytest.approx(water.get_distance(0, 1))
    assert found.closest_approach("O", "O") == found.shortest_of("O", "O") == pytest.approx(bond_length("O"))


def test_contacts_of_a_compressed_crystal_are_bonds():
    crystal = CloseContacts.of(("Si",), [structure(bulk("Si", a=5.2, cubic=True))])
    assert crystal.closest_approach("Si", "Si") == pytest.approx(bond_length("Si"))
    assert crystal.shortest_of("Si", "Si") == pytest.approx(5.2 * np.sqrt(3) / 4)
    stretched = CloseContacts.of(("Si",), [structure(bulk("Si", a=6.0, cubic=True))])
    assert stretched.closest_approach("Si", "Si") == pytest.approx(6.0 * np.sqrt(3) / 4)


def test_hosts_are_atoms_of_their_element_in_any_structure():
    structures = [structure(molecule("H2O")), structure(molecule("CH4")), structure(molecule("CO2"))]
    found = CloseContacts.of(("H", "C", "O"), structures)
    assert {element: len(hosts) for element, hosts in found.hosts.items()} == {"H": 6, "C": 2, "O": 3}
    for element, hosts in found.hosts.items():
        assert all(atoms.symbols[host] == element for atoms, host in hosts)
    again = CloseContacts.of(("H", "C", "O"), structures)
    assert [host for _, host in again.hosts["H"]] == [host for _, host in found.hosts["H"]]
