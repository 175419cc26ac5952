"""A program of several members is that many models: every instruction set, both precisions, threads, chunks."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acnn.basis.ace import UnsupportedElementError
from acnn.graph import batch
from acnn.kernels import committee
from acnn.kernels.committee import MembersKernel, compile_members
from acnn.kernels.loading import instruction_sets
from acnn.kernels.program import Program
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph
from acnn.testing import example_structures, random_model

if not instruction_sets():
    pytest.skip("acnn was installed without its compiled kernel", allow_module_level=True)

ENERGY_ACCURACY = 1e-12  # of the largest site energy
GRADIENT_ACCURACY = 1e-10  # of the largest pair gradient
SINGLE_ACCURACY = 1e-5  # in float32, of both
SMALLEST_SCALE = 1e-3  # eV, eV/Å

quick = settings(max_examples=30, suppress_health_check=list(HealthCheck))


def samples(model, n, seed=0):
    """Members like the model; the last one has hardly any function."""
    factors = np.random.default_rng(seed).normal(size=(n, model.basis.n_functions))
    factors[-1] *= np.arange(model.basis.n_functions) % 7 == 0
    return model.coefficients.numpy() * factors


def alone(model, coefficients):
    return LinearACE(model.basis, dict.fromkeys(model.elements, 0.0), torch.as_tensor(coefficients))


def scale_of(model, graph, coefficients):
    """Σ_k |c_k B_k| where it is largest: what has the digits, even where the sum cancels."""
    terms = (model.basis(graph) * torch.as_tensor(coefficients)[:, None]).abs().sum(dim=0)
    return max(SMALLEST_SCALE, float(terms.max()) if terms.numel() else 0.0)


def assert_members(model, graph, coefficients, isas=None, single=True):
    program = compile_members(model.basis, coefficients)
    expected = [alone(model, c).pair_gradients(graph, "torch") for c in coefficients]
    scales = [scale_of(model, graph, c) for c in coefficients]
    for isa in isas or instruction_sets():
        kernel = MembersKernel(program, isa, threads=1)
        for dtype, accuracies in (
            (torch.float64, (ENERGY_ACCURACY, GRADIENT_ACCURACY)),
            (torch.float32, (SINGLE_ACCURACY,) * 2),
        ):
            if dtype == torch.float32 and not single:
                continue
            own = graph.to(dtype=dtype)
            alone_energies = kernel.energies(own)
            energies, gradients = kernel.gradients(own)
            assert gradients.dtype == dtype
            for k, (one, scale) in enumerate(zip(expected, scales, strict=True)):
                size = max(scale, float(one.pair_gradients.abs().max())) if graph.n_pairs else 1.0
                close = {"rtol": 0, "atol": accuracies[0] * scale}
                torch.testing.assert_close(energies[k], one.site_energies, **close)
                torch.testing.assert_close(alone_energies[k], one.site_energies, **close)
                close["atol"] = accuracies[1] * size
                torch.testing.assert_close(gradients[k].double(), one.pair_gradients, **close)


@quick
@given(data=st.data())
def test_members_are_models(cases, data):
    model, graph = data.draw(cases)
    model = LinearACE(model.basis, model.e0.energies, model.coefficients)
    assert_members(model, graph, samples(model, data.draw(st.sampled_from([1, 3, 9]))), instruction_sets()[:1])


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_every_order_and_instruction_set(model_of, star_of, order):
    degrees = {1: 8.0, 2: 7.0, 3: 6.0, 4: 6.0, 5: 6.5}
    model = model_of(order=order, degree=degrees[order], pair_cutoff=5.5)
    assert_members(model, star_of(model.elements, [7, 30, 0, 12] * 20, 2, 4.5, seed=order), samples(model, 9))


def test_members_without_functions(model_of, star_of):
    model = model_of()
    assert_members(model, star_of(model.elements, [5, 9], 0, 4.5, seed=1), np.zeros((2, model.basis.n_functions)))


def test_no_pairs_and_no_atoms(model_of, star_of):
    model = model_of()
    kernel = MembersKernel(compile_members(model.basis, samples(model, 3)))
    for counts in ([0, 0], []):
        graph = star_of(model.elements, counts, 0, 4.5, seed=1)
        energies, gradients = kernel.gradients(graph)
        assert energies.shape == (3, len(counts))
        assert not energies.any()
        assert gradients.shape == (3, 0, 3)


def test_results_do_not_depend_on_threads(model_of, star_of):
    model = model_of()
    graph = star_of(model.elements, [11, 4, 23] * 40, 3, 4.5, seed=3)
    program = compile_members(model.basis, samples(model, 5))
    one, three = (MembersKernel(program, threads=n).gradients(graph) for n in (1, 3))
    assert torch.equal(one[0], three[0])
    assert torch.equal(one[1], three[1])


@pytest.mark.parametrize("chunk_bytes", [2**27, 20_000])
def test_sums_are_those_of_every_member(monkeypatch, chunk_bytes):
    monkeypatch.setattr(committee, "MAX_GRADIENT_BYTES", chunk_bytes)
    model = random_model(["Si", "C"])
    graph = batch([atomic_graph(atoms, model.cutoff) for atoms in example_structures().values()])
    coefficients = samples(model, 3)
    energies, forces, virials = MembersKernel(compile_members(model.basis, coefficients)).sums(graph)
    for k, c in enumerate(coefficients):
        one = alone(model, c).pair_gradients(graph, "torch")
        for found, expected in ((energies, one.site_energies), (forces, one.forces), (virials, one.virials)):
            atol = GRADIENT_ACCURACY * max(1.0, float(expected.abs().max()))
            torch.testing.assert_close(found[k], expected, rtol=0, atol=atol)


def test_programs_and_kernels_can_be_stored(model_of, star_of):
    model = model_of()
    graph = star_of(model.elements, [8, 3], 0, 4.5, seed=2)
    kernel = MembersKernel(compile_members(model.basis, samples(model, 2)))
    again = MembersKernel(Program.from_bytes(kernel.program.to_bytes()))
    assert torch.equal(kernel.energies(graph), again.energies(graph))
    assert torch.equal(kernel.energies(graph), pickle.loads(pickle.dumps(kernel)).energies(graph))


def test_a_program_of_another_kind_is_refused(model_of):
    with pytest.raises(ValueError, match="kind members is needed, as made by compile_members"):
        MembersKernel(model_of().program())


def test_an_unknown_element_is_named(model_of, star_of):
    model = model_of()
    kernel = MembersKernel(compile_members(model.basis, samples(model, 2)))
    with pytest.raises(UnsupportedElementError, match="Si"):
        kernel.energies(star_of(("Si",), [3], 0, 4.5, seed=1))
