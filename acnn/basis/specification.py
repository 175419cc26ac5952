"""The basis functions of a model: all tuples with Σ_t (n_t + w_L l_t) ≤ total degree (paper eq. 9)."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import AfterValidator, Field, field_validator, model_validator

from acnn.basis.counting import BasisSize, many_body_size
from acnn.basis.coupling import n_invariants
from acnn.basis.functions import Function, Multiset, channels_within, grouped, multisets_within
from acnn.basis.polynomials import agnesi_amplitude
from acnn.basis.radial import bond_length
from acnn.strict import Strict, one_or_listed, shown

MAX_ORDER = 5
PANEL = "Basis"

Formulation = Literal["pure2b", "self_interacting", "canonical"]


def _ascending(elements: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [e for e in elements if atomic_numbers.get(e, 0) == 0]
    if unknown or not elements:
        raise ValueError(f"elements must be chemical symbols, not {unknown or 'an empty list'}")
    return tuple(sorted(set(elements), key=lambda e: atomic_numbers[e]))


Elements = Annotated[tuple[str, ...], AfterValidator(_ascending)]
"""Chemical symbols, by ascending atomic number."""
Order = Annotated[int, Field(ge=1, le=MAX_ORDER)]
Degree = Annotated[float, Field(ge=1, le=100)]
Degrees = Degree | tuple[Degree, ...]
"""One number for all orders, or one for each."""
AngularWeight = Annotated[float, Field(ge=0.1, le=100)]
Cutoff = Annotated[float, Field(ge=0.5, le=25)]
"""Å."""
BondLength = Annotated[float, Field(ge=0.1, le=20)]
"""Å."""
Exponents = tuple[Annotated[float, Field(ge=0.1, le=20)], Annotated[float, Field(ge=0.1, le=20)]]
JacobiExponents = tuple[Annotated[float, Field(gt=-1, le=20)], Annotated[float, Field(gt=-1, le=20)]]
MAX_L = 50
"""Largest degree of spherical harmonics."""


class ElementOverride(Strict):
    """Settings of one center element that differ from the model's."""

    order: Order | None = Field(None, description="Correlation order.", json_schema_extra=shown("as order"))
    degree: Degrees | None = Field(None, description="Total degree.", json_schema_extra=shown("as degree"))
    wl: AngularWeight | None = Field(
        None, description="Weight w_L of the angular degree.", json_schema_extra=shown("as wl")
    )

    @field_validator("degree", mode="before")
    @classmethod
    def _one_or_listed(cls, value: Any) -> Any:
        return one_or_listed(value)


class BasisFields(Strict):
    """Settings of a basis other than its elements. Lengths are in Å."""

    order: Order = Field(3, description="Correlation order (body order − 1).", json_schema_extra=shown(panel=PANEL))
    degree: Degrees = Field(
        12.0,
        description="Total degree Σ(n + w_L l): one number, or one per order '14,12,10'.",
        json_schema_extra=shown(panel=PANEL),
    )
    wl: AngularWeight = Field(
        1.5, description="Weight w_L of the angular degree; larger: fewer angles.", json_schema_extra=shown(panel=PANEL)
    )
    cutoff: Cutoff = Field(5.5, description="Cutoff radius in Å.", json_schema_extra=shown(panel=PANEL))
    pair_cutoff: Cutoff | None = Field(
        None, description="Cutoff radius of the pair part in Å.", json_schema_extra=shown("as cutoff", PANEL)
    )
    pair_degree: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Functions in the pair part; 0: none.",
        json_schema_extra=shown("degree of order 1", PANEL),
    )
    formulation: Formulation = Field(
        "pure2b",
        description="pure2b: products vanish for a single neighbor, pairs have their own functions. canonical: "
        "functions of order ν vanish for fewer than ν neighbors (a true many-body expansion). self_interacting: plain "
        "products.",
        json_schema_extra=shown(panel=PANEL),
    )
    bond_lengths: dict[str, BondLength] = Field(
        {},
        description="r0 in Å of the transform of distances, by element or pair, {H: 1.2, Al-Ti: 2.7}.",
        json_schema_extra=shown("bond lengths, at least 0.35 × cutoff"),
    )
    transform: Exponents = Field(
        (2.0, 4.0), description="Exponents p ≤ q of the Agnesi transform of distances, many-body part."
    )
    pair_transform: Exponents = Field(
        (1.0, 3.0), description="Exponents p ≤ q of the Agnesi transform of distances, pair part."
    )
    jacobi: JacobiExponents = Field((0.0, 0.0), description="α and β of the radial polynomials; 0, 0: Legendre.")
    overrides: dict[str, ElementOverride] = Field(
        {}, description="Order, degree and wl of functions centered on single elements, {Al: {degree: 8}}."
    )

    @field_validator("degree", mode="before")
    @classmethod
    def _one_or_listed(cls, value: Any) -> Any:
        """Take "12" as a number and "12,12,8" as a list."""
        return one_or_listed(value)


class BasisSpecification(BasisFields):
    """A complete description of an ACE basis; equal specifications give equal basis functions.

    ``elements`` are chemical symbols, by ascending atomic number. Without ``bond_lengths``, r0 of an element is the
    nearest-neighbor distance of its reference state, and r0 of a mixed pair the mean of its elements'.
    """

    elements: Elements

    @model_validator(mode="after")
    def _consistent(self) -> BasisSpecification:
        for name in self.overrides:
            if name not in self.elements:
                raise ValueError(
                    f"overrides name {name!r}, which is not an element of the model ({', '.join(self.elements)})"
                )
        self._check_bond_lengths()
        for element in self.elements:
            self._check_angles(element)
        for p, q in (self.transform, self.pair_transform):
            if not (p <= q and agnesi_amplitude(p, q) > 0):
                raise ValueError(
                    f"the transform's exponents must satisfy 0 < p ≤ q, not ({p}, {q}), and have y(r) steepest at r0"
                )
        return self

    def _check_angles(self, element: str) -> None:
        degrees, wl = self.degrees(element), self._wl(element)
        largest = max([(d - order) / (2 * wl) for order, d in enumerate(degrees, 1) if order > 1], default=0.0)
        if largest >= MAX_L + 1:
            raise ValueError(
                f"{element}: a total degree of {max(degrees[1:]):g} with wl = {wl:g} reaches spherical harmonics of "
                f"degree {largest:.0f}, and the largest here is {MAX_L}: lower the degree or raise wl"
            )

    def _check_bond_lengths(self) -> None:
        for name, value in self.bond_lengths.items():
            parts = name.split("-")
            if len(parts) > 2 or any(e not in self.elements for e in parts):
                raise ValueError(
                    f"bond_lengths {name!r}: {value}: the key must be an element of the model or a pair such as 'Al-Ti'"
                )
            mirrored = "-".join(reversed(parts))
            if mirrored != name and mirrored in self.bond_lengths:
                raise ValueError(f"bond_lengths give {name!r} and {mirrored!r}: keep one of them")

    def setting(self, element: str, name: Literal["order", "degree", "wl"]) -> object:
        """Return a setting of a center element: its override, otherwise the model's."""
        override = self.overrides.get(element)
        value = getattr(override, name) if override else None
        return getattr(self, name) if value is None else value

    def degrees(self, element: str) -> tuple[float, ...]:
        """Return the total degree of each order 1 … ν for a center element."""
        order = int(self.setting(element, "order"))  # type: ignore[call-overload]
        degree = self.setting(element, "degree")
        degrees = degree if isinstance(degree, tuple) else (float(degree),) * order  # type: ignore[arg-type]
        if len(degrees) != order:
            raise ValueError(f"{element}: order {order} needs {order} total degrees, got {len(degrees)}")
        return tuple(float(d) for d in degrees)

    @property
    def n_pair_functions(self) -> int:
        """Number of pair functions of each pair of elements."""
        if self.pair_degree is not None:
            return self.pair_degree
        return int(max(self.degrees(element)[0] for element in self.elements))

    @property
    def many_body_orders_start(self) -> int:
        """Lowest order of the many-body part: the pair basis replaces order 1 where products are purified."""
        return 2 if self.formulation != "self_interacting" and self.n_pair_functions > 0 else 1

    @property
    def largest_cutoff(self) -> float:
        """The larger of the cutoffs of the many-body and the pair part in Å."""
        return max(self.cutoff, self.pair_cutoff or 0.0)

    def bond_length_matrix(self) -> list[list[float]]:
        """Return r0 in Å [n_elements, n_elements]."""
        own = {e: self.bond_lengths.get(e, bond_length(e)) for e in self.elements}
        return [[self._pair_bond_length(a, b, own) for b in self.elements] for a in self.elements]

    def _pair_bond_length(self, a: str, b: str, own: dict[str, float]) -> float:
        for name in (f"{a}-{b}", f"{b}-{a}"):
            if name in self.bond_lengths:
                return self.bond_lengths[name]
        return (own[a] + own[b]) / 2

    @property
    def n_functions(self) -> int:
        """Number of basis functions, counted without building them; beyond `MOST_FUNCTIONS` a lower bound."""
        return self.size.functions

    @property
    def size(self) -> BasisSize:
        """Numbers of functions and of many-body products; beyond `MOST_FUNCTIONS` lower bounds."""
        n = len(self.elements)
        sizes = [many_body_size(n, self._many_body_degrees(e), self._wl(e)) for e in self.elements]
        n_pairs = self.n_pair_functions * n * (n + 1) // 2
        return BasisSize(sum(s.functions for s in sizes) + n_pairs, sum(s.products for s in sizes))

    def _many_body_degrees(self, element: str) -> dict[int, float]:
        """Return the total degree of each order of the many-body part."""
        orders = enumerate(self.degrees(element), start=1)
        return {order: degree for order, degree in orders if order >= self.many_body_orders_start}

    def _wl(self, element: str) -> float:
        return float(self.setting(element, "wl"))  # type: ignore[arg-type]

    def functions(self) -> list[Function]:
        """Return the identity of each column of the basis."""
        found = []
        for center in self.elements:
            for multiset in self.multisets(center):
                elements = (center, *(self.elements[channel.z] for channel in multiset))
                nl = tuple((channel.n, channel.l) for channel in multiset)
                found += [Function(center, elements, nl, k) for k in range(n_invariants(grouped(multiset)))]
        for pair in itertools.combinations_with_replacement(self.elements, 2):
            found += [Function("pair", pair, ((n, 0),)) for n in range(1, self.n_pair_functions + 1)]
        return found

    def multisets(self, element: str) -> list[Multiset]:
        """List the many-body functions of a center element, each multiset once, by order and then ascending."""
        wl = self._wl(element)
        chosen: list[Multiset] = []
        for order, degree in self._many_body_degrees(element).items():
            channels = channels_within(len(self.elements), degree - (order - 1), wl)
            chosen += [c for c in multisets_within(channels, order, degree, wl) if n_invariants(grouped(c)) > 0]
        return chosen
