"""Readout: a network from standardized invariants to an energy that vanishes without neighbors.

x     = (D - mean_z) / deviation_z
f_z   = scale · [skip_z · x + out_z · h] ,   h = g(W2 g(W1 x + b1) + b2) … ,   g(t) = ½ t (1 + t / √(1 + t²))
e_i   = f_z(D_i) - f_z(0)

A network is arbitrary where there are no data, and energies of some atoms fall by tens of eV there. The range of its
energies in the training data, low … high for each element, therefore gives a lower bound: below low its energies level
off (`bounded`), and the linear part, which is restrained there, dominates.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from acnn.models.embedding import algebraic_sigmoid
from acnn.models.network_specification import NetworkSpecification

FEWEST_CENTERS = 10
"""Centers of an element needed to determine the mean and deviation of its invariants."""


def gated(t: Tensor) -> Tensor:
    """Return g(t) = ½ t (1 + σ(t)): 0 far below zero, t far above, smooth."""
    return 0.5 * t * (1 + algebraic_sigmoid(t))


class Readout(nn.Module):
    """Energies from invariants, by one network per element, or one for all with separate biases and outputs for each.

    Attributes:
        bounds: low and high of each element, eV [n_elements, 2]; infinite until they are known.
        mean, inverse_deviation: standardization [n_elements, n_invariants], see `standardize`.
        scale: one unit of output, eV.
    """

    mean: Tensor
    inverse_deviation: Tensor
    scale: Tensor
    bounds: Tensor

    def __init__(self, specification: NetworkSpecification, n_invariants: int) -> None:
        super().__init__()
        self.n_elements, self.shared = len(specification.elements), specification.shares_readout
        widths = (n_invariants, *specification.hidden)
        matrices = 1 if self.shared else self.n_elements
        self.weights = nn.ParameterList(
            [_normal(matrices, a, b, deviation=1 / math.sqrt(a)) for a, b in itertools.pairwise(widths)]
        )
        self.biases = nn.ParameterList([_normal(self.n_elements, b, deviation=0.1) for b in specification.hidden])
        self.skip = nn.Parameter(torch.zeros(matrices, n_invariants, dtype=torch.float64))
        self.out = _normal(self.n_elements, widths[-1], deviation=1 / math.sqrt(widths[-1]))
        ones = torch.ones(self.n_elements, n_invariants, dtype=torch.float64)
        self.register_buffer("mean", torch.zeros_like(ones))
        self.register_buffer("inverse_deviation", ones)
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("bounds", unbounded(self.n_elements))

    def standardize(self, invariants: Tensor, element: Tensor, scale: float) -> None:
        """Set mean and deviation from invariants [n_centers, n_invariants] of centers of these elements.

        An element with few centers uses all centers. The deviation of an invariant is taken to be at least 1 % of its
        mean, so that a new environment does not give extreme numbers where the data hardly vary.
        """
        for z in range(self.n_elements):
            own = invariants[element == z]
            own = invariants if self.shared or len(own) < FEWEST_CENTERS else own
            if len(own) > 1:
                self.mean[z] = own.mean(dim=0)
                least = (0.01 * self.mean[z].abs()).clamp(min=1e-3 * float(own.std()) + 1e-12)
                self.inverse_deviation[z] = 1 / torch.maximum(own.std(dim=0), least)
        self.scale.fill_(scale)

    def forward(self, invariants: Tensor, element: Tensor) -> Tensor:
        """Return e [n_centers] in eV, in the dtype of the invariants.

        Args:
            element: element index of every center [n_centers].
        """
        energies = torch.zeros_like(invariants[:, 0])
        for z in range(self.n_elements):
            centers = torch.nonzero(element == z)[:, 0] if self.n_elements > 1 else None
            own = invariants if centers is None else invariants[centers]
            if len(own) == 0:
                continue
            values = self._energies(own, z)
            energies = values if centers is None else energies.index_add(0, centers, values)
        return energies

    def bounded(self, energies: Tensor, element: Tensor) -> Tensor:
        """Apply the lower bounds to energies [n_centers].

        Energies above low are unchanged; below, they become low - d / √(1 + d²/w²) with d = low - e, which is C² and
        falls by at most w = ½ (high - low).
        """
        low, high = self.bounds[element].to(energies.dtype).T
        below = (low - energies).clamp(min=0)
        return energies + below - below / torch.sqrt(1 + (2 * below / (high - low)) ** 2)

    def layers(self, z: int) -> tuple[list[tuple[Tensor, Tensor]], Tensor, Tensor]:
        """Return, for element z, weights and biases of the hidden layers, output weights, and skip weights.

        They include standardization and scale: f_z(D) = skip · D + out · h + a constant.
        """
        matrix = 0 if self.shared else z
        scaled = self.inverse_deviation[z].to(self.skip.dtype)
        first = scaled[:, None] * self.weights[0][matrix]
        bias = self.biases[0][z] - self.mean[z].to(self.skip.dtype) @ first
        rest = [(w[matrix], b[z]) for w, b in zip(self.weights[1:], self.biases[1:], strict=True)]
        scale = self.scale.to(self.skip.dtype)
        return [(first, bias), *rest], scale * self.out[z], scale * scaled * self.skip[matrix]

    def last_layers(self, invariants: Tensor, element: Tensor) -> Tensor:
        """Return the factors of `out`: those of element z in n columns from z n, 0 in others [n_centers, n_elements n].

        f_z(D) - f_z(0) = skip · D + out · (h(D) - h(0)), and this is the difference of h.
        """
        n = self.out.shape[1]
        values = invariants.new_zeros(len(invariants), self.n_elements * n)
        for z in range(self.n_elements):
            centers = torch.nonzero(element == z)[:, 0]
            own = torch.nn.functional.pad(
                last_layer(invariants[centers], self.layers(z)[0]), (z * n, (self.n_elements - 1 - z) * n)
            )
            values = values.index_add(0, centers, own)
        return values

    def _energies(self, invariants: Tensor, z: int) -> Tensor:
        """Return f_z(D) - f_z(0)."""
        dtype = invariants.dtype
        hidden, out, skip = self.layers(z)
        return invariants @ skip.to(dtype) + last_layer(invariants, hidden) @ out.to(dtype)


def last_layer(invariants: Tensor, hidden: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return h [n_centers, n] of the last hidden layer, minus its value for invariants 0."""
    dtype = invariants.dtype
    (weight, bias), rest = hidden[0], hidden[1:]
    h, at_zero = torch.addmm(bias.to(dtype), invariants, weight.to(dtype)), bias.to(dtype)[None]
    for weight, bias in rest:
        h, at_zero = (torch.addmm(bias.to(dtype), gated(t), weight.to(dtype)) for t in (h, at_zero))
    return gated(h) - gated(at_zero)


def unbounded(n_elements: int) -> Tensor:
    """Return infinite bounds [n_elements, 2]."""
    return torch.tensor([[-math.inf, math.inf]], dtype=torch.float64).repeat(n_elements, 1)


def _normal(*shape: int, deviation: float) -> nn.Parameter:
    return nn.Parameter(deviation * torch.randn(*shape, dtype=torch.float64))
