"""The restraint of a linear fit where atoms are closer than in any data: they repel, weakly, like bare nuclei.

Nothing tells a fit what comes between zero and the shortest distance of a pair of elements in the data, and polynomials
of high degree do there what they like: hydrogen atoms of two water molecules attracted each other by 20 000 eV. Rows of
relative deviations shape what no data determine, and yield where there are any:

    dimers        weight · (E_dimer(r) / V_ZBL(r) - 1)       r up to 0.8 contact lengths
    insertions    w · (Δe_i / ½ V_ZBL(r) - 1)                w = weight/80 · √(m / n), with m equations of the data
                  ½ w · (ΔE / ΔV_ZBL - 1)                    and n insertions for each ordered pair of elements

An insertion puts one more atom into a structure of the data, in a random direction from one of its atoms i, at r = 0.4
… 0.95 of the shortest distance: Δe_i is the change of that atom's energy, ΔE that of the whole, and ΔV_ZBL the
repulsion by all atoms that are closer than in the data. Without the first, energies of other atoms make up for an
attraction; without the second, a third atom may attract two that are too close. The restraint takes the place of
P(y(0)) = 1 (paper, Sec. II B 2), which fixes one point of the pair part and lets all else swing below it.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import ase
import numpy as np
import torch
from ase.data import atomic_numbers
from numpy.typing import NDArray
from torch import Tensor

from acnn.basis.radial import pair_bond_length
from acnn.data.dataset import LabeledStructure
from acnn.fit.assembly import RowSource
from acnn.graph import AtomicGraph
from acnn.models.linear import LinearACE
from acnn.models.reference import zbl_energy
from acnn.neighbors import atomic_graph, keep_shortest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Pair = tuple[str, str]

DIMER_RANGE = (0.05, 0.8)
"""In contact lengths: where dimers are asked to repel."""
N_DIMERS = 16
"""Distances of each pair of elements."""
INSERTION_RANGE = (0.4, 0.95)
"""In shortest distances of the data, or bond lengths where there are none."""
HOST_WEIGHT, TOTAL_WEIGHT = 0.0125, 0.00625
"""See above: √(m / n) keeps the influence of all together the same share of that of the data."""
FEWEST_INSERTIONS, MOST_INSERTIONS, ALL_INSERTIONS = 4, 64, 640
"""For each ordered pair of elements, and about so many of all pairs together."""
LONGEST_CONTACT = 2.5
"""In bond lengths: beyond, bare nuclei hardly repel, and relative deviations would mean nothing."""


@dataclass(frozen=True)
class CloseContacts:
    """What the data say of short distances.

    Attributes:
        elements: by ascending atomic number.
        found: shortest distances in Å [n_elements, n_elements], infinite for pairs that are not within
            `LONGEST_CONTACT`.
        hosts: by element, structures that have it and one of its atoms there, which is not alone.
    """

    elements: tuple[str, ...]
    found: FloatArray
    hosts: dict[str, list[tuple[ase.Atoms, int]]]

    @classmethod
    def of(cls, elements: tuple[str, ...], structures: Sequence[LabeledStructure], seed: int = 0) -> CloseContacts:
        """Of structures; atoms are drawn from all of an element, the same ones for equal seeds."""
        bonds = _bonds(elements)
        found, in_company = np.full(bonds.shape, np.inf), []
        for structure in structures:
            graph = atomic_graph(structure.atoms, LONGEST_CONTACT * float(bonds.max()))
            keep_shortest(graph, elements, found)
            in_company.append(np.unique(graph.pair_i.numpy()))
        wanted = min(MOST_INSERTIONS, max(FEWEST_INSERTIONS, ALL_INSERTIONS // len(elements) ** 2))
        hosts = _hosts(elements, [s.atoms for s in structures], in_company, wanted, np.random.default_rng(seed))
        return cls(elements, np.where(found < LONGEST_CONTACT * bonds, found, np.inf), hosts)

    @functools.cached_property
    def shortest(self) -> FloatArray:
        """Shortest distances in Å [n_elements, n_elements], bond lengths where there are none."""
        return np.where(np.isfinite(self.found), self.found, _bonds(self.elements))

    def contact_length(self, one: str, other: str) -> float:
        """The bond length of two elements, or, if longer, their shortest distance; Å.

        Hydrogen atoms of water are never closer than 1.3 Å, and no data tell a fit what comes between there and the
        bond of H2, 0.74 Å.
        """
        return max(pair_bond_length(one, other), self.shortest_of(one, other))

    def shortest_of(self, one: str, other: str) -> float:
        """Å."""
        return float(self.shortest[self.elements.index(one), self.elements.index(other)])


def _bonds(elements: tuple[str, ...]) -> FloatArray:
    return np.array([[pair_bond_length(a, b) for b in elements] for a in elements])


def _hosts(
    elements: tuple[str, ...],
    structures: Sequence[ase.Atoms],
    candidates: Sequence[IntArray],
    wanted: int,
    rng: np.random.Generator,
) -> dict[str, list[tuple[ase.Atoms, int]]]:
    """Drawn among the candidate atoms of each structure."""
    owner = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in candidates])
    place = np.concatenate([np.zeros(0, np.int64), *candidates])
    numbers = np.concatenate(
        [np.zeros(0, np.int64), *(a.numbers[c] for a, c in zip(structures, candidates, strict=True))]
    )
    hosts: dict[str, list[tuple[ase.Atoms, int]]] = {}
    for element in elements:
        drawn = rng.permutation(np.flatnonzero(numbers == atomic_numbers[element]))[:wanted]
        hosts[element] = [(structures[owner[k]], int(place[k])) for k in drawn]
    return hosts


def repulsion_rows(
    model: LinearACE, source: RowSource, contacts: CloseContacts, weight: float, n_equations: int
) -> tuple[FloatArray, FloatArray]:
    """Rows and targets of both restraints, dimers first, for so many equations of the data."""
    inserted = insertions(model, source, contacts, n_equations)
    parts = list(itertools.chain(dimers(model, source, contacts), inserted))
    rows, targets = zip(*parts, strict=True)
    return weight * np.array(rows), weight * np.array(targets)


def dimers(model: LinearACE, source: RowSource, contacts: CloseContacts) -> Iterator[tuple[FloatArray, float]]:
    """Every pair of elements at `N_DIMERS` distances."""
    for pair in itertools.combinations_with_replacement(model.elements, 2):
        for distance in contacts.contact_length(*pair) * np.linspace(*DIMER_RANGE, N_DIMERS):
            graph = atomic_graph(ase.Atoms(pair, positions=[[0, 0, 0], [distance, 0, 0]]), model.cutoff)
            repulsion = float(zbl_energy(torch.tensor(distance, dtype=torch.float64), *graph.species.double()))
            yield source(graph, False).energy / repulsion, 1 - _fixed(model, graph) / repulsion


def insertions(
    model: LinearACE, source: RowSource, contacts: CloseContacts, n_equations: int, seed: int = 0
) -> Iterator[tuple[FloatArray, float]]:
    """Every host with one more atom of each element: its own row and that of all; the same ones for equal seeds."""
    rng = np.random.default_rng(seed)
    for element, hosts in contacts.hosts.items():
        share = math.sqrt(n_equations / max(len(hosts), 1))
        for atoms, host in hosts:
            wide = atomic_graph(atoms, model.cutoff + float(contacts.shortest[contacts.elements.index(element)].max()))
            near = wide.within(model.cutoff)
            for inserted in model.elements:
                direction = rng.normal(size=3)
                length = contacts.shortest_of(element, inserted) * rng.uniform(*INSERTION_RANGE)
                place = torch.as_tensor(length * direction / np.linalg.norm(direction))
                if length >= model.cutoff:
                    continue
                sites = _sites(wide, host, place, model.cutoff)
                repulsion = _repulsion_of_close(sites, inserted, contacts)
                whole = _change(model, source, near, sites, inserted, True)
                alone = _change(model, source, near, sites.first(), inserted, False)
                for weight, (energy, fixed), wanted in (
                    (HOST_WEIGHT, alone, 0.5 * float(repulsion[0])),
                    (TOTAL_WEIGHT, whole, float(repulsion.sum())),
                ):
                    yield weight * share * energy / wanted, weight * share * (1 - fixed / wanted)


class _Sites(NamedTuple):
    """Atoms that see an inserted one, the host first; images of an atom count separately.

    Attributes:
        atom: index in the structure [n].
        species: atomic numbers [n].
        to_inserted: vectors from the atoms to the inserted one, Å [n, 3].
    """

    atom: Tensor
    species: Tensor
    to_inserted: Tensor

    def first(self) -> _Sites:
        return _Sites(self.atom[:1], self.species[:1], self.to_inserted[:1])


def _sites(graph: AtomicGraph, host: int, place: Tensor, cutoff: float) -> _Sites:
    """Those around a place, which is given from the host, in a graph that reaches far enough."""
    mine = torch.nonzero(graph.pair_i == host)[:, 0]
    atom = torch.cat([torch.tensor([host]), graph.pair_j[mine]])
    to_inserted = place - torch.cat([torch.zeros(1, 3, dtype=torch.float64), graph.pair_vectors[mine]])
    inside = torch.linalg.vector_norm(to_inserted, dim=1) < cutoff
    return _Sites(atom[inside], graph.species[atom[inside]], to_inserted[inside])


def _repulsion_of_close(sites: _Sites, inserted: str, contacts: CloseContacts) -> Tensor:
    """V_ZBL of the inserted atom and those that are closer than any in the data, 0 of others; eV [n]."""
    r = torch.linalg.vector_norm(sites.to_inserted, dim=1)
    index = np.searchsorted([atomic_numbers[e] for e in contacts.elements], sites.species.numpy())
    shortest = torch.as_tensor(contacts.shortest[index, contacts.elements.index(inserted)])
    return zbl_energy(r, sites.species.double(), torch.tensor(atomic_numbers[inserted]).double()) * (r < shortest)


def _change(
    model: LinearACE, source: RowSource, near: AtomicGraph, sites: _Sites, inserted: str, with_its_own: bool
) -> tuple[FloatArray, float]:
    """What an inserted atom changes in the energies of sites, by function and in the fixed part."""
    first = torch.searchsorted(near.pair_i, sites.atom)
    counts = torch.searchsorted(near.pair_i, sites.atom, right=True) - first
    center = torch.repeat_interleave(torch.arange(len(sites.atom)), counts)
    pairs = torch.arange(len(center)) + (first - torch.cumsum(counts, 0) + counts)[center]
    before = _Pairs(center, near.species[near.pair_j[pairs]], near.pair_vectors[pairs])
    number, n = torch.tensor([atomic_numbers[inserted]]), len(sites.atom)
    after = before.and_also(_Pairs(torch.arange(n), number.expand(n), sites.to_inserted))
    species = sites.species
    if with_its_own:
        species = torch.cat([species, number])
        after = after.and_also(_Pairs(torch.full((n,), n), sites.species, -sites.to_inserted))
    one, other = after.graph(species), before.graph(sites.species)
    return source(one, False).energy - source(other, False).energy, _fixed(model, one) - _fixed(model, other)


class _Pairs(NamedTuple):
    """Pairs whose neighbors are atoms of their own: their centers, species [n] and vectors [n, 3]."""

    center: Tensor
    species: Tensor
    vectors: Tensor

    def and_also(self, other: _Pairs) -> _Pairs:
        return _Pairs(*(torch.cat(both) for both in zip(self, other, strict=True)))

    def graph(self, centers: Tensor) -> AtomicGraph:
        """With centers of these species."""
        order, n = torch.argsort(self.center, stable=True), len(centers)
        return AtomicGraph(
            species=torch.cat([centers, self.species[order]]),
            pair_i=self.center[order],
            pair_j=torch.arange(n, n + len(order)),
            pair_vectors=self.vectors[order],
            structure=torch.zeros(n + len(order), dtype=torch.int64),
            n_structures=1,
            n_centers=n,
        )


def _fixed(model: LinearACE, graph: AtomicGraph) -> float:
    """ZBL that is in the model anyway, eV."""
    return 0.0 if model.zbl is None or graph.n_pairs == 0 else float(model.zbl(graph).sum())
