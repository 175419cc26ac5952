"""Muon: its steps are orthogonal, of one size, and all matrices of a model take them."""

from __future__ import annotations

import math

import pytest
import torch

from acnn.basis.specification import BasisSpecification
from acnn.models.linear import LinearACE
from acnn.models.network import NetworkACE
from acnn.models.network_specification import NetworkSpecification
from acnn.train.muon import MOMENTUM, PACE, Inputs, Muon, inputs_of, orthogonalized, orthogonalized_all

AXES = [(1,), (0,), (0, 1), (2, 0)]


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 7)])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_singular_values_become_about_one_and_vectors_stay(shape: tuple[int, int], size: float) -> None:
    matrix = size * random(*shape)
    left, singular, right = torch.linalg.svd(matrix, full_matrices=False)
    assert singular[-1] > 0.01 * singular.norm()
    inside = left.T @ orthogonalized(matrix[None])[0] @ right.T
    diagonal = torch.diagonal(inside)
    assert torch.allclose(inside, torch.diag(diagonal), atol=1e-9)
    assert 0.68 < diagonal.min() <= diagonal.max() < 1.21


def test_steps_of_the_smallest_gradients_are_those_of_larger_ones() -> None:
    """Squares of their elements underflow; powers of two change no bit."""
    matrix = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0))
    for exponent in (-60, -100, 40):
        assert torch.equal(orthogonalized(torch.ldexp(matrix, torch.tensor(exponent))), orthogonalized(matrix))


def test_what_hardly_changes_stays_behind() -> None:
    """A direction with a thousandth of the gradient or less, such as of a pair of elements seen long ago, is not blown
    up to the size of the others."""
    found = torch.diagonal(orthogonalized(torch.diag(torch.tensor([1.0, 1e-3, 1e-6, 0.0]))[None])[0])
    assert found.tolist() == pytest.approx([0.7, 0.47, 5e-4, 0.0], rel=0.1)
    assert not orthogonalized(torch.zeros(1, 2, 3)).any()


def test_matrices_of_one_shape_are_taken_together_and_come_back_in_order() -> None:
    matrices = [random(3, 4), random(4, 3), 2 * random(3, 4) + 1]
    for matrix, found in zip(matrices, orthogonalized_all(matrices), strict=True):
        assert torch.allclose(found, orthogonalized(matrix[None])[0], atol=1e-13)


@pytest.mark.parametrize("axes", AXES)
def test_inputs_are_rows_and_the_way_back_is_exact(axes: tuple[int, ...]) -> None:
    tensor, inputs = random(2, 3, 4), Inputs(axes)
    matrix = inputs.matrix(tensor)
    assert matrix.shape == (math.prod(tensor.shape[axis] for axis in axes), matrix.shape[1])
    assert torch.equal(inputs.tensor(matrix, tensor), tensor)


@pytest.mark.parametrize("elements", [("C", "H"), ("C", "H", "N", "O", "S")])
def test_all_but_biases_and_factors_are_matrices(elements: tuple[str, ...]) -> None:
    s = NetworkSpecification(elements=elements, channels=3, heads=5, l_max=2, radial_functions=4, hidden=(7, 6))
    basis = BasisSpecification(elements=elements, order=1, degree=1, cutoff=5.0)
    parameters = dict(NetworkACE(s, LinearACE(basis, dict.fromkeys(elements, 0.0))).named_parameters())
    inputs = {name: inputs_of(name, p) for name, p in parameters.items() if p.requires_grad}
    shapes = {name: tuple(of.matrix(parameters[name]).shape) for name, of in inputs.items() if of is not None}
    kinds, nets = (4, 2) if len(elements) == 2 else (4, 1)  # pairs or element channels, readouts
    n = parameters["readout.skip"].shape[-1]
    assert shapes == {
        "embedding.first.coefficients": (4 * kinds, 3 * 3),
        "embedding.layers.0.radial.coefficients": (4 * kinds, 3 * 3),
        "embedding.layers.0.distance.coefficients": (4 * kinds, 5),
        "embedding.layers.0.direction": (3 * 6, 5),
        "embedding.layers.0.values": (5, 3 * 3),
        "embedding.layers.0.couplings": (parameters["embedding.layers.0.couplings"].shape[0], 3),
        "readout.weights.0": (n, nets * 7),
        "readout.weights.1": (7, nets * 6),
    }
    rest = {name.rsplit(".", 1)[-1] for name in inputs.keys() - shapes.keys()}
    assert rest <= {"coefficients", "neighbor", "center", "skip", "out", "0", "1"}
    assert {name for name in inputs if name.endswith("coefficients")} - shapes.keys() == {
        "embedding.layers.0.bias.coefficients"
    }


def test_steps_are_those_of_the_formula_whatever_the_size_of_the_gradient() -> None:
    for size in (1.0, 1e4):
        parameter = torch.nn.Parameter(random(2, 3, 4))
        before, rate, decay, momentum = parameter.detach().clone(), 0.02, 0.5, torch.zeros(3, 8, dtype=torch.float64)
        muon = Muon([{"params": [parameter], "inputs": [Inputs((1,))], "weight_decay": decay}], lr=rate)
        expected = before
        for k in range(3):
            parameter.grad = size * (random(2, 3, 4) + k)
            muon.step()
            gradient = parameter.grad.permute(1, 0, 2).reshape(3, 8)
            momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
            step = orthogonalized((MOMENTUM * momentum + (1 - MOMENTUM) * gradient)[None])[0]
            step = step.reshape(3, 2, 4).permute(1, 0, 2)
            expected = (1 - rate * decay) * expected - PACE * rate * math.sqrt(8) * step
            assert torch.allclose(parameter, expected, atol=1e-12)
            assert step.square().mean().sqrt() * math.sqrt(8) == pytest.approx(1, abs=0.25)
