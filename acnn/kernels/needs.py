"""What the compiled kernel computes for which groups of functions.

The kernel computes much that several functions need: densities, products of them, radial functions, harmonics. Each of
these steps has a cost (`acnn.kernels.cost`) and the groups that need it: once all of them have left the model, the
kernel skips it. Together they are the cost of the program but for batches and distances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from acnn.arrays import BoolArray, FloatArray, IntArray
from acnn.basis.ace import ACEBasis
from acnn.kernels.cost import COUNTS, MULTIPLICATIONS, CostModel, Surroundings
from acnn.kernels.features import REAL_REAL, Features
from acnn.kernels.monomials import Split
from acnn.kernels.program import Program, place, split_products


@dataclass(frozen=True)
class Needs:
    """Steps of a program.

    Attributes:
        costs: µs per atom and core [n_steps].
        users: the groups that need each step [n_steps, n_groups].
        is_level: radial functions, harmonics and densities, of which the kernel computes all up to the last [n_steps].
    """

    costs: FloatArray
    users: BoolArray
    is_level: BoolArray

    def saved_alone(self) -> FloatArray:
        """Return what leaving each group alone out saves, µs per atom [n_groups]."""
        return (self.costs * (self.users.sum(axis=1) == 1)) @ self.users

    def saved(self, sets: BoolArray) -> FloatArray:
        """Return what leaving out sets of groups [n_sets, n_groups] saves [n_sets]."""
        inside = self.users.astype(np.float32) @ sets.T.astype(np.float32)
        return self.costs @ ((inside == self.users.sum(axis=1)[:, None]) & (inside > 0))

    def levels(self) -> BoolArray:
        """Return the distinct sets of groups that need a level [n_sets, n_groups]."""
        return np.unique(self.users[self.is_level & self.users.any(axis=1)], axis=0)

    def saved_in_order(self, position: IntArray) -> FloatArray:
        """Return what is saved once the groups of positions 0, 0 … 1, 0 … 2 have left, up to the largest position."""
        last = np.where(self.users, position, -1).max(axis=1, initial=-1)
        return np.cumsum(np.bincount(last[last >= 0], weights=self.costs[last >= 0], minlength=position.max() + 1))


class _Steps:
    """Collects steps, with the µs of each count."""

    def __init__(self, cost: CostModel) -> None:
        self.price = dict(zip(COUNTS, cost.microseconds.tolist(), strict=True))
        self._costs: list[FloatArray] = []
        self._users: list[BoolArray] = []
        self._levels: list[BoolArray] = []

    def add(self, costs: FloatArray | float, users: BoolArray, is_level: bool = False) -> None:
        """Add steps with their costs [n] and users [n, n_groups]."""
        self._costs.append(np.broadcast_to(costs, len(users)).astype(float))
        self._users.append(users)
        self._levels.append(np.full(len(users), is_level))

    def needs(self) -> Needs:
        """Return all of them that anything needs."""
        users = np.concatenate(self._users)
        used = users.any(axis=1)
        return Needs(np.concatenate(self._costs)[used], users[used], np.concatenate(self._levels)[used])


def needs_of(basis: ACEBasis, groups: IntArray, program: Program, around: Surroundings, cost: CostModel) -> Needs:
    """Return what the kernel does for groups of functions.

    Args:
        groups: that of every function [n_functions], from 0 on; -1 for functions that are not in the model.
        program: that of the model.
    """
    n_groups, steps = int(groups.max(initial=-1)) + 1, _Steps(cost)
    uses = [_uses(block.coupled.coefficients, groups[block.columns], n_groups) for block in basis.by_element]
    centers = [_Center(basis, z, {o: u for o, u in own.items() if o > 1}, n_groups) for z, own in enumerate(uses)]
    scalars = np.zeros((basis.n_max, n_groups), dtype=bool)
    for block, own in zip(basis.by_element, uses, strict=True):
        if 1 in own:
            n = basis.table.rows[block.coupled.factors[1][:, 0], 1] - 1
            np.logical_or.at(scalars, n, own[1].toarray() > 0)
    for z, center in enumerate(centers):
        center.add(steps, program, around)
        for s, levels in enumerate(center.radial(basis.n_max, len(basis.elements))):
            steps.add(around.near[z, s] * steps.price["near slots"], levels[:1], True)
            steps.add(around.near[z, s] * steps.price["radial"], levels | _from_top(scalars), True)
    harmonics = np.any([center.harmonics(basis.l_max) for center in centers], axis=0)
    seen = sum(float(around.near[z][center.sees(len(basis.elements))].sum()) for z, center in enumerate(centers))
    steps.add(seen * steps.price["harmonics"] * (2 * np.arange(len(harmonics)) + 1), _from_top(harmonics), True)
    slots = float(around.near.sum() + around.far.sum())
    steps.add(slots * steps.price["radial"], _pair_levels(basis, groups, n_groups), True)
    return steps.needs()


def _from_top(levels: BoolArray) -> BoolArray:
    """Return which groups need each level [n, n_groups]: those that use it or a higher one."""
    return np.logical_or.accumulate(levels[::-1], axis=0)[::-1]


def _uses(
    coefficients: dict[int, scipy.sparse.csr_array], groups: IntArray, n_groups: int
) -> dict[int, scipy.sparse.csr_array]:
    """Return, by order, which products [n_products] are in functions of which groups, sparse [n_products, n_groups]."""
    inside = np.flatnonzero(groups >= 0)
    member = scipy.sparse.csr_array(
        (np.ones(len(inside)), (inside, groups[inside])), shape=(len(groups), max(n_groups, 1))
    )
    return {order: (abs(matrix).T @ member).tocsr() for order, matrix in coefficients.items()}


def _pair_levels(basis: ACEBasis, groups: IntArray, n_groups: int) -> BoolArray:
    levels = np.zeros((basis.specification.n_pair_functions, n_groups), dtype=bool)
    for columns in basis.pair_columns.values():
        own = groups[columns]
        inside = np.flatnonzero(own >= 0)
        levels[inside, own[inside]] = True
    return _from_top(levels)


class _Center:
    """What the functions of one center element need beyond distances.

    Args:
        uses: which products of each order are in functions of which groups, see `_uses`.
    """

    def __init__(self, basis: ACEBasis, z: int, uses: dict[int, scipy.sparse.csr_array], n_groups: int) -> None:
        self.z, self.n_groups = z, n_groups
        used = {o: np.flatnonzero(np.diff(u.indptr)) for o, u in uses.items()}
        used = {o: rows for o, rows in used.items() if len(rows)}
        factors = basis.by_element[z].coupled.factors
        self.found, self.split = split_products(basis, {o: factors[o][rows] for o, rows in used.items()})
        self.uses = {o: uses[o][rows].toarray() > 0 for o, rows in used.items()}
        self.needed = self._rows()

    def _rows(self) -> BoolArray:
        """Return which groups need each row of the workspace [n_rows, n_groups]."""
        needed = np.zeros((self.found.n_rows, self.n_groups), dtype=bool)
        for order, users in self.uses.items():
            for part in (self.split[order].left, self.split[order].right):
                np.logical_or.at(needed, place(self.found, part.codes)[0], users)
        for left, right, out in self.found.products[::-1]:  # later products are made of earlier ones
            needed[left] |= needed[out]
            needed[right] |= needed[out]
        return needed

    def add(self, steps: _Steps, program: Program, around: Surroundings) -> None:
        """Add products, quadratic form and densities."""
        batches = float(around.batches[self.z])
        rows = batches * steps.price["rows"]
        for kind, first, end in self.found.groups.tolist():
            out = self.found.products[first:end, 2]
            cost = batches * steps.price["products"] * MULTIPLICATIONS[kind] + rows * (1 if kind == REAL_REAL else 2)
            steps.add(cost, self.needed[out])
        for neighbor, l, levels in self._levels():
            width = 2 * l + 1
            cost = width * (around.near[self.z, neighbor] * steps.price["densities"] + rows)
            steps.add(cost, levels, True)
        terms, users = self._terms()
        stored = sum(  # with the zeros inside of tiles
            weight * program.arrays[f"{self.z}.{name}.coefficients"].size
            for name, weight in (("complex", 2), ("real", 1))
        )
        steps.add(batches * steps.price["terms"] * terms * (stored / max(terms.sum(), 1)), users)

    def _terms(self) -> tuple[FloatArray, BoolArray]:
        """Return the coefficients of the quadratic form that each pair of rows has, and who needs them."""
        keys, terms, users = [], [], []
        for order, used in self.uses.items():
            a, b, count = _entries(self.found, self.split[order])
            keys.append(np.minimum(a, b) * self.found.n_rows + np.maximum(a, b))
            terms.append(count)
            users.append(used)
        if not keys:
            return np.zeros(0), np.zeros((0, self.n_groups), dtype=bool)
        _, first, inverse = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
        together = np.zeros((len(first), self.n_groups), dtype=bool)
        np.logical_or.at(together, inverse, np.concatenate(users))
        return np.concatenate(terms)[first], together

    def _levels(self) -> list[tuple[int, int, BoolArray]]:
        """Return for each block of densities the element of the neighbor, l, and who needs n = 1 … [n, n_groups]."""
        found = []
        for neighbor, l, count, offset in self.found.layout.blocks.tolist():
            rows = self.needed[offset : offset + count * (2 * l + 1)]
            used = np.asarray(rows.reshape(count, 2 * l + 1, -1).any(axis=1))
            found.append((neighbor, l, _from_top(used)))
        return found

    def radial(self, n_max: int, n_elements: int) -> BoolArray:
        """Return who needs R_n of each neighbor element for densities [n_elements, n_max, n_groups]."""
        levels = np.zeros((n_elements, n_max, self.n_groups), dtype=bool)
        for neighbor, _, users in self._levels():
            levels[neighbor, : len(users)] |= users
        return levels

    def harmonics(self, l_max: int) -> BoolArray:
        """Return who uses each l [l_max + 1, n_groups]."""
        used = np.zeros((l_max + 1, self.n_groups), dtype=bool)
        for _, l, users in self._levels():
            used[l] |= users.any(axis=0)
        return used

    def sees(self, n_elements: int) -> BoolArray:
        """Return of which neighbor elements there are densities."""
        return np.isin(np.arange(n_elements), self.found.layout.blocks[:, 0])


def _entries(found: Features, split: Split) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the two rows of each product, and the number of its coefficients in the quadratic form."""
    (a, a_real), (b, b_real) = place(found, split.left.codes), place(found, split.right.codes)
    parts = np.where((split.left.magnetic > 0) | (~a_real & ~b_real), 2.0, 1.0)
    return a, b, parts * np.where(a == b, 1, 2)
