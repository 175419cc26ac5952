"""Linear ACE: E = E0 + ½ Σ V2 + c·B (+ ZBL), and the values that guard models saved by earlier versions."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import ase
import numpy as np
import pytest
import scipy.special
import torch
from ase.build import bulk

from acnn.basis.ace import ACEBasis, UnsupportedElementError
from acnn.basis.coupling import n_invariants
from acnn.basis.functions import grouped
from acnn.basis.specification import BasisSpecification
from acnn.graph import batch
from acnn.models.fixed_terms import ZBL
from acnn.models.linear import FixedTerms, LinearACE
from acnn.neighbors import atomic_graph

ROUNDING = 1e-12
SINGLE_ACCURACY = 1e-4
REFERENCE_ACCURACY = 1e-10

E0 = {"Al": -3.1, "Ti": -7.4}
REFERENCE = Path(__file__).resolve().parents[1] / "reference"


@pytest.fixture(scope="module")
def basis() -> ACEBasis:
    return ACEBasis(BasisSpecification(elements=("Al", "Ti"), order=3, degree=6, cutoff=5.0, pair_cutoff=5.5))


def random_coefficients(basis: ACEBasis, seed: int = 0) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(seed).normal(size=basis.n_functions))


def alloy(seed: int = 0) -> ase.Atoms:
    atoms = bulk("Al", cubic=True, a=4.1)
    atoms.symbols[1:3] = "Ti"
    atoms.rattle(0.15, seed=seed)
    return atoms


def pair_function(n: int, r: float, r0: float, cutoff: float) -> float:
    """R_n of the pair basis, from the paper, with p = 1, q = 3 and a = 2/7."""

    def y(x: float) -> float:
        return 1 / (1 + 2 / 7 * (x / r0) ** 3 / (1 + (x / r0) ** 2))

    envelope = r0 / r * (1 - r / cutoff) ** 3
    x = -1 + 2 * (y(r) - y(cutoff)) / (1 - y(cutoff))
    return envelope * math.sqrt(2 * n - 1) * float(scipy.special.eval_legendre(n - 1, x))


@pytest.mark.parametrize(("pair", "symbols"), [((0, 0), "Al2"), ((0, 1), "AlTi"), ((0, 1), "TiAl"), ((1, 1), "Ti2")])
def test_with_pair_coefficients_alone_a_dimer_has_the_energy_v2(basis, pair, symbols):
    coefficients = torch.zeros(basis.n_functions, dtype=torch.float64)
    c = np.random.default_rng(1).normal(size=basis.specification.n_pair_functions)
    coefficients[basis.pair_columns[pair]] = torch.as_tensor(c)
    model = LinearACE(basis, {"Al": 0.0, "Ti": 0.0}, coefficients)
    r0 = basis.specification.bond_length_matrix()[pair[0]][pair[1]]
    for r in (0.7, 2.0, 3.3, 5.4, 5.6):
        sites = model.site_energies(atomic_graph(ase.Atoms(symbols, positions=[[0, 0, 0], [0, 0.6 * r, 0.8 * r]]), 6.0))
        v2 = sum(c[n - 1] * pair_function(n, r, r0, 5.5) for n in range(1, len(c) + 1)) if r < 5.5 else 0.0
        np.testing.assert_allclose(sites.numpy(), [v2 / 2, v2 / 2], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
def test_energy_is_e0_plus_c_times_b(formulation):
    basis = ACEBasis(BasisSpecification(elements=("Al", "Ti"), degree=6, formulation=formulation))
    coefficients = random_coefficients(basis)
    model = LinearACE(basis, E0, coefficients)
    atoms = alloy()
    graph = atomic_graph(atoms, model.cutoff)
    expected = np.array([E0[s] for s in atoms.symbols]) + coefficients.numpy() @ basis(graph).numpy()
    np.testing.assert_allclose(model.site_energies(graph), expected, rtol=ROUNDING)


def test_energy_is_linear_in_the_coefficients(basis):
    graph = atomic_graph(alloy(), 5.5)
    a, b = random_coefficients(basis, 1), random_coefficients(basis, 2)

    def above_e0(coefficients: torch.Tensor) -> torch.Tensor:
        model = LinearACE(basis, E0, coefficients)
        return model.site_energies(graph) - model.e0(graph)

    both = above_e0(2.0 * a - 3.0 * b)
    np.testing.assert_allclose(
        both, 2.0 * above_e0(a) - 3.0 * above_e0(b), atol=ROUNDING * 10 * float(both.abs().max())
    )


def test_without_coefficients_only_e0_is_left(basis):
    model = LinearACE(basis, E0)
    result = model.pair_gradients(atomic_graph(alloy(), model.cutoff))
    assert result.energies.tolist() == [2 * E0["Al"] + 2 * E0["Ti"]]
    assert not result.forces.any()


def test_zbl_comes_on_top(basis):
    atoms = ase.Atoms("AlTiAl", positions=[[0, 0, 0], [0, 0, 1.2], [0, 1.5, 0.2]])
    graph, coefficients = atomic_graph(atoms, 5.5), random_coefficients(basis)
    with_zbl, without = LinearACE(basis, E0, coefficients, zbl=True), LinearACE(basis, E0, coefficients)
    repulsion = ZBL()(graph)
    assert repulsion.min() > 1.0
    np.testing.assert_allclose(
        with_zbl.site_energies(graph), without.site_energies(graph) + repulsion, atol=ROUNDING * float(repulsion.max())
    )
    np.testing.assert_allclose(FixedTerms(with_zbl).site_energies(graph), with_zbl.e0(graph) + repulsion, rtol=ROUNDING)


def test_isolated_atoms_have_e0(basis):
    model = LinearACE(basis, E0, random_coefficients(basis), zbl=True)
    far = ase.Atoms("AlTi", positions=[[0, 0, 0], [0, 0, 30.0]])
    assert model.site_energies(atomic_graph(far, model.cutoff)).tolist() == [E0["Al"], E0["Ti"]]
    dimer_and_atom = ase.Atoms("AlAlTi", positions=[[0, 0, 0], [0, 0, 2.5], [0, 0, 30.0]])
    assert model.site_energies(atomic_graph(dimer_and_atom, model.cutoff))[2].item() == E0["Ti"]


def test_energy_is_extensive(basis):
    model = LinearACE(basis, E0, random_coefficients(basis))
    atoms = alloy()
    one = model.pair_gradients(atomic_graph(atoms, model.cutoff))
    large = model.pair_gradients(atomic_graph(atoms.repeat((2, 1, 3)), model.cutoff))
    np.testing.assert_allclose(large.energies, 6 * one.energies, rtol=ROUNDING)
    np.testing.assert_allclose(large.virials, 6 * one.virials, atol=1e-11 * float(large.virials.abs().max()))
    np.testing.assert_allclose(large.forces, one.forces.repeat(6, 1), atol=1e-11 * float(one.forces.abs().max()))


def test_the_cutoff_is_the_larger_of_both_parts(basis):
    assert LinearACE(basis, E0).cutoff == 5.5


def test_energy_and_forces_are_smooth_at_the_cutoff(basis):
    model = LinearACE(basis, E0, random_coefficients(basis))
    trimer = ase.Atoms("AlTiAl", positions=[[0, 0, 0], [0, 0, 2.6], [0, 1.0, 0]])
    results = []
    for r in (5.0 - 1e-6, 5.0 + 1e-6, 5.5 - 1e-6, 5.5 + 1e-6):
        trimer.positions[2] = [0, r, 0]
        results.append(model.pair_gradients(atomic_graph(trimer, model.cutoff)))
    for inside, outside in (results[:2], results[2:]):
        scale = float(inside.forces.abs().max())
        assert abs(float(inside.energies[0] - outside.energies[0])) < 1e-4 * scale
        assert float((inside.forces - outside.forces).abs().max()) < 1e-4 * scale


def test_single_precision_is_close(basis):
    model = LinearACE(basis, E0, random_coefficients(basis), zbl=True)
    graph = atomic_graph(alloy(), model.cutoff)
    single, double = model.pair_gradients(graph.to(dtype=torch.float32)), model.pair_gradients(graph)
    assert single.forces.dtype == torch.float32
    above_e0 = double.site_energies - model.e0(graph)
    np.testing.assert_allclose(
        single.site_energies, double.site_energies, atol=SINGLE_ACCURACY * float(above_e0.abs().max())
    )
    np.testing.assert_allclose(single.forces, double.forces, atol=SINGLE_ACCURACY * float(double.forces.abs().max()))


def test_a_large_e0_costs_no_digits_in_single_precision(basis):
    coefficients = random_coefficients(basis)
    graph = atomic_graph(alloy(), 5.5).to(dtype=torch.float32)
    e0 = {"Al": -6612.123456789, "Ti": -23123.987654321}
    small, large = (LinearACE(basis, e, coefficients).pair_gradients(graph) for e in ({"Al": 0.0, "Ti": 0.0}, e0))
    assert float(large.energies[0]) - 2 * sum(e0.values()) == pytest.approx(float(small.energies[0]), abs=1e-9)


@pytest.mark.parametrize("extra", [-1, 1])
def test_a_wrong_number_of_coefficients_is_told(basis, extra):
    n = basis.n_functions
    with pytest.raises(ValueError, match=f"{n} coefficients expected, got \\({n + extra},\\)"):
        LinearACE(basis, E0, torch.zeros(n + extra, dtype=torch.float64))


def test_the_model_keeps_its_own_coefficients(basis):
    given = random_coefficients(basis)
    model = LinearACE(basis, E0, given)
    before = model.coefficients.clone()
    given *= 2
    assert torch.equal(model.coefficients, before)


def test_an_unknown_element_is_named_even_without_neighbors(basis):
    model = LinearACE(basis, E0)
    with pytest.raises(UnsupportedElementError, match="the element O is not in this model"):
        model.site_energies(atomic_graph(ase.Atoms("O"), 5.0))


# --- tests/reference/*.json -------------------------------------------------------------------------------------------


def reference(name: str) -> dict[str, Any]:
    return json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["linear_si", "linear_tial"])
def test_models_of_earlier_versions_keep_their_energies_forces_and_virials(name):
    """Coefficients mean something only together with their basis functions: see tests/reference/make.py."""
    data = reference(name)
    model = LinearACE(
        BasisSpecification.model_validate(data["specification"]),
        data["reference_energies"],
        torch.tensor(data["coefficients"], dtype=torch.float64),
        data["zbl"],
    )
    for entry in data["structures"]:
        atoms = ase.Atoms(entry["numbers"], positions=entry["positions"], cell=entry["cell"], pbc=entry["pbc"])
        result = model.pair_gradients(atomic_graph(atoms, model.cutoff))
        expected_sites, forces, virial = (np.array(entry[key]) for key in ("site_energies", "forces", "virial"))
        scale = np.abs(expected_sites).max()
        np.testing.assert_allclose(result.site_energies, expected_sites, atol=REFERENCE_ACCURACY * scale)
        np.testing.assert_allclose(result.energies[0], entry["energy"], rtol=REFERENCE_ACCURACY)
        np.testing.assert_allclose(result.forces, forces, atol=REFERENCE_ACCURACY * np.abs(forces).max(initial=1e-3))
        np.testing.assert_allclose(
            result.virials[0], virial, atol=REFERENCE_ACCURACY * np.abs(virial).max(initial=1e-3)
        )


def test_the_reference_values_depend_on_the_choice_among_several_invariants():
    basis = ACEBasis(BasisSpecification.model_validate(reference("linear_si")["specification"]))
    assert any(n_invariants(grouped(multiset)) > 1 for multiset in basis.by_element[0].multisets)


@pytest.mark.parametrize("name", ["linear_si", "linear_tial"])
def test_every_coefficient_matters_to_the_reference_values(name):
    """No basis function could change unnoticed: each contributes far more than the comparison allows."""
    data = reference(name)
    basis = ACEBasis(BasisSpecification.model_validate(data["specification"]))
    structures = [
        ase.Atoms(e["numbers"], positions=e["positions"], cell=e["cell"], pbc=e["pbc"]) for e in data["structures"]
    ]
    graph = batch([atomic_graph(atoms, basis.specification.largest_cutoff) for atoms in structures])
    contributions = np.abs(basis(graph).numpy() * np.array(data["coefficients"])[:, None]).max(axis=1)
    largest = max(np.abs(entry["site_energies"]).max() for entry in data["structures"])
    assert contributions.min() > 1e3 * REFERENCE_ACCURACY * largest
