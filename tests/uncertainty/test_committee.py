"""The spread of a committee: of equal members, of one, of models one by one, of many samples of a posterior."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from ase.build import bulk
from safetensors.torch import load, save

import acnn
from acnn.data.dataset import LabeledStructure
from acnn.graph import batch
from acnn.io.model_file import ModelFileError, load_model, model_to_bytes, read_header, save_model
from acnn.kernels.loading import instruction_sets
from acnn.models.noise import Noise
from acnn.neighbors import atomic_graph
from acnn.sealed import sealed, unsealed
from acnn.testing import example_structures, random_model, with_random_committee, with_zbl
from acnn.uncertainty import committee_deviations, spread
from acnn.uncertainty.committee import predictive_std

ENERGY_ACCURACY = 1e-10  # of the energy
GRADIENT_ACCURACY = 1e-9  # of the largest force or virial
SINGLE_ACCURACY = 1e-4

KERNELS = ["torch", *(["cpu"] if instruction_sets() else [])]
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


@pytest.fixture(scope="module")
def graph():
    model = random_model(["Si", "C"])
    return batch([atomic_graph(atoms, model.cutoff) for atoms in example_structures().values()])


@pytest.fixture
def model():
    model = random_model(["Si", "C"])
    return with_random_committee(with_zbl(model), 5)


@every_kernel
def test_equal_members_do_not_spread(model, graph, kernel):
    model.set_committee(model.coefficients.repeat(3, 1))
    found = committee_deviations(model, graph, kernel)
    for name in ("energy_std", "site_energies_std", "forces_std", "force_norm_std", "virials_std"):
        assert not getattr(found, name).any(), name


@every_kernel
def test_members_are_models_with_their_coefficients(model, graph, kernel):
    mean, found = model.pair_gradients(graph, "torch"), committee_deviations(model, graph, kernel)
    for k in range(5):
        one = model.member(k).pair_gradients(graph, "torch")
        for name, accuracy in (
            ("energies", ENERGY_ACCURACY),
            ("forces", GRADIENT_ACCURACY),
            ("virials", GRADIENT_ACCURACY),
        ):
            expected, deviation = getattr(one, name), getattr(found, name)[k]
            atol = accuracy * float(expected.abs().max())
            torch.testing.assert_close(getattr(mean, name) + deviation, expected, rtol=0, atol=atol)
        site = mean.site_energies + found.site_energies[k]
        torch.testing.assert_close(site, one.site_energies, rtol=0, atol=ENERGY_ACCURACY * float(site.abs().max()))


@every_kernel
def test_energies_alone_are_the_same(model, graph, kernel):
    found, energies = (committee_deviations(model, graph, kernel, forces=forces) for forces in (True, False))
    torch.testing.assert_close(energies.site_energies, found.site_energies, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(energies.energy_std, found.energy_std, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="call committee_deviations"):
        _ = energies.forces_std


@every_kernel
def test_one_member_spreads_by_its_distance(model, graph, kernel):
    with_random_committee(model, 1)
    found = committee_deviations(model, graph, kernel)
    torch.testing.assert_close(found.energy_std, found.energies[0].abs())
    torch.testing.assert_close(found.force_norm_std, found.forces[0].norm(dim=1))


@every_kernel
def test_single_precision(model, graph, kernel):
    found = committee_deviations(model, graph.to(dtype=torch.float32), kernel)
    expected = committee_deviations(model, graph, kernel)
    assert found.forces.dtype == torch.float32
    assert found.site_energies.dtype == torch.float64
    for name in ("energy_std", "forces_std", "virials_std"):
        value, reference = getattr(found, name).double(), getattr(expected, name)
        torch.testing.assert_close(value, reference, rtol=0, atol=SINGLE_ACCURACY * float(reference.abs().max()))


def test_spread_is_about_the_mean_model_and_noise_adds_in_squares():
    deviations = torch.tensor([[3.0, 1.0], [3.0, -1.0]])
    assert spread(deviations).tolist() == [3.0, 1.0]
    assert predictive_std(spread(deviations), 4.0).tolist() == [5.0, pytest.approx(17**0.5)]


def test_noise_is_what_the_weights_say():
    noise = Noise(25.0, acnn.WeightTable.from_mapping({"default": {"E": 10, "F": 2, "V": 0}, "liquid": {"E": 5}}))
    assert noise.energy_std(4) == pytest.approx(2 / (10 * 5))
    assert noise.energy_std(4, "liquid") == pytest.approx(2 / (5 * 5))
    assert noise.forces_std("liquid") == pytest.approx(1 / (2 * 5))
    assert noise.virial_std(9) == float("inf")
    with pytest.raises(ValueError, match="positive number, not 0"):
        Noise(0, acnn.WeightTable())


def test_samples_spread_as_the_posterior_says():
    """The standard deviation of an energy is ‖Fᵀ b‖; that of 2000 samples is within 8 %, five of its own σ."""
    truth, rng, structures = random_model(["Si"], degree=6.0), np.random.default_rng(1), []
    for k in range(12):
        atoms = bulk("Si", cubic=True) if k % 2 else bulk("Si", "fcc", a=4.0, cubic=True)
        atoms.rattle(0.15, seed=k)
        found = truth.pair_gradients(atomic_graph(atoms, truth.cutoff))
        forces = found.forces.numpy() + 0.02 * rng.normal(size=(len(atoms), 3))
        structures.append(
            LabeledStructure(atoms, float(found.energies[0]), forces, None, "default", acnn.Weights(), f"#{k}")
        )
    fit = acnn.fit_linear(
        truth.basis.specification, structures, truth.e0.energies, acnn.BLR(), acnn.AlgebraicPrior(4.0, 1.5)
    )
    fit.model.set_committee(torch.as_tensor(fit.solution.draw(2000, 7)))
    atoms = bulk("Si", cubic=True) * (2, 1, 1)
    atoms.rattle(0.3, seed=5)
    graph = atomic_graph(atoms, truth.cutoff)
    basis = fit.model.basis(graph).sum(dim=1).numpy()
    expected = np.linalg.norm(fit.solution.covariance_factor.T @ basis)
    assert expected > 0
    found = committee_deviations(fit.model, graph, forces=False)
    assert float(found.energy_std[0]) == pytest.approx(expected, rel=0.08)


# --- the committee of a model -----------------------------------------------------------------------------------------


def test_a_model_without_committee_says_what_to_do(graph):
    with pytest.raises(ValueError, match="acnn fit --committee 16"):
        committee_deviations(random_model(["Si", "C"]), graph)


@pytest.mark.parametrize("shape", [(3,), (0, 4), (2, 3)])
def test_a_committee_of_another_shape_is_refused(model, shape):
    with pytest.raises(ValueError, match=f"of {model.basis.n_functions} coefficients, not"):
        model.set_committee(torch.zeros(shape))


@every_kernel
def test_a_changed_committee_is_noticed(model, graph, kernel):
    before = committee_deviations(model, graph, kernel)
    with torch.no_grad():
        model.committee[2] += 0.1
    after = committee_deviations(model, graph, kernel)
    assert torch.equal(before.energies[1], after.energies[1])
    assert not torch.equal(before.energies[2], after.energies[2])


def test_the_committee_is_stored_with_the_model(model, tmp_path):
    model.noise = Noise(12.5, acnn.WeightTable.from_mapping({"default": {"E": 3}, "liquid": {"V": 0}}))
    save_model(model, tmp_path / "m.acnn")
    again = load_model(tmp_path / "m.acnn")
    assert torch.equal(again.committee, model.committee)
    assert again.noise.precision == 12.5
    assert again.noise.energy_std(1, "liquid") == model.noise.energy_std(1, "liquid")
    assert read_header(tmp_path / "m.acnn")["format_version"] == 1
    model.set_committee(None)
    model.noise = None
    save_model(model, tmp_path / "none.acnn")
    assert load_model(tmp_path / "none.acnn").committee is None
    assert "noise" not in read_header(tmp_path / "none.acnn")


def test_a_damaged_committee_is_told(model, tmp_path):
    header, tensors = unsealed(load, model_to_bytes(model), "acnn")
    parts = sealed(save, tensors | {"committee": torch.zeros(2, 3)}, "acnn", header)
    (tmp_path / "bad.acnn").write_bytes(b"".join(parts))
    with pytest.raises(ModelFileError, match="a committee must be rows"):
        load_model(tmp_path / "bad.acnn")


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_have_the_committee(model, graph, duplicate):
    expected = committee_deviations(model, graph, forces=False)
    again = duplicate(model)
    assert torch.equal(committee_deviations(again, graph, forces=False).energies, expected.energies)
    again.committee.zero_()
    assert torch.equal(committee_deviations(model, graph, forces=False).energies, expected.energies)


def test_the_committee_follows_the_dtype(model):
    assert model.to(torch.float32).committee.dtype == torch.float32
