"""The three formulations of a basis: which tuples of neighbors the products count (Witt et al. 2023, appendix 1).

A product of densities is a sum over all tuples of neighbors, including those in which a neighbor occurs several times.
The sum over a subset of tuples is a sum over partitions of the factors; in each of its products, every block of factors
is a single density,

    self_interacting   every tuple                         each factor alone
    pure2b             not all neighbors are the same      minus all factors together
    canonical          all neighbors differ                every partition, times Π_b (-1)^(|b|-1) (|b|-1)!

A block is again a sum of densities (`acnn.basis.contraction`), so purification adds products of lower order to a
function, with larger n: Σ(n + w_L l) grows by 2 for every factor removed. Factors of different elements cannot share a
neighbor.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from acnn.arrays import FloatArray
from acnn.basis.contraction import ContractedCoupling, Partition, contracted_coupling
from acnn.basis.coupling import n_invariants
from acnn.basis.functions import Channel, Multiset, grouped
from acnn.basis.products import DensityTable, Terms
from acnn.basis.radial import RadialBasis


def partitions(n: int) -> list[Partition]:
    """List all ways to group the positions 0 … n - 1 into blocks."""
    if n == 0:
        return [()]
    last = n - 1
    found: list[Partition] = []
    for rest in partitions(last):
        found.append((*rest, (last,)))
        found += [(*rest[:b], (*block, last), *rest[b + 1 :]) for b, block in enumerate(rest)]
    return found


@functools.cache
def weighted_partitions(formulation: str, order: int) -> list[tuple[Partition, float]]:
    """Return the partitions of a product's factors that a formulation sums over, and their weights."""
    alone, together = tuple((t,) for t in range(order)), (tuple(range(order)),)
    if formulation == "canonical":
        return [(p, _moebius(p)) for p in partitions(order)]
    if formulation == "pure2b" and order > 1:
        return [(alone, 1.0), (together, -1.0)]
    return [(alone, 1.0)]


def _moebius(partition: Partition) -> float:
    """Return the Möbius function of the lattice of partitions, which leaves tuples of different neighbors."""
    return math.prod((-1.0) ** (len(block) - 1) * math.factorial(len(block) - 1) for block in partition)


@dataclass(frozen=True)
class _Contraction:
    """The contribution of one partition to the invariants of a multiset; lists are by block.

    Attributes:
        function: number of the first invariant.
        z: neighbor element.
        n_first: smallest n.
        radial: coefficients for n = n_first ….
        coupling: that of the angular parts.
    """

    function: int
    z: list[int]
    n_first: list[int]
    radial: list[FloatArray]
    coupling: ContractedCoupling


class ProductSums:
    """The functions of one center element as sums of products of densities.

    Args:
        formulation: "pure2b", "self_interacting" or "canonical".
        multisets: those of the functions.
        radial: the radial functions.
        center: index of the element.
    """

    def __init__(self, formulation: str, multisets: Sequence[Multiset], radial: RadialBasis, center: int) -> None:
        self._formulation, self._multisets, self._radial, self._center = formulation, multisets, radial, center

    @property
    def n_functions(self) -> int:
        """Number of functions."""
        return sum(n_invariants(grouped(multiset)) for multiset in self._multisets)

    def channels(self) -> dict[int, set[Channel]]:
        """Return the densities that occur, by order of the products."""
        found: dict[int, set[Channel]] = {}
        for c in self._contractions:
            of_order = found.setdefault(len(c.z), set())
            for b, (z, first, radial) in enumerate(zip(c.z, c.n_first, c.radial, strict=True)):
                of_order |= {Channel(z, first + n, l) for l in c.coupling.degrees[b] for n in range(len(radial))}
        return found

    def terms(self, table: DensityTable) -> Iterator[Terms]:
        """Generate all products with their coefficients; functions are numbered in the order of the multisets."""
        return (_terms(contraction, table) for contraction in self._contractions)

    @functools.cached_property
    def _contractions(self) -> list[_Contraction]:
        found, function = [], 0
        for multiset in self._multisets:
            channels = grouped(multiset)
            for partition, weight in self._partitions(multiset):
                coupling = contracted_coupling(channels, partition)
                if len(coupling.lm):
                    found.append(self._contraction(function, multiset, partition, weight, coupling))
            function += n_invariants(channels)
        return found

    def _contraction(
        self, function: int, multiset: Multiset, partition: Partition, weight: float, coupling: ContractedCoupling
    ) -> _Contraction:
        blocks = [[multiset[t] for t in block] for block in partition]
        first = [block[0].n if len(block) == 1 else 1 for block in blocks]
        radial = [self._of_block(block) for block in blocks]
        radial[0] = weight * radial[0]
        return _Contraction(function, [block[0].z for block in blocks], first, radial, coupling)

    def _partitions(self, multiset: Multiset) -> list[tuple[Partition, float]]:
        """Keep partitions whose blocks are of one element; merge those that differ by equal channels only."""
        found: dict[tuple[tuple[Channel, ...], ...], tuple[Partition, float]] = {}
        for partition, weight in weighted_partitions(self._formulation, len(multiset)):
            blocks = [tuple(multiset[t] for t in block) for block in partition]
            if all(channel.z == block[0].z for block in blocks for channel in block):
                key = tuple(sorted(blocks))
                first, total = found.get(key, (partition, 0.0))
                found[key] = (first, total + weight)
        return list(found.values())

    def _of_block(self, block: Sequence[Channel]) -> FloatArray:
        if len(block) == 1:
            return np.ones(1)
        return self._radial.product(self._center, block[0].z, tuple(channel.n for channel in block))


def _terms(c: _Contraction, table: DensityTable) -> Terms:
    """Combine all n of the blocks with all (l, m) of the blocks and all invariants."""
    offsets = np.indices([len(radial) for radial in c.radial]).reshape(len(c.radial), -1)
    weight = math.prod(radial[n] for radial, n in zip(c.radial, offsets, strict=True))
    n = offsets.T + np.array(c.n_first)
    product, invariant = np.nonzero(c.coupling.coefficients)
    lm = c.coupling.lm[product]
    rows = table.find(np.array(c.z), n[:, None], lm[None, ..., 0], lm[None, ..., 1])
    values = np.multiply.outer(weight, c.coupling.coefficients[product, invariant])
    functions = np.broadcast_to(c.function + invariant, values.shape)
    return Terms(rows.reshape(-1, len(c.z)), functions.reshape(-1), values.reshape(-1))
