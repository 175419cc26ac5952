"""What a network or attention model is made of."""

from __future__ import annotations

import math

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from acnn.basis.radial import bond_length

INDEPENDENT_ELEMENTS = 4
"""Up to so many elements every pair of them has radial functions of its own, and every element its fitting network,
unless `NetworkSpecification.element_channels` says otherwise."""


class NetworkSpecification(BaseModel):
    """A complete description of a network or attention model; its weights are not part of it.

    Attributes:
        elements: chemical symbols, by ascending atomic number.
        cutoff: r_cut in Å.
        channels: learnable radial functions per degree, C.
        l_max: largest degree of the spherical harmonics, L.
        radial_functions: polynomials that the learnable radial functions are made of, N.
        smoothness: exponent s of the prior of radial functions (`acnn.models.embedding`): the larger, the more slowly
            is learned what varies fast with distance or direction; 0: all at one pace.
        order: of the invariants, 2 or 3 (products of a channel with itself).
        layers: attention layers; 0 is the plain network.
        heads: attention weights per neighbor and attention layer, H.
        products: whether attention sees products of two densities in the direction of a neighbor, besides the density.
        hidden: widths of the fitting network.
        element_channels: embedding of elements: radial functions of neighbor element z are mixtures of so many; 0
            gives every pair of elements its own; None means 0 for up to four elements, and 4 beyond. With an embedding
            one fitting network serves all elements.
        inner_cutoffs: r_in in Å by pair of elements such as "H-O": the network sees closer pairs as if they were there
            (`acnn.basis.radial.seen_distance`); pairs that are not named have none. `acnn train` takes the shortest
            distances of the data.
        bond_lengths: r0 in Å by element, for the distance transform; the default is that of `BasisSpecification`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    elements: tuple[str, ...]
    cutoff: float = Field(5.0, gt=0, allow_inf_nan=False)
    channels: int = Field(12, ge=1, le=64)
    l_max: int = Field(3, ge=0, le=6)
    radial_functions: int = Field(10, ge=1, le=32)
    smoothness: float = Field(1.0, ge=0, le=4)
    order: int = Field(3, ge=2, le=3)
    layers: int = Field(1, ge=0, le=4)
    heads: int = Field(16, ge=1, le=64)
    products: bool = True
    hidden: tuple[int, ...] = Field((64, 64), min_length=1)
    element_channels: int | None = Field(None, ge=0)
    inner_cutoffs: dict[str, float] = {}
    bond_lengths: dict[str, float] = {}

    @field_validator("elements")
    @classmethod
    def _known_elements(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [e for e in elements if atomic_numbers.get(e, 0) == 0]
        if unknown or not elements:
            raise ValueError(f"elements must be chemical symbols, not {unknown or 'an empty list'}")
        return tuple(sorted(set(elements), key=lambda e: atomic_numbers[e]))

    @field_validator("hidden")
    @classmethod
    def _positive_widths(cls, hidden: tuple[int, ...]) -> tuple[int, ...]:
        if any(width < 1 for width in hidden):
            raise ValueError(f"widths of hidden layers are positive, not {hidden}")
        return hidden

    @model_validator(mode="after")
    def _bond_lengths_of_elements(self) -> NetworkSpecification:
        for element, length in self.bond_lengths.items():
            if (self.elements and element not in self.elements) or not 0 < length < math.inf:
                raise ValueError(f"bond_lengths {element!r}: {length}: an element of the model, a positive number of Å")
        return self

    @model_validator(mode="after")
    def _inner_cutoffs_of_pairs(self) -> NetworkSpecification:
        for name, length in self.inner_cutoffs.items():
            pair = name.split("-")
            if (
                len(pair) != 2
                or (self.elements and not set(pair) <= set(self.elements))
                or not 0 < length < self.cutoff
            ):
                raise ValueError(
                    f"inner_cutoffs {name!r}: {length}: a pair such as 'H-O', above 0 Å and below the cutoff"
                )
        return self

    @property
    def mixed_elements(self) -> int | None:
        """How many element channels there are; None where every pair of elements has its own functions."""
        if self.element_channels is None and len(self.elements) > INDEPENDENT_ELEMENTS:
            return INDEPENDENT_ELEMENTS
        return self.element_channels or None

    @property
    def shares_fitting(self) -> bool:
        """Whether one fitting network with an embedding of the center's element serves all elements."""
        return self.mixed_elements is not None

    def inner_cutoff_matrix(self) -> list[list[float]]:
        """r_in in Å [n_elements, n_elements], 0 where there is none."""

        def of(a: str, b: str) -> float:
            return self.inner_cutoffs.get(f"{a}-{b}", self.inner_cutoffs.get(f"{b}-{a}", 0.0))

        return [[of(a, b) for b in self.elements] for a in self.elements]

    def bond_length_matrix(self) -> list[list[float]]:
        """r0 in Å [n_elements, n_elements]; that of a mixed pair is the mean."""
        own = [self.bond_lengths.get(e, bond_length(e)) for e in self.elements]
        return [[(a + b) / 2 for b in own] for a in own]
