"""check_model passes a good potential, and each kind of broken one fails where it is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from acnn.kernels.energy import EnergyKernel
from acnn.kernels.loading import uses_compiled_kernel
from acnn.models.ensemble import Ensemble
from acnn.models.network import NetworkACE, NetworkPart
from acnn.potential import PairGradients, Potential
from acnn.testing import example_structures, random_crystal, random_model, random_network
from acnn.workflows import check_model


class Pairs(Potential):
    """e_i = ½ Σ_j (4 - r)³ eV inside 4 Å."""

    elements, cutoff = ("C", "Si"), 4.0

    def pair_energies(self, r):
        return (self.cutoff - r) ** 3

    def site_energies(self, graph):
        halves = 0.5 * self.pair_energies(torch.linalg.vector_norm(graph.pair_vectors, dim=1))
        return halves.new_zeros(graph.n_centers).index_add(0, graph.pair_i, halves)


class ForceStepsAtTheCutoff(Pairs):
    def pair_energies(self, r):
        return super().pair_energies(r) + 1e-3 * (self.cutoff - r)


class CurvatureStepsAtTheCutoff(Pairs):
    """By ½ eV/Å²; energy and force are continuous."""

    def pair_energies(self, r):
        return super().pair_energies(r) + 0.25 * (self.cutoff - r) ** 2


class EnergyStepsAtTheCutoff(Pairs):
    def pair_energies(self, r):
        return super().pair_energies(r) + 1e-4


class AttractiveCore(Pairs):
    """Attractive below 0.55 Å: for C-C inside the range that is checked, for the others outside it."""

    elements = ("C", "Si")

    def pair_energies(self, r):
        return super().pair_energies(r) - 1e5 * (0.55 - r).clamp(min=0) ** 2


class WrongSign(Pairs):
    def pair_gradients(self, graph):
        found = super().pair_gradients(graph)
        return PairGradients(found.graph, found.site_energies, -found.pair_gradients)


class DoubleVirial(Pairs):
    """Forces are right; pair vectors, and with them the virial, are twice too long."""

    def pair_gradients(self, graph):
        found = super().pair_gradients(graph)
        doubled = graph.with_pair_vectors(2 * graph.pair_vectors)
        return PairGradients(doubled, found.site_energies, found.pair_gradients)


class Anisotropic(Pairs):
    def site_energies(self, graph):
        return super().site_energies(graph).index_add(0, graph.pair_i, 1e-5 * graph.pair_vectors[:, 2] ** 2)


class Imprecise(Pairs):
    """Half precision where single precision was asked for, and always too short."""

    def pair_energies(self, r):
        return super().pair_energies((r.bfloat16() - 0.01).float() if r.dtype == torch.float32 else r)


class NotANumber(Pairs):
    def pair_energies(self, r):
        return super().pair_energies(r) * float("nan")


class SteppingNetwork(NetworkPart):
    """With a cutoff of 3.2 Å, 1e-4 eV for every neighbor."""

    def pair_gradients(self, graph, kernel="auto"):
        found = super().pair_gradients(graph, kernel)
        near = graph.within(self.cutoff).pair_i
        step = 1e-4 if self.cutoff == 3.2 else 0.0
        energies = found.site_energies + step * torch.bincount(near, minlength=graph.n_centers)
        return PairGradients(found.graph, energies, found.pair_gradients)


@pytest.fixture(scope="module")
def linear():
    return random_model(["Si", "C"])


def failures(results):
    return {result.name for result in results if not result.passed}


@pytest.mark.parametrize("elements", [["Si"], ["Si", "C"]])
@pytest.mark.parametrize("formulation", ["pure2b", "self_interacting"])
def test_a_good_model_passes(elements, formulation):
    results = check_model(random_model(elements, formulation=formulation))
    assert failures(results) == set()
    assert all(np.isfinite(result.figure) and result.note for result in results)


def test_every_aspect_is_reported(linear):
    names = [result.name for result in check_model(linear)]
    assert len(names) == len(set(names))
    assert set(names) == {
        "forces = -dE/dx",
        "virial = -dE/dε",
        "invariance: rotation",
        "invariance: reflection",
        "invariance: permutation",
        "invariance: translation",
        "invariance: supercell",
        "net force",
        "isolated atom = E0",
        "energy at the cutoff",
        "force at the cutoff",
        "second derivative at the cutoff",
        "dimer C-C repulsive",
        "dimer C-Si repulsive",
        "dimer Si-Si repulsive",
        "float32 energy",
        "float32 forces",
        *(["compiled kernel = torch"] if uses_compiled_kernel() else []),
    }


def test_networks_of_an_ensemble_are_checked_alone(linear, monkeypatch):
    """A step at the cutoff of the second network is found, though the ensemble reaches farther."""
    members = [linear, random_network(["Si", "C"], 0, cutoff=3.5), random_network(["Si", "C"], 1, layers=0, cutoff=3.2)]
    structures = [random_crystal(["Si", "C"])]

    def of_networks():
        return [r for r in check_model(Ensemble(members), structures) if r.name.startswith("network")]

    alone = [r for r in check_model(members[1], structures) if r.name.startswith("network")]
    assert [r.name for r in of_networks()] == [r.name for r in alone]
    assert failures(of_networks()) == set()
    monkeypatch.setattr(NetworkACE, "network_part", lambda model: SteppingNetwork(model))
    (failed,) = [result for result in of_networks() if not result.passed]
    assert failed.name == "network: energy at its cutoff"
    assert failed.figure == pytest.approx(2e-4, rel=1e-3)  # seen from both ends of the pair
    assert "in member 3" in failed.note


def test_structures_may_be_given(linear):
    structures = example_structures()
    assert failures(check_model(linear, list(structures.values()))) == set()
    (forces,) = [r for r in check_model(linear, [structures["molecule"]]) if r.name == "forces = -dE/dx"]
    assert forces.note == "largest for CSi4 (pbc FFF)"


def test_a_good_pair_potential_passes():
    assert failures(check_model(Pairs())) == set()


@pytest.mark.parametrize(
    ("potential", "expected"),
    [
        (
            WrongSign(),
            {
                "forces = -dE/dx",
                "virial = -dE/dε",
                "dimer C-C repulsive",
                "dimer C-Si repulsive",
                "dimer Si-Si repulsive",
            },
        ),
        (DoubleVirial(), {"virial = -dE/dε"}),
        (Anisotropic(), {"invariance: rotation", "invariance: reflection"}),
        (CurvatureStepsAtTheCutoff(), {"second derivative at the cutoff"}),
        (ForceStepsAtTheCutoff(), {"force at the cutoff"}),
        (EnergyStepsAtTheCutoff(), {"energy at the cutoff"}),
        (AttractiveCore(), {"dimer C-C repulsive"}),
        (Imprecise(), {"float32 energy", "float32 forces"}),
    ],
)
def test_broken_potentials_fail_where_they_are_broken(potential, expected):
    found = failures(check_model(potential, [random_crystal(potential.elements)]))
    assert found == expected


def test_numbers_that_are_not_fail():
    results = check_model(NotANumber(), [random_crystal(["Si", "C"])])
    assert all(not result.passed for result in results)


@pytest.mark.skipif(not uses_compiled_kernel(), reason="acnn was installed without its compiled kernel")
def test_a_kernel_that_deviates_fails(linear, monkeypatch):
    right = linear.program()
    arrays = {name: values.copy() for name, values in right.arrays.items()}
    arrays["0.pair_coefficients"] *= 1 + 1e-7  # still invariant, and its forces are those of its energy
    monkeypatch.setattr(linear, "energy_kernel", lambda: EnergyKernel(replace(right, arrays=arrays)))
    assert failures(check_model(linear)) == {"compiled kernel = torch"}


def test_a_wrong_isolated_atom_fails(linear, monkeypatch):
    monkeypatch.setitem(linear.e0.energies, "Si", linear.e0.energies["Si"] + 1e-6)
    (result,) = [result for result in check_model(linear) if not result.passed]
    assert result.name == "isolated atom = E0"
    assert result.figure == pytest.approx(1e-6, rel=1e-6)
    assert "Si" in result.note


def test_figures_have_their_size():
    results = {result.name: result for result in check_model(ForceStepsAtTheCutoff())}
    assert results["force at the cutoff"].figure == pytest.approx(1e-3, rel=1e-3)
    results = {result.name: result for result in check_model(CurvatureStepsAtTheCutoff())}
    assert results["force at the cutoff"].passed
    assert results["second derivative at the cutoff"].figure == pytest.approx(0.5, rel=1e-3)
    results = {result.name: result for result in check_model(EnergyStepsAtTheCutoff())}
    assert results["energy at the cutoff"].figure == pytest.approx(1e-4, rel=1e-3)
    dimer = results["dimer C-C repulsive"]
    assert dimer.figure == pytest.approx(3 * (4 - 0.65 * 1.5443) ** 2, rel=1e-2)
    assert dimer.unit == "eV/Å"


def test_no_structures_are_an_error(linear):
    with pytest.raises(ValueError, match="at least one structure"):
        check_model(linear, [])


def test_an_unknown_element_is_named(linear):
    with pytest.raises(ValueError, match="the element Cu is not in this model"):
        check_model(linear, [random_crystal(["Cu"])])
