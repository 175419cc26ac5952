"""Active sets: the sites of the training data that span the features of all others (MaxVol), and grades by them.

    γ_i = max_k |(f_i A⁻¹)_k|        A: the features of the active sites of the element of i, row by row

The volume |det A| of the active set is the largest up to a tolerance, so γ is about 1 or less for the sites it was
chosen from, and says how far others lie outside: Podryabinkin and Shapeev, Comput. Mater. Sci. 140, 171 (2017); for the
atomic cluster expansion Lysogorskiy et al., Phys. Rev. Mater. 7, 043801 (2023). As there, γ above 1 is extrapolation,
above 10 usually unreliable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class ActiveSet(nn.Module):
    """The inverse A⁻¹ of the active set of every element.

    Args:
        inverses: [k_z, k_z] each, in the order of the model's elements; k_z = 0 for an element without training sites,
            whose grades are infinite.
    """

    PREFIX = "active_set."

    def __init__(self, inverses: Sequence[Tensor]) -> None:
        super().__init__()
        self.n_elements = len(inverses)
        for z, inverse in enumerate(inverses):
            if inverse.ndim != 2 or inverse.shape[0] != inverse.shape[1]:
                raise ValueError(f"an active set must be a square matrix, not {tuple(inverse.shape)}")
            self.register_buffer(f"inverse_{z}", inverse.detach().double().clone())

    @property
    def inverses(self) -> list[Tensor]:
        """A⁻¹ of every element."""
        return [getattr(self, f"inverse_{z}") for z in range(self.n_elements)]

    def grades(self, values: Tensor, z: int) -> Tensor:
        """Return γ of sites of element z from their features in its columns [n, k_z]."""
        inverse = self.inverses[z]
        if inverse.shape[0] != values.shape[1]:
            return values.new_full((len(values),), torch.inf, dtype=torch.float64)
        return (
            (values.double() @ inverse).abs().amax(dim=1) if values.shape[1] else values.new_zeros(len(values)).double()
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return the matrices by their names in a model file."""
        return {f"{self.PREFIX}{z}": inverse for z, inverse in enumerate(self.inverses)}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], n_elements: int) -> ActiveSet | None:
        """Make it from `tensors`; None if there are none."""
        named = [tensors.get(f"{cls.PREFIX}{z}") for z in range(n_elements)]
        found = [inverse for inverse in named if inverse is not None]
        if found and len(found) < n_elements:
            raise ValueError(f"{len(found)} active sets for {n_elements} elements")
        return cls(found) if found else None
