"""A weak restraint of linear fits towards the repulsion of bare nuclei where atoms are closer than in the data.

Data do not constrain a fit below the shortest distance of a pair of elements, and there polynomials of high degree are
arbitrary: hydrogen atoms of two water molecules attracted each other by 20 000 eV. Rows of relative deviations shape
what the data leave open, and yield to data where there are any:

    dimers        weight · (E_dimer(r) / V_ZBL(r) - 1)       r up to 0.8 of the closest approach
    insertions    w · (Δe_i / ½ V_ZBL(r) - 1)                w = weight/80 · √(m / n), with m equations of the data
                  ½ w · (ΔE / ΔV_ZBL - 1)                    and n insertions for each ordered pair of elements

An insertion puts one more atom into a structure of the data, in a random direction from one of its atoms i, at r = 0.4
… 0.95 of the shortest distance: Δe_i is the change of that atom's energy, ΔE that of the whole structure, and ΔV_ZBL
the repulsion from all atoms that are closer than in the data. Without the first row, the energies of other atoms could
compensate for an attraction; without the second, a third atom could attract two that are too close. The restraint
replaces P(y(0)) = 1 (paper, Sec. II B 2), which fixes one point of the pair part but lets the rest oscillate.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import ase
import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from acnn.arrays import FloatArray
from acnn.fit.assembly import RowSource
from acnn.fit.contacts import CloseContacts
from acnn.fit.insertion import Sites, sites_around, with_and_without
from acnn.graph import AtomicGraph
from acnn.models.fixed_terms import zbl_energy
from acnn.models.linear import LinearACE
from acnn.neighbors import atomic_graph

DIMER_RANGE = (0.05, 0.8)
"""Distances at which dimers are restrained to repel, in units of the closest approach."""
N_DIMERS = 16
"""Number of distances for each pair of elements."""
INSERTION_RANGE = (0.4, 0.95)
"""In units of the shortest distance in the data, or of the bond length where there is none."""
HOST_WEIGHT, TOTAL_WEIGHT = 0.0125, 0.00625
"""See above: with √(m / n), all insertions together keep the same influence relative to the data."""


def repulsion_rows(
    model: LinearACE, source: RowSource, contacts: CloseContacts, weight: float, n_equations: int
) -> tuple[FloatArray, FloatArray]:
    """Return rows and targets of both restraints, dimers first; ``n_equations`` is the number of rows of the data."""
    inserted = insertions(model, source, contacts, n_equations)
    parts = list(itertools.chain(dimers(model, source, contacts), inserted))
    rows, targets = zip(*parts, strict=True)
    return weight * np.array(rows), weight * np.array(targets)


def dimers(model: LinearACE, source: RowSource, contacts: CloseContacts) -> Iterator[tuple[FloatArray, float]]:
    """Yield row and target of every pair of elements at `N_DIMERS` distances."""
    for pair in itertools.combinations_with_replacement(model.elements, 2):
        for distance in contacts.closest_approach(*pair) * np.linspace(*DIMER_RANGE, N_DIMERS):
            graph = atomic_graph(ase.Atoms(pair, positions=[[0, 0, 0], [distance, 0, 0]]), model.cutoff)
            repulsion = float(zbl_energy(torch.tensor(distance, dtype=torch.float64), *graph.species.double()))
            yield source(graph, False).energy / repulsion, 1 - _fixed(model, graph) / repulsion


def insertions(
    model: LinearACE, source: RowSource, contacts: CloseContacts, n_equations: int, seed: int = 0
) -> Iterator[tuple[FloatArray, float]]:
    """Yield row and target of every host with an atom of each element inserted: for the host, then for all sites.

    Insertions are reproducible by seed.
    """
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
                sites = sites_around(wide, host, place, model.cutoff)
                repulsion = _repulsion_of_close(sites, inserted, contacts)
                alone = with_and_without(near, sites.first(), inserted, with_its_own=False)
                row, target = _deviation(model, source, *alone, 0.5 * float(repulsion[0]))
                yield HOST_WEIGHT * share * row, HOST_WEIGHT * share * target
                whole = with_and_without(near, sites, inserted, with_its_own=True)
                row, target = _deviation(model, source, *whole, float(repulsion.sum()))
                yield TOTAL_WEIGHT * share * row, TOTAL_WEIGHT * share * target


def _deviation(
    model: LinearACE, source: RowSource, after: AtomicGraph, before: AtomicGraph, repulsion: float
) -> tuple[FloatArray, float]:
    """Return row and target of ΔE / V - 1 between two graphs."""
    energy = source(after, False).energy - source(before, False).energy
    return energy / repulsion, 1 - (_fixed(model, after) - _fixed(model, before)) / repulsion


def _repulsion_of_close(sites: Sites, inserted: str, contacts: CloseContacts) -> Tensor:
    """Return V_ZBL between the inserted atom and each that is closer than in the data, 0 for others; eV [n]."""
    r = torch.linalg.vector_norm(sites.to_inserted, dim=1)
    index = np.searchsorted([atomic_numbers[e] for e in contacts.elements], sites.species.numpy())
    shortest = torch.as_tensor(contacts.shortest[index, contacts.elements.index(inserted)])
    return zbl_energy(r, sites.species.double(), torch.tensor(atomic_numbers[inserted]).double()) * (r < shortest)


def _fixed(model: LinearACE, graph: AtomicGraph) -> float:
    """Return the ZBL energy that the model has as a fixed term, eV."""
    return 0.0 if model.zbl is None or graph.n_pairs == 0 else float(model.zbl(graph).sum())
