"""Coefficients as tensors over elements, of which the columns of a basis are the sums over orderings.

All functions with the same (n_1, l_1), … (n_ν, l_ν) together are

    Σ_{z_0; z_1 … z_ν} ⟨c[z_0; z_1 … z_ν], ⊗_t A_{z_t n_t l_t}⟩,

with a tensor c over ordered channels for every choice of elements, of the center z_0 and of the channels. A column has
a multiset of channels: its coefficient is the sum over all orderings of its elements among channels of equal (n, l),
c_k = Σ_z ⟨T_k, P_z c[z_0; z]⟩, where T_k is the column's coupling (`acnn.basis.coupling`: orthonormal as a tensor over
ordered copies) and P_z brings the channels to its order. The coefficient of a pair function, in which either atom is
the center, is the mean (c[a; b] + c[b; a]) / 2. `ElementGroup` has these linear maps: from them follows the covariance
of columns for any covariance of the c[z_0; z].
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from acnn.arrays import FloatArray, IntArray
from acnn.basis.coupling import Channels, coupling_coefficients
from acnn.basis.functions import Channel, Function, Multiset, grouped

Tensor = dict[tuple[int, ...], FloatArray]
"""Components [n_invariants] by the m of ordered channels."""


@dataclass(frozen=True)
class ElementGroup:
    """The columns that differ in nothing but elements.

    Attributes:
        columns: their places in the basis [n_columns].
        shape: key of `weights`: groups of equal shape differ in n only.
        weights: c_k = Σ weights[k] · c over z_0, z_1 … z_ν and couplings [n_columns, n_elements, …, n_couplings].
    """

    columns: IntArray
    shape: tuple[object, ...]
    weights: FloatArray


def element_groups(functions: Sequence[Function], elements: Sequence[str]) -> list[ElementGroup]:
    """Sort the columns of a basis by the (n, l) of their channels."""
    number = {element: z for z, element in enumerate(elements)}
    found: dict[tuple[object, ...], list[int]] = {}
    for column, function in enumerate(functions):
        found.setdefault((function.kind == "pair", *sorted(function.nl)), []).append(column)
    weights: dict[tuple[object, ...], FloatArray] = {}
    groups = []
    for columns in found.values():
        members = [_indexed(functions[column], number) for column in columns]
        is_pair = functions[columns[0]].kind == "pair"
        shape = (is_pair, *map(_without_n, members))
        if shape not in weights:
            rows = [_pair(m, len(elements)) if is_pair else _many_body(m, len(elements)) for m in members]
            weights[shape] = np.array(rows)
        groups.append(ElementGroup(np.array(columns), shape, weights[shape]))
    return groups


def largest_group(functions: Sequence[Function], n_elements: int) -> int:
    """Return the number of columns in the largest group, or of choices of elements in it if that is more."""
    columns = Counter((function.kind == "pair", *sorted(function.nl)) for function in functions)
    choices = [n_elements ** (len(function.nl) + 1) for function in functions]
    return max([*columns.values(), *choices], default=0)


Member = tuple[tuple[int, ...], Multiset, int]
"""Element of the center (both, of a pair), channels, coupling."""


def _indexed(function: Function, number: dict[str, int]) -> Member:
    z = tuple(number[element] for element in function.elements)
    if function.kind == "pair":
        return z, (), 0
    channels = tuple(Channel(zt, n, l) for zt, (n, l) in zip(z[1:], function.nl, strict=True))
    return z[:1], channels, function.coupling


def _without_n(member: Member) -> Member:
    """Return the member with the different (n, l) numbered in the place of n."""
    center, channels, coupling = member
    slots = sorted({(c.n, c.l) for c in channels})
    return center, tuple(Channel(c.z, slots.index((c.n, c.l)), c.l) for c in channels), coupling


def _pair(member: Member, n_elements: int) -> FloatArray:
    (a, b), _, _ = member
    weights = np.zeros((n_elements, n_elements, 1))
    weights[a, b] += 0.5
    weights[b, a] += 0.5
    return weights


def _many_body(member: Member, n_elements: int) -> FloatArray:
    (center,), channels, coupling = member
    slots = tuple(sorted((c.n, c.l) for c in channels))
    weights = np.zeros((n_elements, *[n_elements] * len(channels), n_couplings(tuple(l for _, l in slots))))
    for order in _orderings(channels, slots):
        z = tuple(channels[k].z for k in order)
        place = (center, *z)
        weights[place] = _overlaps(grouped(channels), order)[coupling]
    return weights


def _orderings(channels: Multiset, slots: tuple[tuple[int, int], ...]) -> list[tuple[int, ...]]:
    """List the places in ``channels`` of the channel of every slot, one for each choice of elements."""
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    for order in itertools.permutations(range(len(channels))):
        if all((channels[place].n, channels[place].l) == slot for place, slot in zip(order, slots, strict=True)):
            found.setdefault(tuple(channels[place].z for place in order), order)
    return list(found.values())


@functools.cache
def n_couplings(ls: tuple[int, ...]) -> int:
    """Count the invariants of ordered channels of these l."""
    return len(coupling_coefficients(tuple((l, 1) for l in ls))[1])


@functools.cache
def _overlaps(channels: Channels, order: tuple[int, ...]) -> FloatArray:
    """Return ⟨T_k, P U_κ⟩ [n_invariants, n_couplings], with U_κ of channels in the order of the slots."""
    own = _tensor(channels)
    ls = [l for l, copies in channels for _ in range(copies)]
    general = _tensor(tuple((ls[place], 1) for place in order))
    pairs = [(components, general[tuple(m[place] for place in order)]) for m, components in own.items()]
    return np.array([np.outer(one, other) for one, other in pairs]).sum(axis=0)


@functools.cache
def _tensor(channels: Channels) -> Tensor:
    """Return the couplings of a multiset as tensors over ordered copies."""
    products, coefficients = coupling_coefficients(channels)
    found: Tensor = {}
    for ms, column in zip(products, coefficients.T, strict=True):
        orders = [sorted(set(itertools.permutations(of_channel))) for of_channel in ms]
        share = column / np.prod([len(order) for order in orders])
        for ordered in itertools.product(*orders):
            found[tuple(m for of_channel in ordered for m in of_channel)] = share
    return found
