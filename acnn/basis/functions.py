"""The identity of basis functions, and the multisets of channels within a total degree (paper eq. 9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from acnn.basis.coupling import Channels


class Channel(NamedTuple):
    """One-particle function of a neighbor: element index z, radial index n = 1 …, degree l."""

    z: int
    n: int
    l: int


Multiset = tuple[Channel, ...]
"""The channels of one basis function, ascending; its length is the correlation order."""


class Function(NamedTuple):
    """The identity of a basis function, the same in every basis that contains it.

    Attributes:
        kind: "pair", or the element of the center.
        elements: those of the pair, or that of the center followed by those of the channels.
        nl: n and l of each channel; (n, 0) of a pair.
        coupling: which of the invariants of these channels.
    """

    kind: str
    elements: tuple[str, ...]
    nl: tuple[tuple[int, int], ...]
    coupling: int = 0

    @property
    def order(self) -> int:
        """The correlation order."""
        return len(self.nl)


def grouped(multiset: Multiset) -> Channels:
    """Return (l, number of copies) of every distinct channel of an ascending multiset."""
    counts: dict[Channel, int] = {}
    for channel in multiset:
        counts[channel] = counts.get(channel, 0) + 1
    return tuple((channel.l, copies) for channel, copies in counts.items())


def channels_within(n_elements: int, degree: float, wl: float) -> list[Channel]:
    """List the channels with n + w_L l ≤ degree, ascending."""
    return [
        Channel(z, n, l)
        for z in range(n_elements)
        for n in range(1, int(degree) + 1)
        for l in range(int((degree - n) / wl + 1e-9) + 1)
    ]


def multisets_within(
    channels: list[Channel], order: int, degree: float, wl: float, start: int = 0
) -> Iterator[Multiset]:
    """Generate ascending multisets of `order` channels with Σ(n + w_L l) ≤ degree."""
    if order == 0:
        yield ()
        return
    for position in range(start, len(channels)):
        channel = channels[position]
        left = degree - channel.n - wl * channel.l
        if left < order - 1 - 1e-9:
            continue
        for rest in multisets_within(channels, order - 1, left, wl, position):
            yield (channel, *rest)
