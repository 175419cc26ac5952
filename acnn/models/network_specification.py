"""The specification of network and attention models."""

from __future__ import annotations

from typing import Annotated

from ase.data import atomic_numbers
from pydantic import Field, model_validator

from acnn.basis.radial import bond_length
from acnn.basis.specification import BondLength, Cutoff, Elements
from acnn.strict import Strict, shown

INDEPENDENT_ELEMENTS = 4
"""Up to this many elements, every pair of them has its own radial functions and every element its own readout, unless
`NetworkSpecification.element_channels` is set."""


class NetworkSpecification(Strict):
    """A complete description of a network or attention model; its weights are not part of it."""

    elements: Elements = Field(description="Chemical symbols.", json_schema_extra=shown("those of the data"))
    cutoff: Cutoff = Field(6.0, description="Cutoff radius in Å.", json_schema_extra=shown("6; molecules 7"))
    channels: int = Field(
        16,
        ge=1,
        le=64,
        description="Learnable radial functions per degree, C.",
        json_schema_extra=shown("16; molecules 24"),
    )
    l_max: int = Field(4, ge=0, le=6, description="Largest degree of the spherical harmonics, L.")
    radial_functions: int = Field(
        8, ge=1, le=32, description="Polynomials that the learnable radial functions are made of, N."
    )
    smoothness: float = Field(
        1.0,
        ge=0,
        le=4,
        description="Exponent of the prior of radial functions: the larger it is, the more slowly functions are "
        "learned that vary quickly with distance or direction; 0: all at the same pace.",
    )
    order: int = Field(
        3, ge=2, le=3, description="Order of the invariants, 2 or 3 (products of a channel with itself)."
    )
    layers: int = Field(
        1,
        ge=0,
        le=4,
        description="Attention layers; the plain network (type: network) has none.",
        json_schema_extra=shown("1; molecules 2"),
    )
    heads: int = Field(
        24,
        ge=1,
        le=64,
        description="Attention weights per neighbor and attention layer, H.",
        json_schema_extra=shown("24; molecules 32"),
    )
    products: bool = Field(
        True,
        description="Whether attention sees products of two densities in the direction of a neighbor, in addition to "
        "the density.",
    )
    hidden: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        (64, 64),
        min_length=1,
        max_length=8,
        description="Widths of the hidden layers of the readout.",
        json_schema_extra=shown("[64, 64]; molecules [16]"),
    )
    element_channels: int | None = Field(
        None,
        ge=0,
        le=118,
        description="Number of channels that radial functions of neighbor elements are mixtures of, with one readout "
        "for all elements; 0: every pair of elements has its own radial functions.",
        json_schema_extra=shown("0 for up to four elements, and 4 beyond"),
    )
    inner_cutoffs: dict[str, Annotated[float, Field(gt=0, le=50)]] = Field(
        {},
        description="r_in in Å by pair of elements, {H-O: 0.8}: the network sees closer pairs as if they were at r_in; "
        "{}: none.",
        json_schema_extra=shown("the shortest distances of the training data"),
    )
    bond_lengths: dict[str, BondLength] = Field(
        {},
        description="r0 in Å of the transform of distances, by element, {H: 1.2}.",
        json_schema_extra=shown("bond lengths, at least 0.35 × cutoff; molecules 1.75"),
    )

    @model_validator(mode="after")
    def _bond_lengths_of_elements(self) -> NetworkSpecification:
        for element, length in self.bond_lengths.items():
            if element not in (self.elements or atomic_numbers):
                raise ValueError(f"bond_lengths {element!r}: {length}: the key must be an element of the model")
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
                    f"inner_cutoffs {name!r}: {length}: give a pair such as 'H-O', above 0 Å and below the cutoff"
                )
        return self

    @property
    def mixed_elements(self) -> int | None:
        """Number of element channels; None if every pair of elements has its own functions."""
        if self.element_channels is None and len(self.elements) > INDEPENDENT_ELEMENTS:
            return INDEPENDENT_ELEMENTS
        return self.element_channels or None

    @property
    def shares_readout(self) -> bool:
        """Whether one readout with an embedding of the center's element serves all elements."""
        return self.mixed_elements is not None

    def inner_cutoff_matrix(self) -> list[list[float]]:
        """Return r_in in Å [n_elements, n_elements], 0 where there is none."""

        def of(a: str, b: str) -> float:
            return self.inner_cutoffs.get(f"{a}-{b}", self.inner_cutoffs.get(f"{b}-{a}", 0.0))

        return [[of(a, b) for b in self.elements] for a in self.elements]

    def bond_length_matrix(self) -> list[list[float]]:
        """Return r0 in Å [n_elements, n_elements]; that of a mixed pair is the mean."""
        own = [self.bond_lengths.get(e, bond_length(e)) for e in self.elements]
        return [[(a + b) / 2 for b in own] for a in own]
