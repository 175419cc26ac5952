"""Features: the quantities that site energies are linear in, and their gradient products.

    e_i = rest_i + Σ_k f_ik c_k          the rest does not depend on c

In a linear model f_i is the ACE basis vector B_i, in a network its last hidden layer. Quantities that follow from these
features alone, or from comparing them with those of the training data, need nothing else from the model: extrapolation
grades, the leverage of a site, committees of coefficients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from acnn.basis.ace import ACEBasis
from acnn.graph import AtomicGraph, subgraph
from acnn.potential import PairGradients, Potential, values_and_gradients


@dataclass(frozen=True)
class SiteFeatures:
    """Features of the centers of a graph.

    Attributes:
        graph: the graph they belong to.
        values: f_ik [n_centers, n_features] in the dtype of the graph; 0 in the columns of other elements.
        coefficients: c_k of the model in eV [n_features], float64.
        columns: the columns of the sites of each element, ascending; elements may share some.
        vjp: maps w [n_centers, n_features] to Σ_k w_ik ∂f_ik/∂r_ij [n_pairs, 3]; `weighted` checks its argument.
    """

    graph: AtomicGraph
    values: Tensor
    coefficients: Tensor
    columns: tuple[Tensor, ...]
    vjp: Callable[[Tensor], Tensor]

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.values.shape[1])

    def weighted(self, weights: Tensor) -> PairGradients:
        """Evaluate E = Σ_ik w_ik f_ik as an energy, with weights that do not depend on positions.

        Args:
            weights: w [n_centers, n_features], or [n_features] for all centers alike, in eV.

        Returns:
            Site energies Σ_k w_ik f_ik in eV and pair gradients Σ_k w_ik ∂f_ik/∂r_ij in eV/Å. Its ``forces``
            [n_atoms, 3] therefore are -Σ_ik w_ik ∂f_ik/∂R, its ``virials`` -∂E/∂ε; with the model's coefficients as
            weights they are those of the model less those of the rest.

        Raises:
            ValueError: the weights have another shape.
        """
        if weights.shape not in (self.values.shape, self.values.shape[1:]):
            raise ValueError(
                f"weights must be {len(self.values)} rows of {self.n_features}, or one, not {tuple(weights.shape)}"
            )
        weights = weights.detach().to(self.values.device).expand(self.values.shape)
        energies = (weights.double() * self.values.double()).sum(dim=1)
        return PairGradients(self.graph, energies, self.vjp(weights.to(self.values.dtype)))


def features_by_torch(
    graph: AtomicGraph, function: Callable[[AtomicGraph], Tensor], coefficients: Tensor, columns: Sequence[Tensor]
) -> SiteFeatures:
    """Evaluate features, a function of a graph [n_centers, n_features], with torch, in chunks of centers.

    Args:
        function: differentiable with respect to the vectors of its graph.
        coefficients, columns: see `SiteFeatures`.
    """
    chunks = list(graph.center_chunks(Potential.max_pairs_per_chunk, Potential.max_centers_per_chunk))
    values = graph.pair_vectors.new_zeros(graph.n_centers, len(coefficients))
    with torch.no_grad():
        for centers, pairs in chunks:
            values[centers] = function(subgraph(graph, centers, pairs))

    def vjp(weights: Tensor) -> Tensor:
        gradients = torch.zeros_like(graph.pair_vectors)
        for centers, pairs in chunks:
            _, gradients[pairs] = values_and_gradients(function, subgraph(graph, centers, pairs), weights[centers])
        return gradients

    return SiteFeatures(graph, values, coefficients, tuple(columns), vjp)


def columns_by_element(basis: ACEBasis) -> tuple[Tensor, ...]:
    """Return the columns of a basis for sites of each element: its many-body functions, and those of its pairs."""
    pairs = basis.pair_columns.items()
    slices = [[block.columns, *(c for pair, c in pairs if z in pair)] for z, block in enumerate(basis.by_element)]
    numbers = torch.arange(basis.n_functions, device=basis.numbers.device)
    return tuple(torch.cat([numbers[c] for c in of_element]) for of_element in slices)


def side_by_side(parts: Sequence[SiteFeatures]) -> SiteFeatures:
    """Concatenate the features of several models of the same elements, whose energies add up."""
    sizes = [part.n_features for part in parts]
    starts = [sum(sizes[:k]) for k in range(len(parts))]
    columns = zip(*([c + start for c in part.columns] for part, start in zip(parts, starts, strict=True)), strict=True)

    def vjp(weights: Tensor) -> Tensor:
        shares = weights.split(sizes, dim=1)
        return torch.stack([part.vjp(share) for part, share in zip(parts, shares, strict=True)]).sum(dim=0)

    return SiteFeatures(
        parts[0].graph,
        torch.cat([part.values for part in parts], dim=1),
        torch.cat([part.coefficients for part in parts]),
        tuple(torch.cat(of_element) for of_element in columns),
        vjp,
    )
